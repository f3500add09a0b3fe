import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/native/load.ts';
import type { Caller, Place } from './place.ts';

/** A way to start `/bin/now`. */
export interface Contender {
  readonly name: string;
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function ownContenders(): readonly Contender[] {
  return [
    { name: 'vagga', words: [join(packageRoot(), 'bin/vagga'), 'now'] },
    { name: 'the program alone', words: [join(packageRoot(), 'build/vagga/vagga'), 'now'] },
    { name: 'vagga through Node', words: [join(packageRoot(), 'bin/vagga'), 'now'], env: { VAGGA_NO_FAST_PATH: '1' } },
    { name: 'node -e 0', words: [process.execPath, '-e', '0'] },
  ];
}

/** Those of Debian that run here, asked for the same: a user namespace, mounts, pids, ipc, a root that is read-only. */
export function peers(place: Place, caller: Caller): readonly Contender[] {
  const { root } = place;
  const bubblewrap = [
    ...['bwrap', '--unshare-user', '--unshare-pid', '--unshare-ipc', '--ro-bind', root, '/'],
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '/bin/now'],
  ];
  const store = [
    '--root',
    join(dirname(caller.project), 'podman'),
    '--runroot',
    join(dirname(caller.project), 'run/podman'),
  ];
  const plain = [
    '--rm',
    '--network=host',
    '--cgroups=disabled',
    '--ulimit=nofile=1024:1024',
    '--ulimit=nproc=1024:1024',
    '--read-only',
    '--log-driver=none',
  ];
  const podman = ['podman', ...store, 'run', ...plain];
  const candidates: Contender[] = [
    { name: 'bubblewrap', words: bubblewrap },
    { name: 'podman', words: [...podman, '--rootfs', root, '/bin/now'] },
  ];
  const bundle = crunBundle(root, caller);
  if (bundle !== null) {
    const words = ['crun', '--cgroup-manager=disabled', '--root', join(bundle, 'state'), 'run', '-b', bundle, 'bench'];
    candidates.push({ name: 'crun', words });
  }
  return candidates.filter((each) => measureOnce(place, caller, each) !== null);
}

function crunBundle(root: string, { project, uid, gid }: Caller): string | null {
  const bundle = join(dirname(project), 'bundle');
  mkdirSync(join(bundle, 'state'), { recursive: true });
  if (spawnSync('crun', ['spec', '--rootless', '-b', bundle]).status !== 0) return null;
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.process.args = ['/bin/now'];
  config.process.terminal = false;
  delete config.hostname;
  config.root = { path: root, readonly: true };
  const devices = { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] };
  config.mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { ...devices },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' },
  ];
  config.linux.namespaces = ['user', 'pid', 'ipc', 'mount'].map((type) => ({ type }));
  config.linux.uidMappings = [{ containerID: 0, hostID: uid, size: 1 }];
  config.linux.gidMappings = [{ containerID: 0, hostID: gid, size: 1 }];
  writeFileSync(file, JSON.stringify(config));
  if (process.getuid?.() === 0) spawnSync('chown', ['-R', `${uid}:${gid}`, bundle]);
  return bundle;
}

/** Milliseconds to the first instruction; null where it does not run here. */
export function measureOnce({ program }: Place, caller: Caller, { words, env }: Contender): number | null {
  const options = { cwd: caller.project, env: { ...caller.env, ...env }, encoding: 'utf8' } as const;
  const { status, stdout } = spawnSync(program, [String(caller.uid), String(caller.gid), ...words], {
    ...options,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? Number(stdout) / 1e6 : null;
}
