import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerSpec, IdMapping } from '../../src/native/container.ts';

const applets = [
  'sh',
  'cat',
  'id',
  'env',
  'ls',
  'true',
  'sleep',
  'mount',
  'unshare',
  'ip',
  'touch',
  'readlink',
  'kill',
];

export const hasBusybox = existsSync('/bin/busybox');
export const busyboxMissing = '/bin/busybox is missing (apt-get install busybox-static)';

/** A root folder made from busybox-static, readable by everybody. */
export function makeRoot(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'stellwerk-root-'));
  chmodSync(path, 0o755);
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'tmp', 'data', 'etc']) mkdirSync(join(path, folder));
  copyFileSync('/bin/busybox', join(path, 'bin', 'busybox'));
  for (const applet of applets) symlinkSync('busybox', join(path, 'bin', applet));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function ownMaps(): { readonly uidMap: IdMapping[]; readonly gidMap: IdMapping[] } {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid === 0) {
    const map = [{ inside: 0, outside: 100_000, count: 65_536 }];
    return { uidMap: map, gidMap: map };
  }
  return { uidMap: [{ inside: 0, outside: uid, count: 1 }], gidMap: [{ inside: 0, outside: gid, count: 1 }] };
}

/** Everything on, so that a test turns off or changes only what it is about. */
export function fullSpec(root: string, argv: readonly string[], change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    argv,
    env: { PATH: '/bin' },
    cwd: '/',
    root,
    namespaces: { user: true, mount: true, pid: true, ipc: true, uts: true, cgroup: true, net: true },
    ...ownMaps(),
    uid: 0,
    gid: 0,
    hostname: 'box',
    mounts: [
      { kind: 'proc', target: '/proc' },
      { kind: 'dev', target: '/dev' },
      { kind: 'tmpfs', target: '/tmp', sizeBytes: 1 << 20, mode: 0o1777 },
    ],
    rlimits: {},
    keepCapabilities: [],
    noNewPrivileges: true,
    seccomp: 'default',
    cgroups: [],
    stdio: [-1, -1, -1],
    init: true,
    ...change,
  };
}
