import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerSpec, containerAddon, isFailure } from '../src/native/container.ts';
import { packageRoot } from '../src/native/load.ts';
import { type BenchRow, benchRow, median } from './row.ts';

// Each round interleaves all starters, so that a noisy minute hits all of them alike.
const rounds = 20;
const startsPerRound = 5;

/** Start to exit of a static `true`, through the addon beside plain C and bubblewrap. Needs root. */
export async function measure(): Promise<readonly BenchRow[]> {
  if (process.getuid?.() !== 0) throw new Error('needs root: the bare C program uses no user namespace');
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  try {
    const bare = join(folder, 'bare');
    const source = join(packageRoot(), 'bench/yardsticks/container/bare.c');
    must(spawnSync('cc', ['-O2', '-o', bare, source], { encoding: 'utf8' }), 'cc bare.c');
    const root = makeRoot(join(folder, 'root'));
    const rows: BenchRow[] = [];
    for (const net of [false, true]) rows.push(...(await compare(bare, root, net)));
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(bare: string, root: string, net: boolean): Promise<readonly BenchRow[]> {
  const hasBubblewrap = spawnSync('bwrap', ['--version']).status === 0;
  const own: number[] = [];
  const plain: number[] = [];
  const bubblewrap: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let start = 0; start < startsPerRound; start++) own.push(await startOne(root, net));
    const c = spawnSync(bare, [root, String(startsPerRound), net ? 'net' : 'nonet'], { encoding: 'utf8' });
    must(c, 'bare');
    plain.push(Number(c.stdout) / 1e3);
    if (hasBubblewrap) bubblewrap.push(bubblewrapOnce(root, net));
  }
  const name = net ? 'start to exit, with network namespace' : 'start to exit, host network';
  const row = { bench: 'container', value: median(own), unit: 'ms' };
  const rows = [benchRow({ ...row, figure: name, peer: 'bare C', peerValue: median(plain) }, { maxRatio: 3 })];
  if (hasBubblewrap) {
    rows.push(benchRow({ ...row, figure: name, peer: 'bwrap', peerValue: median(bubblewrap) }, { maxRatio: 1 }));
  }
  return rows;
}

async function startOne(root: string, net: boolean): Promise<number> {
  const addon = containerAddon();
  const spec: ContainerSpec = {
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
  };
  const begin = process.hrtime.bigint();
  const started = addon.start(spec);
  if (isFailure(started)) throw new Error(started.message);
  const { exitCode } = await addon.waitPidfd(started.pidfd);
  const tookMs = Number(process.hrtime.bigint() - begin) / 1e6;
  addon.closeFd(started.pidfd);
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
  return tookMs;
}

/** bwrap has to be spawned; the spawn of an empty program from here is taken off. */
function bubblewrapOnce(root: string, net: boolean): number {
  const args = ['--ro-bind', root, '/', '--proc', '/proc', '--tmpfs', '/tmp', '--unshare-pid', '--unshare-ipc'];
  const all = [...args, '--unshare-uts', ...(net ? ['--unshare-net'] : []), '/bin/true'];
  return spawnMs('bwrap', all) - spawnMs(join(root, 'bin/true'), []);
}

function spawnMs(program: string, args: readonly string[]): number {
  const begin = process.hrtime.bigint();
  must(spawnSync(program, args, { stdio: 'ignore' }), program);
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

function makeRoot(path: string): string {
  mkdirSync(path);
  chmodSync(path, 0o755);
  for (const name of ['bin', 'proc', 'tmp']) mkdirSync(join(path, name));
  copyFileSync('/bin/busybox', join(path, 'bin', 'true'));
  return path;
}

function must({ status, stderr }: { readonly status: number | null; readonly stderr: unknown }, what: string): void {
  if (status !== 0) throw new Error(`${what} ended with ${status}: ${stderr ?? ''}`);
}
