import { showBanner } from './banner.ts';
import { readCommandLine } from './command-line/command-line.ts';
import { findCommand } from './command-line/find-command.ts';
import type { GlobalOptions } from './command-line/global-options.ts';
import type { ContainerCommand } from './config/command.ts';
import { builtFor, readyCommand } from './container-command.ts';
import { exitCodes } from './exit-codes.ts';
import { expectInotifyLimit } from './inotify-limit.ts';
import { plannedStart } from './plan/planned-start.ts';
import { performBefore } from './prerequisites.ts';
import type { Containers, Workplace } from './ready.ts';
import { Refusal } from './refusal.ts';
import { runCommand } from './run/command.ts';

export interface Performance {
  readonly place: Workplace;
  readonly containers: Containers;
  readonly options: GlobalOptions;
  /** The caller's folder. */
  readonly cwd: string;
  readonly print: (text: string) => void;
  /** Names of commands that have run: each runs once. */
  readonly done: Set<string>;
}

export type Perform = typeof perform;

/** Runs a command of vagga.yaml after what it says must run before; the exit code. Throws a Refusal. */
export async function perform(performance: Performance, word: string, args: readonly string[]): Promise<number> {
  const { place, done, print } = performance;
  const found = findCommand(place.project, word);
  if (found === null) throw new Refusal('launcher', `command ${word} not found and is not an alias`);
  const { name, command } = found;
  done.add(name);
  // A person waits for a plain command: what the others need is loaded with them.
  if (command.tag === 'Supervise') {
    const { performSupervise } = await import('./supervise.ts');
    return performSupervise(performance, perform, name, command.value, args);
  }
  if (command.tag === 'CapsuleCommand') {
    const { performCapsule } = await import('./capsule-command.ts');
    return performCapsule(performance, perform, name, command.value, args);
  }
  const line = readCommandLine(name, command.value, args, print);
  if (typeof line === 'number') return line;
  const before = await performBefore(performance, perform, command.value.prerequisites);
  if (before !== exitCodes.ok) return before;
  return runIn(performance, { name, word }, command.value, line.variables, line.args);
}

async function runIn(
  performance: Performance,
  { name, word }: { readonly name: string; readonly word: string },
  command: ContainerCommand,
  variables: ReadonlyMap<string, string>,
  args: readonly string[],
): Promise<number> {
  const { place, options, print } = performance;
  const built = await builtFor(performance, command);
  if (options.containersOnly) return exitCodes.ok;
  const ready = await readyCommand(performance, perform, name, command, built, variables, args);
  if (typeof ready === 'number') return ready;
  const { request, filling } = ready;
  try {
    expectInotifyLimit(command.expectInotifyLimit, place);
    const withdrawBanner = showBanner(command, place.tell);
    const fills = filling.names.size;
    const onStart = plannedStart({ performance, command, word, args, request, fills });
    const code = await runCommand(onStart === null ? request : { ...request, onStart });
    withdrawBanner();
    if (code === exitCodes.ok) {
      filling.keep();
      if (command.epilog !== null) print(command.epilog);
    }
    return code;
  } finally {
    filling.release();
  }
}
