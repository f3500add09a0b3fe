import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { findCommand } from './command-line/find-command.ts';
import type { Volume } from './config/volumes.ts';
import { exitCodes } from './exit-codes.ts';
import type { Perform, Performance } from './perform.ts';
import { Refusal } from './refusal.ts';
import { removeAsNamespaceRoot } from './run/namespace-root.ts';
import { lockFile } from './store/lock.ts';

export interface Filling {
  /** Volumes that the command itself fills: they get their names when it ends well. */
  readonly names: ReadonlySet<string>;
  keep(): void;
  release(): void;
}

/**
 * Persistent volumes that are not there yet: their init-commands run first; where the command is itself the init-command
 * of one, it fills the volume under a temporary name and an exclusive lock (vagga 2.4). A number: exit code of an
 * init-command that failed.
 */
export async function fillVolumes(
  performance: Performance,
  perform: Perform,
  command: string,
  container: string,
  volumes: ReadonlyMap<string, Volume>,
  /** Volumes that this command fills anyway. */
  filledBefore: ReadonlySet<string>,
): Promise<Filling | number> {
  const { place, containers } = performance;
  const maps = containers.mapsOf(container);
  const folder = join(place.store.storage, '.volumes');
  const own: string[] = [];
  const locks: (() => void)[] = [];
  const release = (): void => {
    for (const unlock of locks.splice(0)) unlock();
  };
  for (const volume of volumes.values()) {
    if (volume.tag !== 'Persistent' || volume.value.initCommand === null) continue;
    const { name, initCommand } = volume.value;
    if (existsSync(join(folder, name)) || filledBefore.has(name)) continue;
    if (findCommand(place.project, initCommand)?.name !== command) {
      const code = await perform(performance, initCommand, []);
      if (code !== exitCodes.ok) return code;
      continue;
    }
    const unfinished = join(folder, `.tmp.${name}`);
    mkdirSync(folder, { recursive: true });
    const lock = await lockFile(`${unfinished}.lock`, true, place.tell);
    if (lock.kind !== 'locked') {
      release();
      throw new Refusal('container', lock.kind === 'busy' ? `volume ${name} is being filled` : lock.problem);
    }
    locks.push(lock.release);
    // Whoever held the lock may have filled it.
    if (existsSync(join(folder, name))) continue;
    const left = existsSync(unfinished) ? await removeAsNamespaceRoot(maps, [unfinished]) : null;
    if (left !== null) {
      release();
      throw new Refusal('container', left);
    }
    own.push(name);
  }
  return {
    names: new Set(own),
    keep() {
      for (const name of own) renameSync(join(folder, `.tmp.${name}`), join(folder, name));
    },
    release,
  };
}
