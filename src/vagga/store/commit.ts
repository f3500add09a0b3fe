import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { hostMaps } from '../capsule/own-capsule.ts';
import { mapText } from '../run/id-map.ts';
import type { IdMaps } from '../run/own-id-maps.ts';
import { buildName, builtFolder, rootsFolder, type Store } from './layout.ts';

// A build is there once its folder has its final name; before, nothing takes it for one, whenever the process is killed.

export type Kept =
  /** As it is to be. */
  | { readonly kind: 'current'; readonly folder: string }
  /** Its files belong to other ids than those of today. */
  | { readonly kind: 'other-ids'; readonly folder: string }
  | { readonly kind: 'absent' };

export function keptBuild(store: Store, name: string, hash: string, maps: IdMaps): Kept {
  const folder = builtFolder(store, name, hash);
  if (!existsSync(join(folder, 'root'))) return { kind: 'absent' };
  const same = (file: string, map: IdMaps['uidMap']): boolean => {
    try {
      return readFileSync(join(folder, file), 'utf8') === mapText(map);
    } catch {
      return false;
    }
  };
  const { uidMap, gidMap } = hostMaps(maps);
  const current = same('uid_map', uidMap) && same('gid_map', gidMap);
  return { kind: current ? 'current' : 'other-ids', folder };
}

/** What the folder of a build says beside its root; to be written before it is committed. */
export function describeBuild(folder: string, maps: IdMaps): void {
  const { uidMap, gidMap } = hostMaps(maps);
  writeFileSync(join(folder, 'uid_map'), mapText(uidMap));
  writeFileSync(join(folder, 'gid_map'), mapText(gidMap));
  touchLastUse(folder);
}

/** Its modification time is when the build was last used. */
export function touchLastUse(folder: string): void {
  writeFileSync(join(folder, 'last_use'), '');
}

/** Gives the unfinished folder its final name. Returns what it was exchanged for, to be removed; null: nothing. */
export function commitBuild(
  store: Store,
  name: string,
  hash: string,
  unfinished: string,
): { readonly folder: string; readonly old: string | null } {
  const folder = builtFolder(store, name, hash);
  const old = `${unfinished}.old`;
  const replaced = existsSync(folder);
  if (replaced) renameSync(folder, old);
  renameSync(unfinished, folder);
  return { folder, old: replaced ? old : null };
}

/** What is built is used again: the folder of the build. */
export function useBuild(store: Store, name: string, hash: string): string {
  const folder = builtFolder(store, name, hash);
  touchLastUse(folder);
  linkBuild(store, name, hash);
  return folder;
}

/** The folder in `.roots` of the build that `.vagga/NAME` leads to; null: there is none. */
export function newestBuild(store: Store, name: string): string | null {
  try {
    const folder = dirname(realpathSync(join(store.links, name)));
    return dirname(folder) === realpathSync(rootsFolder(store)) ? folder : null;
  } catch {
    return null;
  }
}

/** `.vagga/NAME` leads to the root of this build from now on. */
export function linkBuild(store: Store, name: string, hash: string): void {
  mkdirSync(store.links, { recursive: true });
  const link = join(store.links, name);
  const target = `${store.linkPrefix}.roots/${buildName(name, hash)}/root`;
  if (leadsTo(link, target)) return;
  const made = `${link}.tmp`;
  rmSync(made, { force: true });
  symlinkSync(target, made);
  if (lstatSync(link, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new Error(`${link} is a folder; expected a symbolic link: move it away`);
  }
  renameSync(made, link);
}

function leadsTo(link: string, target: string): boolean {
  try {
    return readlinkSync(link) === target;
  } catch {
    return false;
  }
}
