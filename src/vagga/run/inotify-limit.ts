import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

// Key `expect-inotify-limit` of a command, setting `auto-apply-sysctl`: vagga 2.5. Kernel document: inotify(7).

const name = 'fs.inotify.max_user_watches';
const file = '/proc/sys/fs/inotify/max_user_watches';
/** No mistake in a vagga.yaml raises it further: each watch takes a kilobyte of the kernel's memory. */
const mostApplied = 524_288;

export type InotifyDecision =
  | { readonly kind: 'enough' }
  | { readonly kind: 'apply'; readonly words: readonly [string, ...string[]] | 'write' }
  | { readonly kind: 'warn'; readonly message: string };

/** `now` null: the kernel does not say. */
export function decideInotify(
  expected: number,
  now: number | null,
  { autoApply, isRoot }: { readonly autoApply: boolean; readonly isRoot: boolean },
): InotifyDecision {
  if (now === null || now >= expected) return { kind: 'enough' };
  if (autoApply && expected <= mostApplied) {
    return { kind: 'apply', words: isRoot ? 'write' : ['sudo', '-k', 'sysctl', `${name}=${expected}`] };
  }
  const hint = `sudo sysctl ${name}=${expected}`;
  const automatic = expected <= mostApplied ? '; or set auto-apply-sysctl' : '';
  return {
    kind: 'warn',
    message: `${name} is ${now}; the command expects at least ${expected}\nhint: ${hint}${automatic}`,
  };
}

/** Does what is decided; what goes wrong with it is no more than a warning. */
export function expectInotifyLimit(expected: number | null, autoApply: boolean, tell: (message: string) => void): void {
  if (expected === null) return;
  const now = currentLimit();
  const decision = decideInotify(expected, now, { autoApply, isRoot: process.geteuid?.() === 0 });
  switch (decision.kind) {
    case 'enough':
      return;
    case 'warn':
      tell(`WARNING: ${decision.message}`);
      return;
    case 'apply': {
      const problem = decision.words === 'write' ? write(expected) : run(decision.words);
      if (problem !== null) tell(`WARNING: ${name} stays at ${now}, the command expects ${expected}: ${problem}`);
      return;
    }
    default:
      decision satisfies never;
  }
}

function currentLimit(): number | null {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

function write(limit: number): string | null {
  try {
    writeFileSync(file, String(limit));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function run([program, ...args]: readonly [string, ...string[]]): string | null {
  const end = spawnSync(program, args, { stdio: ['inherit', 2, 2] });
  if (end.error !== undefined) return end.error.message;
  return end.status === 0 ? null : `${program} ended with exit code ${end.status}`;
}
