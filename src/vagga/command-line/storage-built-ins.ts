import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { Refusal } from '../refusal.ts';
import { removeAsNamespaceRoot, runAsNamespaceRoot } from '../run/namespace-root.ts';
import { maximumIdMaps } from '../run/own-id-maps.ts';
import { rootsFolder } from '../store/layout.ts';
import { initStorage } from '../store/place.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';
import { updateSymlinks } from './symlinks.ts';

const ioTrouble = 2;

export const storageBuiltIns: Readonly<Record<string, BuiltIn>> = {
  _init_storage_dir: {
    summary: 'name the project’s folder in storage-dir (storage-subdir-from-env-var does it better)',
    command: (context) =>
      new Command('_init_storage_dir')
        .argument('<subdir>')
        .option('--allow-multiple', 'share the folder if it is there')
        .action((name: string, flags: { allowMultiple?: true }) => {
          const { project, place } = context;
          const problem = initStorage(project.root, place.settings, name, flags.allowMultiple ?? false);
          if (problem !== null) throw new Refusal('failed', problem);
        }),
  },
  _update_symlinks: {
    summary: 'make a program of each command that has a symlink-name',
    command: (context) =>
      new Command('_update_symlinks')
        .option('--local-only', 'only in .vagga/.cmd of the project')
        .option('--user-only', 'only in ~/.vagga/cmd')
        .action((flags: { localOnly?: true; userOnly?: true }) => context.end(updateSymlinks(context, flags))),
  },
  _check_overlayfs_support: {
    summary: 'say whether overlayfs can be mounted where builds are kept',
    command: (context) =>
      new Command('_check_overlayfs_support').action(async () => context.end(await checkOverlay(context))),
  },
};

/** Mounts one over folders of the store: whether the file system below can be written to is what differs. */
async function checkOverlay({ place, print }: BuiltInContext): Promise<number> {
  const maps = maximumIdMaps();
  if ('problem' in maps) throw new Refusal('launcher', maps.problem);
  let folder: string;
  try {
    mkdirSync(rootsFolder(place.store), { recursive: true });
    folder = mkdtempSync(join(rootsFolder(place.store), '.tmp.overlay.'));
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(folder, name));
  } catch (error) {
    place.tell(`vagga: ${(error as Error).message}`);
    return ioTrouble;
  }
  // The folder's own name may hold a comma or a colon, which the options of mount(8) would take for their own.
  const script =
    'cd "$1" && mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay merged && : > merged/file';
  const end = await runAsNamespaceRoot(maps.value, ['sh', '-c', `{ ${script}; } 2>/dev/null`, 'sh', folder]);
  await removeAsNamespaceRoot(maps.value, [folder]);
  if (!('kind' in end)) {
    place.tell(`vagga: ${end.message}`);
    return ioTrouble;
  }
  const supported = end.exitCode === exitCodes.ok;
  print(supported ? 'supported\n' : 'unsupported\n');
  return supported ? exitCodes.ok : exitCodes.failed;
}
