import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerAddon, isFailure } from '../../native/container.ts';

/**
 * What keeps overlays from working in a folder; null: they do. By trial, as root of a user namespace with a mount
 * namespace of its own: a kernel may lack them, a file system may lack what they need of it.
 */
export function overlayProblem(folder: string): string | null {
  const addon = containerAddon();
  const at = (name: string): string => join(folder, 'probe', name);
  for (const name of ['lower/folder', 'upper', 'work', 'merged']) mkdirSync(at(name), { recursive: true });
  writeFileSync(at('lower/file'), 'lower');
  writeFileSync(at('lower/folder/inner'), 'lower');
  try {
    const mounted = addon.mountOverlay([at('lower')], at('upper'), at('work'), at('merged'));
    if (isFailure(mounted)) return mounted.message;
    try {
      // A whiteout, and a folder that hides another.
      rmSync(at('merged/file'));
      rmSync(at('merged/folder'), { recursive: true });
      mkdirSync(at('merged/folder'));
      writeFileSync(at('merged/new'), 'new');
      renameSync(at('merged/new'), at('merged/folder/new'));
      const right = !existsSync(at('merged/file')) && !existsSync(at('merged/folder/inner'));
      return right ? null : 'removed files are still seen';
    } finally {
      addon.unmount(at('merged'));
    }
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(join(folder, 'probe'), { recursive: true, force: true });
  }
}
