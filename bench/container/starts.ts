import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerSpec, containerAddon, isFailure } from '../../src/native/container.ts';
import { packageRoot } from '../../src/native/load.ts';

/** What every starter here is to do: run a static `true` under a read-only root with /proc and a /tmp. */
export const specOf = (root: string, net: boolean): ContainerSpec => ({
  argv: ['/bin/true'],
  env: {},
  cwd: '/',
  root,
  namespaces: { user: false, mount: true, pid: true, ipc: true, uts: true, cgroup: false, net },
  uidMap: [],
  gidMap: [],
  uid: 0,
  gid: 0,
  mounts: [
    { kind: 'proc', target: '/proc' },
    { kind: 'tmpfs', target: '/tmp', sizeBytes: 0, mode: 0o1777 },
  ],
  rlimits: {},
  keepCapabilities: [],
  noNewPrivileges: true,
  seccomp: 'default',
  cgroups: [],
  stdio: [-1, -1, -1],
  init: false,
});

/** Milliseconds from start to exit, through the addon. */
export async function startOne(spec: ContainerSpec): Promise<number> {
  const addon = containerAddon();
  const begin = process.hrtime.bigint();
  const started = addon.start(spec);
  if (isFailure(started)) throw new Error(started.message);
  const { exitCode } = await addon.waitPidfd(started.pidfd);
  const tookMs = Number(process.hrtime.bigint() - begin) / 1e6;
  addon.closeFd(started.pidfd);
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
  return tookMs;
}

/** bwrap and the runtimes have to be spawned; the spawn of an empty program from here is taken off. */
export function bubblewrapOnce(root: string, net: boolean): number {
  const args = ['--ro-bind', root, '/', '--proc', '/proc', '--tmpfs', '/tmp', '--unshare-pid', '--unshare-ipc'];
  return spawnMs('bwrap', [...args, '--unshare-uts', ...(net ? ['--unshare-net'] : []), '/bin/true']) - emptyMs(root);
}

export const emptyMs = (root: string): number => spawnMs(join(root, 'bin/true'), []);

export const knotProgram = join(packageRoot(), 'build', 'knot', 'knot');

let containers = 0;

export function runtimeOnce(runtime: Runtime, bundle: string, root: string): number {
  containers += 1;
  const args = ['--root', join(bundle, runtime), 'run', '-b', bundle, `bench-${process.pid}-${containers}`];
  return spawnMs(runtime, args) - emptyMs(root);
}

export type Runtime = 'runc' | 'crun';

/** A bundle of the OCI runtime-spec that asks for the same; null where the runtime is not there or refuses this host. */
export function makeBundle(runtime: Runtime, dir: string, root: string, net: boolean): string | null {
  if (spawnSync(runtime, ['spec', '-b', dir]).status !== 0) return null;
  const file = join(dir, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.process.args = ['/bin/true'];
  config.process.terminal = false;
  config.root = { path: root, readonly: true };
  config.mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' },
  ];
  config.linux.namespaces = ['pid', 'ipc', 'uts', 'mount', ...(net ? ['network'] : [])].map((type) => ({ type }));
  writeFileSync(file, JSON.stringify(config));
  const tried = spawnSync(runtime, ['--root', join(dir, runtime), 'run', '-b', dir, `try-${process.pid}`]);
  return tried.status === 0 ? dir : null;
}

export function spawnMs(program: string, args: readonly string[]): number {
  const begin = process.hrtime.bigint();
  must(spawnSync(program, args, { stdio: 'ignore' }), program);
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

export function must(
  { status, stderr }: { readonly status: number | null; readonly stderr: unknown },
  what: string,
): void {
  if (status !== 0) throw new Error(`${what} ended with ${status}: ${stderr ?? ''}`);
}
