import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { containerAddon, isFailure, type NativeFailure } from '../../native/container.ts';
import { systemFoldersOf } from '../build/finish.ts';
import { hostFiles } from '../build/host-files.ts';
import type { BuildJob } from '../build/job.ts';
import type { LayerSession } from './store.ts';

/** A run over layers. */
export interface Overlaid {
  readonly session: LayerSession;
  /** The layers, the uppermost first. */
  readonly folders: readonly string[];
  /** Of its own among those of the session. */
  readonly name: string;
  /** The first of a build: the root gets what each has before its first step. */
  readonly first: boolean;
}

/**
 * Runs while the root of the job shows the layers; what is changed is in `fs` of the folder that it answers with. Where
 * it fails, the root is left as a plain folder, for a look.
 */
export async function overlaid<T>(
  job: BuildJob,
  { session, folders, name, first }: Overlaid,
  run: () => Promise<T>,
): Promise<{ readonly folder: string; readonly value: T }> {
  const addon = containerAddon();
  const folder = join(session.folder, name);
  const [upper, work] = [join(folder, 'fs'), join(folder, 'work')];
  mkdirSync(folder);
  mkdirSync(upper, { mode: 0o755 });
  mkdirSync(work);
  const lowers = folders.length > 0 ? folders : [join(session.store.folder, 'empty')];
  throwFailure(addon.mountOverlay(lowers, upper, work, job.root));
  try {
    if (first) {
      systemFoldersOf(job.root);
      hostFiles(job.root, job.container);
    }
    const value = await run();
    throwFailure(addon.unmount(job.root));
    return { folder, value };
  } catch (error) {
    if (isMounted(job.root)) throwFailure(addon.unmount(job.root));
    const merged = addon.mergeLayers([upper, ...folders], job.root);
    if (isFailure(merged)) process.stderr.write(`WARNING: ${merged.message}\n`);
    throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export function throwFailure(outcome: true | NativeFailure): void {
  if (isFailure(outcome)) throw new Error(outcome.message);
}

function isMounted(path: string): boolean {
  // As /proc/PID/mountinfo writes a path.
  const text = path.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${text} `);
}
