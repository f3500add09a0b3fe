import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { isBelow, normalPath } from './paths.ts';

/** What lies at a mount point: a folder of the host, or something whose entries nobody can know beforehand. */
export type Mounted =
  | { readonly kind: 'bind'; readonly source: string; readonly exec: boolean }
  | { readonly kind: 'made' };

/** What a program of the container will see, as far as the host's files tell. */
export interface View {
  /** Host folder that becomes `/`. */
  readonly root: string;
  /** By resolved mount point. */
  readonly mounts: ReadonlyMap<string, Mounted>;
}

export interface Folder {
  /** As seen inside. */
  readonly path: string;
  readonly stats: Stats;
}

export type Resolved =
  | {
      readonly kind: 'found';
      /** As seen inside, without symbolic links. */
      readonly path: string;
      readonly host: string;
      readonly stats: Stats;
      /** The mount point that it lies on or below; null for the image itself. */
      readonly mount: string | null;
      /** Every folder that had to be searched. */
      readonly folders: readonly Folder[];
    }
  /** Inside a mount that is made at the start. */
  | { readonly kind: 'made'; readonly path: string; readonly mount: string; readonly folders: readonly Folder[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** As many as Linux follows (path_resolution(7)). */
const mostSymlinks = 40;

/**
 * Follows a path as the kernel would after pivot_root: absolute symbolic links begin at the view's root. One that climbs
 * above that root is refused, although the kernel would stop there: nothing sound needs it.
 */
export function resolveInView(view: View, path: string): Resolved {
  let todo = path.split('/').reverse();
  let at = '/';
  let links = 0;
  const folders: Folder[] = [];
  for (;;) {
    const here = locate(view, at);
    if (here === null) {
      const mount = mountOf(view, at) ?? at;
      const rest = normalPath([at, ...todo.reverse()].join('/'));
      return rest.split('/').includes('..')
        ? { kind: 'refused', reason: `${path} leads through .. of ${mount}, which is made at the start` }
        : { kind: 'made', path: rest, mount, folders };
    }
    let stats: Stats;
    try {
      stats = lstatSync(here);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' || code === 'ENOTDIR' ? `${at} is not there` : `${at} cannot be read (${code})`;
      return { kind: 'refused', reason };
    }
    if (stats.isSymbolicLink() && !view.mounts.has(at)) {
      if (++links > mostSymlinks)
        return { kind: 'refused', reason: `${path}: more than ${mostSymlinks} symbolic links` };
      const target = readLink(here);
      if (target === null) return { kind: 'refused', reason: `${at} cannot be read` };
      todo = [...todo, ...target.split('/').reverse()];
      at = target.startsWith('/') ? '/' : parent(at);
      continue;
    }
    let name = todo.pop();
    while (name === '' || name === '.') name = todo.pop();
    if (name === undefined) {
      return { kind: 'found', path: at, host: here, stats, mount: mountOf(view, at), folders };
    }
    if (!stats.isDirectory()) return { kind: 'refused', reason: `${at} is not a folder` };
    folders.push({ path: at, stats });
    if (name === '..') {
      if (at === '/') return { kind: 'refused', reason: `${path} leads out of the image` };
      at = parent(at);
    } else {
      at = at === '/' ? `/${name}` : `${at}/${name}`;
    }
  }
}

const parent = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** The deepest mount point at or above a path. */
function mountOf(view: View, path: string): string | null {
  let best: string | null = null;
  for (const target of view.mounts.keys()) {
    if (isBelow(path, target) && (best === null || target.length > best.length)) best = target;
  }
  return best;
}

/** The host's path; null where only the start makes it. */
function locate(view: View, path: string): string | null {
  const mount = mountOf(view, path);
  const mounted = mount === null ? undefined : view.mounts.get(mount);
  if (mount === null || mounted === undefined) return path === '/' ? view.root : view.root + path;
  if (mounted.kind === 'made') return null;
  return mounted.source + path.slice(mount.length);
}

/** Who looks: ids as the host sees them. */
export interface HostIds {
  readonly uid: number;
  readonly gid: number;
}

/** Whether the host's permission bits let these ids search a folder (path_resolution(7)); ACLs are not looked at. */
export function maySearch({ stats }: Folder, { uid, gid }: HostIds): boolean {
  if (uid === 0) return true;
  const shift = stats.uid === uid ? 6 : stats.gid === gid ? 3 : 0;
  return ((stats.mode >> shift) & 1) === 1;
}
