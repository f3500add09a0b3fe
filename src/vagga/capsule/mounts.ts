import { dirname, join } from 'node:path';
import type { Filling, Mount } from '../../native/container.ts';
import { baseMounts } from '../run/mounts.ts';

// What a capsule sees: the host's programs, read-only, and of everything else only what belongs to the project.

/** Folders of the host whose programs and libraries a capsule has, where the host has them. */
const hostFolders = ['bin', 'etc', 'gnu', 'lib', 'lib32', 'lib64', 'libx32', 'nix', 'opt', 'sbin', 'usr'];
/** They would speak of ids of the host: in a capsule all ids that there are may be used. */
const hiddenFiles = ['/etc/subuid', '/etc/subgid'];
const runTmpfsBytes = 100 * 1024 ** 2;

export const capsulePath = '/vagga/bin:/bin';

export interface CapsulePlaces {
  /** What is /work. */
  readonly project: string;
  readonly storage: string;
  readonly cache: string;
  /** `.vagga` of the project. */
  readonly base: string;
  /** What is /volumes/NAME. */
  readonly externalVolumes: ReadonlyMap<string, string>;
  /** Node itself, and the folder of this package: what `vagga` is inside. */
  readonly node: string;
  readonly program: string;
}

export interface CapsuleHost {
  readonly exists: (path: string) => boolean;
  /** realpath(3) */
  readonly real: (path: string) => string;
  readonly text: (path: string) => string;
}

/** A folder of mount points, and what is mounted on them. Paths of `folders` and `files` are those inside. */
export interface CapsulePlan {
  readonly folders: readonly string[];
  readonly files: ReadonlyMap<string, { readonly text: string; readonly mode: number }>;
  /** `skeleton`: where the host has the folder of mount points. */
  readonly mounts: (skeleton: string) => readonly (Mount | Filling)[];
}

export function planCapsule(places: CapsulePlaces, host: CapsuleHost): CapsulePlan {
  const bind = (source: string, target: string, readonly: boolean): Mount => ({
    ...{ kind: 'bind', source, target, readonly, exec: true },
  });
  const programs = hostFolders.filter((name) => host.exists(`/${name}`));
  const hidden = hiddenFiles.filter((file) => host.exists(file));
  const isInProject = (path: string): boolean => path === places.project || path.startsWith(`${places.project}/`);
  // Links in the project lead to them by these very paths.
  const outside = [...new Set([places.storage, places.cache])].filter((path) => !isInProject(path));
  const ours: readonly (readonly [string, string])[] = [
    [places.base, '/vagga/base'],
    [places.storage, '/vagga/storage'],
    [places.cache, '/vagga/cache'],
    ...outside.map((path) => [path, path] as const),
    ...[...places.externalVolumes].map(([name, path]) => [path, join('/volumes', name)] as const),
  ];
  const empty = '/vagga/empty';
  return {
    folders: [
      ...programs.map((name) => `/${name}`),
      ...['/dev', '/proc', '/sys', '/tmp', '/run', '/work', '/vagga/bin', '/vagga/lib', '/volumes'],
      ...ours.map(([, target]) => target),
    ],
    files: new Map([
      [empty, { text: '', mode: 0o644 }],
      ['/vagga/bin/node', { text: '', mode: 0o755 }],
      [
        '/vagga/bin/vagga',
        { text: '#!/bin/sh\nexec /vagga/bin/node /vagga/lib/bin/stellwerk.js vagga "$@"\n', mode: 0o755 },
      ],
    ]),
    mounts: (skeleton) => [
      ...programs.map((name) => bind(host.real(`/${name}`), `/${name}`, true)),
      ...hidden.map((file) => bind(join(skeleton, empty), file, true)),
      // All of /proc: containers are built and run within, and the kernel lets nobody mount one that shows more.
      ...baseMounts(places.project, true),
      { kind: 'tmpfs', target: '/tmp', sizeBytes: runTmpfsBytes, mode: 0o1777 },
      { kind: 'tmpfs', target: '/run', sizeBytes: runTmpfsBytes, mode: 0o755 },
      { kind: 'folder', target: '/run/shm', mode: 0o1777 },
      ...resolver(host),
      bind(host.real(places.node), '/vagga/bin/node', true),
      bind(places.program, '/vagga/lib', true),
      ...ours.flatMap(([source, target]) => [...emptyFoldersTo(target), bind(source, target, false)]),
    ],
  };
}

/** A path in a folder that is empty inside has no mount point there yet. */
function emptyFoldersTo(path: string): readonly Filling[] {
  const top = ['/tmp', '/run'].find((folder) => path.startsWith(`${folder}/`));
  if (top === undefined) return [];
  const folders: string[] = [];
  for (let folder = path; folder !== top; folder = dirname(folder)) folders.unshift(folder);
  return folders.map((target) => ({ kind: 'folder', target, mode: 0o755 }));
}

/** Where /etc/resolv.conf is a link into /run, which is empty inside, its text is put there. */
function resolver(host: CapsuleHost): readonly Filling[] {
  const file = '/etc/resolv.conf';
  if (!host.exists(file)) return [];
  const real = host.real(file);
  if (!real.startsWith('/run/')) return [];
  return [...emptyFoldersTo(dirname(real)), { kind: 'file', target: real, mode: 0o644, text: host.text(real) }];
}
