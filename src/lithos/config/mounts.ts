import { lstatSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import { isBelow, normalPath } from '../../config/paths.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import { type Mounted, type Resolved, resolveInView, type View } from '../../config/view.ts';
import type { Mount } from '../../native/container.ts';
import type { Preparation } from '../desired.ts';
import type { ContainerConfig, Volume } from './container.ts';
import { type Identity, outside } from './identity.ts';
import type { SandboxConfig } from './sandbox.ts';

export interface MountPlan {
  /** Volumes by the length of their mount points, after what every container has. */
  readonly mounts: readonly Mount[];
  readonly preparations: readonly Preparation[];
  readonly view: View;
}

/** Folders that every container gets, and so must have in its image (lithos 5, step 7). */
const special = ['dev', 'sys', 'proc'] as const;
/** A tmpfs of the private /dev: the one mount point below what is made at the start. */
const sharedMemory = '/dev/shm';

interface MountContext {
  readonly sandbox: LoadedConfig<SandboxConfig>;
  readonly container: LoadedConfig<ContainerConfig>;
  readonly identity: Identity;
  readonly imageRoot: string;
  /** Own folder of the instance on the host. */
  readonly stateDir: string;
  /** Who starts containers. */
  readonly hostUid: number;
  readonly devfsDir: string | null;
}

interface Source {
  readonly mount: Omit<Mount & { kind: 'bind' }, 'target'> | Omit<Mount & { kind: 'tmpfs' }, 'target'>;
  readonly mounted: Mounted;
  /** Null where nobody can know beforehand, or where it is made. */
  readonly isFolder: boolean | null;
  readonly preparations: readonly Preparation[];
}

/** What is mounted where, or why it cannot be. Nothing on the host is changed. */
export function planMounts(context: MountContext): MountPlan | { readonly problems: readonly ConfigProblem[] } {
  const { container, imageRoot } = context;
  const problems: ConfigProblem[] = [];
  const mounts: Mount[] = [];
  const preparations: Preparation[] = [];
  const mounted = new Map<string, Mounted>();
  const view: View = { root: imageRoot, mounts: mounted };
  for (const kind of special) {
    const target = `/${kind}`;
    const reason = folderProblem(resolveInView(view, target), target);
    if (reason !== null) problems.push(container.problemAt('', `image ${imageRoot}: ${reason}`));
    if (kind === 'dev' && context.devfsDir !== null) {
      mounts.push(devices(context.devfsDir), { kind: 'pts', target: '/dev/pts' });
    } else mounts.push({ kind, target });
    mounted.set(target, { kind: 'made' });
  }
  const volumes = [...container.value.volumes].sort(([a], [b]) => a.length - b.length);
  for (const [target, volume] of volumes) {
    const key = `volumes.${target}`;
    const source = sourceOf(context, volume);
    if ('problem' in source) {
      problems.push(container.problemAt(key, source.problem));
      continue;
    }
    const place = resolveInView(view, target);
    const reason = placeProblem(place, target, source);
    if (reason !== null || place.kind === 'refused') {
      problems.push(container.problemAt(key, reason ?? ''));
      continue;
    }
    mounts.push({ ...source.mount, target });
    mounted.set(place.path, source.mounted);
    preparations.push(...source.preparations);
  }
  // Outer folders before inner ones: emptying one afterwards would take the other along.
  preparations.sort((a, b) => a.path.length - b.path.length);
  return problems.length > 0 ? { problems } : { mounts, preparations, view };
}

/** Why nothing can be mounted on a folder there; null where it can. */
function folderProblem(place: Resolved, target: string): string | null {
  if (place.kind === 'refused') return `mount point ${target} is missing (${place.reason})`;
  if (place.kind === 'made') return `mount point ${target} lies in ${place.mount}, which is made at the start`;
  return place.stats.isDirectory() ? null : `mount point ${target} is not a folder`;
}

function placeProblem(place: Resolved, target: string, source: Source): string | null {
  if (place.kind === 'made' && place.path === sharedMemory) return null;
  if (place.kind !== 'refused' && special.some((name) => place.path === `/${name}`)) {
    return `${target} is mounted for every container`;
  }
  if (place.kind !== 'found' || source.isFolder !== false) return folderProblem(place, target);
  return place.stats.isDirectory() ? `mount point ${target} is a folder, but the volume is a file` : null;
}

function sourceOf(context: MountContext, volume: Volume): Source | { readonly problem: string } {
  const { sandbox } = context;
  switch (volume.tag) {
    case 'Readonly':
      return hostSource(context, volume.value, [sandbox.value.readonlyPaths, sandbox.value.writablePaths], null);
    case 'Persistent':
      return hostSource(context, volume.value.path, [sandbox.value.writablePaths], volume.value);
    case 'Tmpfs':
      return {
        mount: { kind: 'tmpfs', sizeBytes: volume.value.size, mode: volume.value.mode },
        mounted: { kind: 'made' },
        isFolder: true,
        preparations: [],
      };
    case 'Statedir': {
      // Beside the knot's own files, which are none of the program's business.
      const path = normalPath(join(context.stateDir, 'volume', volume.value.path));
      const folder = folderPreparation(context, volume.value, context.stateDir, path, true);
      if ('problem' in folder) return folder;
      return {
        mount: { kind: 'bind', source: folder.path, readonly: false, exec: false, base: context.stateDir },
        mounted: { kind: 'made' },
        isFolder: true,
        preparations: [folder],
      };
    }
    default:
      return volume satisfies never;
  }
}

interface FolderWish {
  readonly mode: number;
  readonly user: number;
  readonly group: number;
}

function folderPreparation(
  { identity, hostUid, sandbox }: MountContext,
  wish: FolderWish,
  base: string,
  path: string,
  fresh: boolean,
): (Preparation & { kind: 'folder' }) | { readonly problem: string } {
  const same = isIdMapped(sandbox.value, path);
  const uid = same ? wish.user : outside(identity.uidMap, wish.user);
  const gid = same ? wish.group : outside(identity.gidMap, wish.group);
  if (uid === null) return { problem: `user ${wish.user} is not in uid-map` };
  if (gid === null) return { problem: `group ${wish.group} is not in gid-map` };
  if (hostUid !== 0 && uid !== hostUid) {
    return { problem: `user ${wish.user} is uid ${uid} outside, which only root may give a folder to` };
  }
  return { kind: 'folder', base, path, mode: wish.mode, uid, gid, fresh };
}

/** The host path of a virtual one, by the longest prefix of whole components. */
function hostSource(
  context: MountContext,
  virtual: string,
  maps: readonly ReadonlyMap<string, string>[],
  persistent: (FolderWish & { readonly mkdir: boolean }) | null,
): Source | { readonly problem: string } {
  const found = maps.map((map) => longestPrefix(map, virtual)).find((prefix) => prefix !== null);
  if (found === undefined || found === null) {
    const key = persistent === null ? 'readonly-paths' : 'writable-paths';
    return { problem: `Can't find volume for ${virtual} in ${key} of ${context.sandbox.file}` };
  }
  const rest = virtual.slice(found.virtual === '/' ? 0 : found.virtual.length);
  let base: string;
  try {
    base = realpathSync(found.host);
  } catch (error) {
    return { problem: `${found.host} (of ${context.sandbox.file}): ${(error as NodeJS.ErrnoException).code}` };
  }
  const source = rest === '' || rest === '/' ? base : join(base, rest);
  const link = symlinkBetween(base, source);
  if (link !== null) return { problem: `${link} is a symbolic link; below ${found.host} none is followed` };
  const isFolder = kindOf(source);
  const beneath: Preparation = { kind: 'beneath', base, path: source };
  const ids = isIdMapped(context.sandbox.value, source) ? { idMapped: true } : {};
  if (isFolder === null) {
    if (persistent?.mkdir !== true) return { problem: `${source} is not there on the host` };
    const folder = folderPreparation(context, persistent, base, source, false);
    if ('problem' in folder) return folder;
    return {
      mount: { kind: 'bind', source, readonly: false, exec: false, base, ...ids },
      mounted: { kind: 'made' },
      isFolder: true,
      preparations: [folder, beneath],
    };
  }
  const readonly = persistent === null;
  const exec = readonly && mayExecute(context.sandbox.value, source);
  const folderWish = persistent?.mkdir === true ? folderPreparation(context, persistent, base, source, false) : null;
  if (folderWish !== null && 'problem' in folderWish) return folderWish;
  return {
    mount: { kind: 'bind', source, readonly, exec, base, ...ids },
    mounted: { kind: 'bind', source, exec },
    isFolder,
    preparations: folderWish === null ? [beneath] : [folderWish, beneath],
  };
}

function longestPrefix(
  map: ReadonlyMap<string, string>,
  path: string,
): { readonly virtual: string; readonly host: string } | null {
  let best: { virtual: string; host: string } | null = null;
  for (const [virtual, host] of map) {
    if (isBelow(path, virtual) && (best === null || virtual.length > best.virtual.length)) best = { virtual, host };
  }
  return best;
}

/** The operator's own /dev, as `lithos mkdev` makes it; terminals are the container's own all the same. */
const devices = (source: string): Mount => ({
  kind: 'bind',
  source,
  target: '/dev',
  readonly: true,
  exec: false,
  devices: true,
});

const isIdMapped = ({ idmappedPaths }: SandboxConfig, source: string): boolean => isBelowAny(source, idmappedPaths);

/** Whether the operator lets programs of this host folder be executed; links in the operator's own paths are his. */
const mayExecute = ({ executablePaths }: SandboxConfig, source: string): boolean => isBelowAny(source, executablePaths);

function isBelowAny(source: string, paths: readonly string[]): boolean {
  return paths.some((path) => {
    try {
      return isBelow(source, realpathSync(path));
    } catch {
      return false;
    }
  });
}

/** The first symbolic link on the way from `base`, itself not looked at, to `path`; null where there is none. */
export function symlinkBetween(base: string, path: string): string | null {
  let at = base;
  for (const part of path.slice(base.length).split('/')) {
    if (part === '') continue;
    at = join(at, part);
    try {
      if (lstatSync(at).isSymbolicLink()) return at;
    } catch {
      return null;
    }
  }
  return null;
}

function kindOf(path: string): boolean | null {
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return null;
  }
}
