import { join } from 'node:path';

// Where builds are kept (vagga 1, "Layout").

export interface Store {
  /** Folder that holds `.roots`, `.volumes`, `.transient`: `.vagga` of the project, or its part of `storage-dir`. */
  readonly storage: string;
  /** `.vagga` of the project: it holds a symbolic link NAME to each container's newest root. */
  readonly links: string;
  /** How such a link leads from `links` to `storage`: empty, or `.lnk/`. */
  readonly linkPrefix: '' | '.lnk/';
  /** Downloads, git clones, folders of !CacheDirs and !CacheDir. */
  readonly cache: string;
  /** Setting `versioned-build-dir`: unfinished builds of two versions of a container do not share a folder. */
  readonly versionedBuildDir: boolean;
}

/** Of a project without `storage-dir` and `cache-dir`. */
export function projectStore(project: string): Store {
  const storage = join(project, '.vagga');
  return { storage, links: storage, linkPrefix: '', cache: join(storage, '.cache'), versionedBuildDir: false };
}

export const shortHash = (hash: string): string => hash.slice(0, 8);
export const buildName = (name: string, hash: string): string => `${name}.${shortHash(hash)}`;

export const rootsFolder = (store: Store): string => join(store.storage, '.roots');
export const builtFolder = (store: Store, name: string, hash: string): string =>
  join(rootsFolder(store), buildName(name, hash));
/** A hash of null: the version is known once it is built. */
export const unfinishedFolder = (store: Store, name: string, hash: string | null): string =>
  join(rootsFolder(store), `.tmp.${hash === null || !store.versionedBuildDir ? name : buildName(name, hash)}`);
export const buildLock = (store: Store, name: string, hash: string | null): string =>
  `${unfinishedFolder(store, name, hash)}.lock`;
