import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Workplace } from './ready.ts';

// Key `expect-inotify-limit` and setting `auto-apply-sysctl`: vagga 2.5.

const key = 'fs.inotify.max_user_watches';
const file = '/proc/sys/fs/inotify/max_user_watches'; // inotify(7)
/** Each watch pins up to 1 KiB of kernel memory: beyond 512 MiB somebody shall decide for himself. */
const greatestApplied = 524_288;

export type InotifyAction = 'none' | 'warn' | 'write' | 'sudo';

export function inotifyAction(
  expected: number,
  found: number,
  { autoApply, isRoot }: { readonly autoApply: boolean; readonly isRoot: boolean },
): InotifyAction {
  if (found >= expected) return 'none';
  if (!autoApply || expected > greatestApplied) return 'warn';
  return isRoot ? 'write' : 'sudo';
}

/** Sees that a command that watches many files may do so, or tells how; the command runs in any case. */
export function expectInotifyLimit(expected: number | null, { settings, tell }: Workplace): void {
  if (expected === null) return;
  const found = Number(readFileSync(file, 'utf8'));
  const isRoot = process.geteuid?.() === 0;
  const words = ['sudo', '-k', 'sysctl', `${key}=${expected}`] as const;
  const action = inotifyAction(expected, found, { autoApply: settings.autoApplySysctl, isRoot });
  switch (action) {
    case 'none':
      return;
    case 'warn':
      tell(`WARNING: ${key} is ${found}, the command expects ${expected}: ${words.join(' ')}`);
      return;
    case 'write':
      try {
        writeFileSync(file, String(expected));
      } catch (error) {
        tell(`WARNING: ${key} is ${found}, the command expects ${expected}: ${(error as Error).message}`);
      }
      return;
    case 'sudo': {
      tell(words.join(' '));
      const [program, ...args] = words;
      const done = spawnSync(program, args, { stdio: ['inherit', 2, 2] });
      if (done.status !== 0) tell(`WARNING: ${key} stays ${found}, the command expects ${expected}`);
      return;
    }
    default:
      action satisfies never;
  }
}
