import type { Filling, Mount as NativeMount } from '../../native/container.ts';
import type { Volume } from '../config/volumes.ts';

type Mount = NativeMount | Filling;

// What a container sees where: vagga 2.4 and "Container set-up" in 6.

/** Folders of the host that volumes lead to. */
export interface VolumePlaces {
  /** What is /work inside. */
  readonly project: string;
  /** Setting `external-volumes`: what is /volumes/NAME. */
  readonly externalVolumes: ReadonlyMap<string, string>;
  /** The build cache, for !CacheDir. */
  readonly cache: string;
  /** Folder of the persistent volumes. */
  readonly volumes: string;
  /** Folder of the program itself, for !VaggaBin. */
  readonly programs: string;
  /** The root folder of each other container that is built, for !Container and !Snapshot. */
  readonly roots: ReadonlyMap<string, string>;
  /** Persistent volumes that this command fills: they have their temporary name until it ends well. */
  readonly initialising: ReadonlySet<string>;
}

export interface MountRequest {
  /** The image's root folder. */
  readonly root: string;
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly resolvConf: string | null;
  readonly hostsFile: string | null;
  /** What is mounted there; default: the host's files in /etc. */
  readonly resolverSource?: string;
  readonly hostsSource?: string;
  /** All of /proc, so that vagga runs inside too; not for real root, who could steer the machine through it. */
  readonly unmaskedProc: boolean;
  readonly places: VolumePlaces;
  /** Whether a path of the host is there. */
  readonly exists: (path: string) => boolean;
}

/** A folder of the host to be made before the mounts, owned by root inside. */
export interface NeededFolder {
  readonly path: string;
}

export type MountPlan =
  | { readonly kind: 'plan'; readonly mounts: readonly Mount[]; readonly folders: readonly NeededFolder[] }
  /** Exit code 124. */
  | { readonly kind: 'problem'; readonly problem: string };

const hundredMiB = 100 * 1024 ** 2;
const noFiles = new Map<string, string | null>();

/** What is mounted unless the configuration mounts something else there. */
const defaultVolumes: ReadonlyMap<string, Volume> = new Map<string, Volume>([
  ['/tmp', { tag: 'Tmpfs', value: { size: hundredMiB, mode: 0o1777, subdirs: new Map(), files: noFiles } }],
  [
    '/run',
    {
      tag: 'Tmpfs',
      value: { size: hundredMiB, mode: 0o755, subdirs: new Map([['shm', { mode: 0o1777 }]]), files: noFiles },
    },
  ],
]);

/** What every process in a root sees, while it is built too. */
export function baseMounts(project: string, unmaskedProc: boolean): readonly Mount[] {
  return [
    { kind: 'bind', source: '/dev', target: '/dev', readonly: false, exec: true, devices: true },
    { kind: 'pts', target: '/dev/pts' },
    { kind: 'proc', target: '/proc', unmasked: unmaskedProc },
    { kind: 'sys', target: '/sys' },
    { kind: 'bind', source: project, target: '/work', readonly: false, exec: true },
  ];
}

export function planMounts(request: MountRequest): MountPlan {
  const all = [...new Map([...defaultVolumes, ...request.volumes])].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const mounts: Mount[] = [...baseMounts(request.places.project, request.unmaskedProc)];
  const folders: NeededFolder[] = [];
  for (const [target, volume] of all) {
    const planned = planVolume(target, volume, request);
    if ('problem' in planned) return { kind: 'problem', problem: planned.problem };
    mounts.push(...planned.mounts);
    folders.push(...planned.folders);
  }
  const writable = all.filter(([, volume]) => isWritable(volume)).map(([target]) => target);
  for (const [source, target] of [
    [request.resolverSource ?? '/etc/resolv.conf', request.resolvConf],
    [request.hostsSource ?? '/etc/hosts', request.hostsFile],
  ] as const) {
    if (target === null || !request.exists(source)) continue;
    const coveredBy = all
      .map(([at]) => at)
      .filter((at) => isBelow(target, at))
      .at(-1);
    if (coveredBy === undefined ? !request.exists(`${request.root}${target}`) : !writable.includes(coveredBy)) continue;
    if (coveredBy !== undefined) mounts.push({ kind: 'file', target, mode: 0o644 });
    mounts.push({ kind: 'bind', source, target, readonly: true, exec: false });
  }
  return { kind: 'plan', mounts, folders };
}

type Planned =
  | { readonly mounts: readonly Mount[]; readonly folders: readonly NeededFolder[] }
  | { readonly problem: string };

function planVolume(target: string, volume: Volume, { root, places }: MountRequest): Planned {
  const only = (...mounts: readonly Mount[]): Planned => ({ mounts, folders: [] });
  const bind = (source: string, readonly: boolean): Mount => ({ kind: 'bind', source, target, readonly, exec: true });
  const otherRoot = (name: string): string | { readonly problem: string } =>
    places.roots.get(name) ?? { problem: `mount ${target}: container ${name} is not built` };
  switch (volume.tag) {
    case 'Tmpfs': {
      const { size, mode, subdirs, files } = volume.value;
      return only(
        { kind: 'tmpfs', target, sizeBytes: size, mode },
        ...[...subdirs]
          .sort(byName)
          .map(([path, sub]): Mount => ({ kind: 'folder', target: join(target, path), mode: sub.mode })),
        ...[...files]
          .sort(byName)
          .map(([path, text]): Mount => ({ kind: 'file', target: join(target, path), mode: 0o644, text: text ?? '' })),
      );
    }
    case 'BindRW':
    case 'BindRO': {
      const source = hostPath(volume.value, places);
      if (source === null) {
        return { problem: `mount !${volume.tag} ${target}: ${volume.value}: settings name no such external volume` };
      }
      return only(bind(source, volume.tag === 'BindRO'));
    }
    case 'CacheDir': {
      const name = volume.value;
      if (name === '') return { problem: 'mount !CacheDir: path must not be empty' };
      if (name.startsWith('/')) return { problem: `mount !CacheDir ${name}: path must not be absolute` };
      if (name.split('/').includes('..')) return { problem: `mount !CacheDir ${name}: path must not contain ..` };
      const source = join(places.cache, name);
      return { mounts: [bind(source, false)], folders: [{ path: source }] };
    }
    case 'Empty':
      return only({ kind: 'tmpfs', target, sizeBytes: 1, mode: 0, sealed: true });
    case 'VaggaBin':
      return only(bind(places.programs, true));
    case 'Snapshot': {
      const { size, container, ownerUid, ownerGid } = volume.value;
      const from = container === null ? root : otherRoot(container);
      if (typeof from !== 'string') return from;
      return only(
        { kind: 'tmpfs', target, sizeBytes: size, mode: 0o755 },
        {
          kind: 'copy',
          source: join(from, target),
          target,
          ...(ownerUid === null ? {} : { uid: ownerUid }),
          ...(ownerGid === null ? {} : { gid: ownerGid }),
          // Other owners are given to copies only.
          overlay: ownerUid === null && ownerGid === null,
        },
      );
    }
    case 'Container': {
      const from = otherRoot(volume.value);
      return typeof from === 'string' ? only(bind(from, true)) : from;
    }
    case 'Persistent': {
      const { name, ownerUid, ownerGid } = volume.value;
      const source = join(places.volumes, places.initialising.has(name) ? `.tmp.${name}` : name);
      const owner: readonly Mount[] =
        ownerUid === 0 && ownerGid === 0 ? [] : [{ kind: 'folder', target, mode: 0o755, uid: ownerUid, gid: ownerGid }];
      return { mounts: [bind(source, false), ...owner], folders: [{ path: source }] };
    }
    default:
      return volume satisfies never;
  }
}

/** The host's path behind /work/… or /volumes/NAME/…; null where there is no such volume. */
export function hostPath(path: string, places: Pick<VolumePlaces, 'project' | 'externalVolumes'>): string | null {
  const [, first = '', ...rest] = path.split('/');
  if (first === 'work') return join(places.project, rest.join('/'));
  const external = first === 'volumes' ? places.externalVolumes.get(rest[0] ?? '') : undefined;
  return external === undefined ? null : join(external, rest.slice(1).join('/'));
}

const isWritable = (volume: Volume): boolean => !['BindRO', 'Empty', 'VaggaBin', 'Container'].includes(volume.tag);

const isBelow = (path: string, folder: string): boolean => folder === '/' || path.startsWith(`${folder}/`);

const join = (folder: string, path: string): string =>
  `${folder.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`.replace(/(.)\/$/, '$1');

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;
