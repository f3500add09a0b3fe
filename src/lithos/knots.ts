import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { containerAddon, isFailure, type ListeningSocket } from '../native/container.ts';
import { packageRoot } from '../native/load.ts';

/** A knot that can be signalled and waited for. Started here or found: the tree treats both alike. */
export interface Knot {
  readonly pid: number;
  signal(name: KnotSignal): void;
}

/** SIGUSR1: it opens its logs anew. */
export type KnotSignal = 'SIGTERM' | 'SIGKILL' | 'SIGUSR1';

export type Spawned =
  | { readonly kind: 'spawned'; readonly knot: Knot }
  | { readonly kind: 'failed'; readonly message: string };

const signalNumbers = { SIGTERM: 15, SIGKILL: 9, SIGUSR1: 10 } as const;

/** exit code of a knot that found another one in its state dir (native/knot/supervise.hpp). */
export const alreadyRunning = 75;

export const knotProgram = (): string => join(packageRoot(), 'build', 'knot', 'knot');

export function knotMissing(): string | null {
  return existsSync(knotProgram()) ? null : `${knotProgram()} is missing: npm run build makes it`;
}

/**
 * Starts a knot in a session of its own: it has to outlive this process, and signals of a terminal are not for it. Its
 * first messages, before it has read its plan, go to `messagesFile`; `fds` are its descriptors from 3 on. `ended` is called once, with its exit code, null where a signal ended it.
 */
export function startKnot(
  plan: string,
  messagesFile: string,
  fds: readonly number[],
  ended: (exitCode: number | null) => void,
): Spawned {
  const messages = openSync(messagesFile, 'a', 0o640);
  try {
    const child = spawn(knotProgram(), ['--plan', plan], {
      detached: true,
      stdio: ['ignore', messages, messages, ...fds],
      env: {},
      cwd: '/',
    });
    // A reason that comes as an event comes too late for an answer; unheard it would end this process.
    child.on('error', () => {});
    const { pid } = child;
    if (pid === undefined)
      return { kind: 'failed', message: `${knotProgram()}: cannot be spawned (processes or files at their limit?)` };
    child.once('exit', (exitCode) => ended(exitCode));
    return { kind: 'spawned', knot: { pid, signal: (name) => child.kill(name) } };
  } finally {
    closeSync(messages);
  }
}

/**
 * A knot of an earlier tree, held by a pidfd (pidfd_open(2)), which no reuse of its pid can deceive once `isStill` has
 * said that the pidfd is of the right process; and copies of the listening sockets that it was given.
 */
export function adoptKnot(
  pid: number,
  isStill: () => boolean,
  ended: () => void,
): { readonly knot: Knot; readonly sockets: readonly ListeningSocket[] } | null {
  const addon = containerAddon();
  const pidfd = addon.pidfdOpen(pid);
  if (isFailure(pidfd)) return null;
  if (!isStill()) {
    addon.closeFd(pidfd);
    return null;
  }
  void addon.waitPidfd(pidfd).then(() => {
    addon.closeFd(pidfd);
    ended();
  });
  const sockets = addon.takeSockets(pid, pidfd);
  const knot: Knot = {
    pid,
    signal(name) {
      addon.pidfdSendSignal(pidfd, signalNumbers[name]);
    },
  };
  return { knot, sockets: isFailure(sockets) ? [] : sockets };
}
