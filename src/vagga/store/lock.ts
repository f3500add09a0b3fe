import { setTimeout as sleep } from 'node:timers/promises';
import { containerAddon, isFailure } from '../../native/container.ts';
import { lockable } from './cache-folder.ts';

export type LockOutcome =
  | { readonly kind: 'locked'; release(): void }
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly problem: string };

const askEveryMs = 100;
/** Before it nobody has begun to wonder. */
const tellAfterMs = 1_000;

/**
 * The flock(2) of a file, which is made. The kernel gives it free with the process, however that ends. `wait`: until it
 * is free; `tell` gets one message when that takes long, and how long it took.
 */
export async function lockFile(path: string, wait: boolean, tell: (message: string) => void): Promise<LockOutcome> {
  const addon = containerAddon();
  try {
    lockable(path);
  } catch (error) {
    return { kind: 'failed', problem: (error as Error).message };
  }
  const since = Date.now();
  let told = false;
  for (;;) {
    const lock = addon.tryLock(path);
    if (isFailure(lock)) return { kind: 'failed', problem: lock.message };
    if (lock !== null) {
      if (told) tell(`Waited ${Math.round((Date.now() - since) / 1000)} seconds for the other build`);
      return { kind: 'locked', release: () => addon.closeFd(lock) };
    }
    if (!wait) return { kind: 'busy' };
    if (!told && Date.now() - since >= tellAfterMs) {
      tell('Another process is doing a build of this container; waiting for it');
      told = true;
    }
    await sleep(askEveryMs);
  }
}
