import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { containerAddon, isFailure } from '../native/container.ts';
import { packageRoot } from '../native/load.ts';
import type { TreeLog } from './tree-log.ts';

type Environment = Readonly<Record<string, string>>;

/** Keeps signals waiting until the next image has handlers (native/knot/early_signals.cc). */
const earlySignals = (): Environment => {
  const file = join(packageRoot(), 'build', 'knot', 'early-signals.so');
  return existsSync(file) ? { LD_PRELOAD: file } : {};
};

const words = (): readonly string[] => [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
const assignments = (more: Environment): readonly string[] =>
  Object.entries({ ...process.env, ...earlySignals(), ...more }).map(([name, value]) => `${name}=${value ?? ''}`);

/**
 * Executes this program anew in this process (lithos 4.4): the pid, its children and the descriptors of keepFd stay; what
 * was replaced on disk counts from now on. Returns only what went wrong.
 */
export function startAgain(more: Environment): string {
  return containerAddon().replaceImage(process.execPath, words(), assignments(more)).message;
}

/** The same after a memory fault or a mistake of ours, so that no bug takes the supervisor away. */
export function watchCrashes(more: Environment, log: TreeLog): void {
  const watched = containerAddon().replaceOnCrash(process.execPath, words(), assignments(more));
  if (isFailure(watched)) log.warn(`crashes end this process: ${watched.message}`);
  const startedMs = Date.now();
  const crashed = (error: unknown): void => {
    log.error(`a mistake of ours, starting again: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    // A mistake at every start must not keep a core busy.
    setTimeout(() => log.error(startAgain(more)), Math.max(0, startedMs + leastLifeMs - Date.now()));
  };
  process.on('uncaughtException', crashed);
  process.on('unhandledRejection', crashed);
}

const leastLifeMs = 1_000;

const program = process.argv[1] ?? process.execPath;
/** What this process runs: the program, the bundle that it loads, the addon. */
const parts = (): readonly string[] => [
  process.execPath,
  program,
  join(packageRoot(), 'dist', 'main.js'),
  join(packageRoot(), 'build', 'Release', 'container.node'),
];
const identityOf = (path: string): string => {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}:${stats.mtimeMs}`;
};
const identities = (): string => parts().map(identityOf).join(' ');
const atStart = identities();

/** Whether what is installed is another program than the one that runs, and complete. */
export const programChanged = (): boolean =>
  identities() !== atStart && parts().every((path) => identityOf(path) !== 'none');
