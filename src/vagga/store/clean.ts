import { existsSync, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { rootsFolder, type Store } from './layout.ts';
import { lnk } from './place.ts';

// What `_clean` removes: vagga 4, the last table.

/** What the storage folder holds. Paths are absolute. */
export interface Holdings {
  /** Committed builds. */
  readonly builds: readonly { readonly path: string; readonly lastUseMs: number }[];
  /** Builds that are under way or failed. */
  readonly unfinished: readonly string[];
  /** Whatever else lies among the builds. */
  readonly stray: readonly string[];
  /** Copies for writable runs, with the process that they are for. */
  readonly transient: readonly { readonly path: string; readonly pid: number }[];
  readonly volumes: readonly { readonly path: string; readonly name: string }[];
  /** Builds that a link of a container leads to. */
  readonly linked: ReadonlySet<string>;
}

export interface Wanted {
  readonly unfinished: boolean;
  readonly old: boolean;
  /** Builds that are no current version; not used for so many ms. */
  readonly unused: { readonly atLeastMs: number } | null;
  readonly transient: boolean;
  readonly volumes: 'all' | 'unused' | null;
}

export interface Circumstances {
  readonly nowMs: number;
  /** `NAME.HASH8` of each container as it is configured now. */
  readonly current: ReadonlySet<string>;
  /** Names of volumes that the configuration has. */
  readonly volumes: ReadonlySet<string>;
  readonly isAlive: (pid: number) => boolean;
}

export function survey(store: Store): Holdings {
  const roots = rootsFolder(store);
  const builds: { path: string; lastUseMs: number }[] = [];
  const unfinished: string[] = [];
  const stray: string[] = [];
  for (const name of entries(roots)) {
    const path = join(roots, name);
    // The file that is locked stays: whoever holds it would hold one that nobody else finds.
    if (name.endsWith('.lock')) continue;
    if (!isFolder(path)) stray.push(path);
    else if (name.startsWith('.tmp')) unfinished.push(path);
    else builds.push({ path, lastUseMs: statOf(join(path, 'last_use'))?.mtimeMs ?? statOf(path)?.mtimeMs ?? 0 });
  }
  const copies = join(store.storage, '.transient');
  const volumes = join(store.storage, '.volumes');
  return {
    builds,
    unfinished,
    stray,
    transient: entries(copies).map((name) => ({ path: join(copies, name), pid: Number(name.split('.').at(-1)) })),
    volumes: entries(volumes)
      .filter((name) => !name.startsWith('.tmp.'))
      .map((name) => ({ path: join(volumes, name), name })),
    linked: new Set(
      entries(store.links).flatMap((name) => {
        const target = linkOf(join(store.links, name));
        if (target === null || name === lnk) return [];
        // The name of a build is the same on both sides of `.lnk`.
        const below = target.startsWith(`${lnk}/`) ? resolve(store.storage, target.slice(lnk.length + 1)) : target;
        return [resolve(store.links, below, '..')];
      }),
    ),
  };
}

/** Paths to remove. */
export function toRemove(holdings: Holdings, wanted: Wanted, now: Circumstances): readonly string[] {
  const isOld = (path: string): boolean => wanted.old && !holdings.linked.has(path);
  const isUnused = (path: string, lastUseMs: number): boolean => {
    if (wanted.unused === null) return false;
    const { atLeastMs } = wanted.unused;
    // A period asks only how long ago; without one, what is configured counts.
    return atLeastMs > 0 ? now.nowMs - lastUseMs >= atLeastMs : !now.current.has(basename(path));
  };
  const builds = holdings.builds.filter(({ path, lastUseMs }) => isOld(path) || isUnused(path, lastUseMs));
  return [
    ...(wanted.unfinished ? holdings.unfinished : []),
    ...builds.map(({ path }) => path),
    ...(wanted.old || wanted.unused !== null ? holdings.stray : []),
    ...(wanted.transient ? holdings.transient.filter(({ pid }) => !now.isAlive(pid)).map(({ path }) => path) : []),
    ...holdings.volumes
      .filter(({ name }) => wanted.volumes === 'all' || (wanted.volumes === 'unused' && !now.volumes.has(name)))
      .map(({ path }) => path),
  ];
}

const statOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });
const isFolder = (path: string): boolean => statOf(path)?.isDirectory() ?? false;
const entries = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

function linkOf(path: string): string | null {
  return statOf(path)?.isSymbolicLink() === true ? readlinkSync(path) : null;
}
