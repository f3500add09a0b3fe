import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { containerAddon, isFailure } from '../native/container.ts';
import { packageRoot } from '../native/load.ts';

/** A knot that can be signalled and waited for. Started here or found: the tree treats both alike. */
export interface Knot {
  readonly pid: number;
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

export type Spawned =
  | { readonly kind: 'spawned'; readonly knot: Knot }
  | { readonly kind: 'failed'; readonly message: string };

const signalNumbers = { SIGTERM: 15, SIGKILL: 9 } as const;

/** exit code of a knot that found another one in its state dir (native/knot/supervise.hpp). */
export const alreadyRunning = 75;

export const knotProgram = (): string => join(packageRoot(), 'build', 'knot', 'knot');

export function knotMissing(): string | null {
  return existsSync(knotProgram()) ? null : `${knotProgram()} is missing: npm run build makes it`;
}

/**
 * Starts a knot in a session of its own: it has to outlive this process, and signals of a terminal are not for it. Its
 * messages go to `messagesFd`. `ended` is called once, with its exit code, null where a signal ended it.
 */
export function startKnot(plan: string, messagesFd: number, ended: (exitCode: number | null) => void): Spawned {
  const child = spawn(knotProgram(), ['--plan', plan], {
    detached: true,
    stdio: ['ignore', messagesFd, messagesFd],
    env: {},
    cwd: '/',
  });
  const { pid } = child;
  if (pid === undefined) {
    // The reason comes with the event; without a listener it would end this process.
    child.once('error', () => {});
    return { kind: 'failed', message: `${knotProgram()} cannot be started` };
  }
  child.once('exit', (exitCode) => ended(exitCode));
  child.on('error', () => {});
  return { kind: 'spawned', knot: { pid, signal: (name) => child.kill(name) } };
}

/** A knot of an earlier tree, held by a pidfd (pidfd_open(2)), which no reuse of its pid can deceive. */
export function adoptKnot(pid: number, ended: () => void): Knot | null {
  const addon = containerAddon();
  const pidfd = addon.pidfdOpen(pid);
  if (isFailure(pidfd)) return null;
  void addon.waitPidfd(pidfd).then(() => {
    addon.closeFd(pidfd);
    ended();
  });
  return {
    pid,
    signal(name) {
      addon.pidfdSendSignal(pidfd, signalNumbers[name]);
    },
  };
}
