import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerSpec } from '../../src/native/container.ts';
import { packageRoot } from '../../src/native/load.ts';
import { type BenchRow, benchRow, median } from '../row.ts';
import {
  bubblewrapOnce,
  emptyMs,
  knotProgram,
  makeBundle,
  must,
  type Runtime,
  runtimeOnce,
  spawnMs,
  specOf,
  startOne,
} from './starts.ts';
import { supervisorMemory } from './supervisors.ts';

// Each round interleaves all starters, so that a noisy minute hits all of them alike.
const rounds = 20;
const startsPerRound = 5;
const atOnce = 100;

/** Start to exit of a static `true`, through the addon beside plain C and the runtimes of Debian. Needs root. */
export async function measure(): Promise<readonly BenchRow[]> {
  if (process.getuid?.() !== 0) throw new Error('needs root: the bare C program uses no user namespace');
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  try {
    const bare = join(folder, 'bare');
    const source = join(packageRoot(), 'bench/yardsticks/container/bare.c');
    must(spawnSync('cc', ['-O2', '-o', bare, source], { encoding: 'utf8' }), 'cc bare.c');
    const root = makeRoot(join(folder, 'root'));
    const rows: BenchRow[] = [];
    for (const net of [false, true]) rows.push(...(await compare(folder, bare, root, net)));
    rows.push(
      ...throughKnot(folder, root),
      ...(await parts(bare, root)),
      ...(await burst(bare, root)),
      ...(await memory(folder, root)),
    );
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string, bare: string, root: string, net: boolean): Promise<readonly BenchRow[]> {
  const name = `start to exit, ${net ? 'with network namespace' : 'host network'}`;
  const runtimes = (['runc', 'crun'] as const).map((runtime): [Runtime, string | null] => {
    const dir = join(folder, `${runtime}-${net}`);
    mkdirSync(dir);
    return [
      runtime,
      spawnSync(runtime, ['--version']).error === undefined ? makeBundle(runtime, dir, root, net) : null,
    ];
  });
  const hasBubblewrap = spawnSync('bwrap', ['--version']).status === 0;
  const own: number[] = [];
  const peers = new Map<string, number[]>();
  const note = (peer: string, ms: number): void => void peers.set(peer, [...(peers.get(peer) ?? []), ms]);
  for (let round = 0; round < rounds; round++) {
    for (let start = 0; start < startsPerRound; start++) own.push(await startOne(specOf(root, net)));
    note('bare C', bareMs(bare, root, net ? 'net' : 'nonet', startsPerRound));
    if (hasBubblewrap) note('bwrap', bubblewrapOnce(root, net));
    for (const [runtime, bundle] of runtimes) if (bundle !== null) note(runtime, runtimeOnce(runtime, bundle, root));
  }
  const row = { bench: 'container', figure: name, value: median(own), unit: 'ms' };
  const rows = [...peers].map(([peer, times]) =>
    benchRow({ ...row, peer, peerValue: median(times) }, { maxRatio: peer === 'bare C' ? 1.2 : 1 }),
  );
  const missing = runtimes.filter(([, bundle]) => bundle === null).map(([runtime]) => runtime);
  return [...rows, ...missing.map((runtime) => benchRow({ ...row, figure: `${name}; ${runtime} does not run here` }))];
}

function bareMs(bare: string, root: string, net: 'net' | 'nonet', starts: number, ballastMiB = 0): number {
  const c = spawnSync(bare, [root, `${starts}`, net, ...(ballastMiB > 0 ? [`${ballastMiB}`] : [])], {
    encoding: 'utf8',
  });
  must(c, 'bare');
  return Number(c.stdout) / 1e3;
}

/** What the tree does for each container: a knot is spawned, sets it up, runs it to its end and writes down how it went. */
function throughKnot(folder: string, root: string): readonly BenchRow[] {
  const plan = makePlan(folder, root);
  const own: number[] = [];
  const bubblewrap: number[] = [];
  const hasBubblewrap = spawnSync('bwrap', ['--version']).status === 0;
  for (let round = 0; round < rounds * startsPerRound; round++) {
    own.push(spawnMs(knotProgram, ['--plan', plan]) - emptyMs(root));
    if (hasBubblewrap) bubblewrap.push(bubblewrapOnce(root, false));
  }
  const row = { bench: 'container', figure: 'start to exit through knot', value: median(own), unit: 'ms' };
  return [
    hasBubblewrap ? benchRow({ ...row, peer: 'bwrap', peerValue: median(bubblewrap) }, { maxRatio: 1 }) : benchRow(row),
  ];
}

function makePlan(folder: string, root: string): string {
  const state = join(folder, 'state');
  mkdirSync(state);
  const plan = join(state, 'plan');
  const words = [
    ...['name', 'bench/true.0', 'state-dir', state, 'root', root, 'cwd', '/', 'uid', '0', 'gid', '0'],
    ...['mount', 'pid', 'ipc', 'uts'].flatMap((name) => ['unshare', name]),
    ...['proc', '/proc', 'tmpfs', '/tmp', '0', '1777', 'seccomp', 'default', 'no-new-privileges'],
    ...[
      'normal-exit-code',
      '0',
      'log-file',
      join(state, 'log'),
      'output-file',
      join(state, 'out'),
      'argv',
      '/bin/true',
    ],
  ];
  writeFileSync(plan, words.join('\0'));
  return plan;
}

/** What the distance to the bare program is made of: each part left out by itself, and what Node's size costs a fork. */
async function parts(bare: string, root: string): Promise<readonly BenchRow[]> {
  const whole = specOf(root, false);
  const without: Readonly<Record<string, ContainerSpec>> = {
    'the seccomp filter': { ...whole, seccomp: 'off' },
    '/proc with its masks': { ...whole, mounts: whole.mounts.filter(({ kind }) => kind !== 'proc') },
  };
  const ownMiB = Math.round(Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024);
  const times = { whole: [] as number[], small: [] as number[], large: [] as number[] };
  const left = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (let start = 0; start < startsPerRound; start++) {
      times.whole.push(await startOne(whole));
      for (const [name, spec] of Object.entries(without))
        left.set(name, [...(left.get(name) ?? []), await startOne(spec)]);
    }
    times.small.push(bareMs(bare, root, 'nonet', startsPerRound));
    times.large.push(bareMs(bare, root, 'nonet', startsPerRound, ownMiB));
  }
  const row = (figure: string, value: number): BenchRow => benchRow({ bench: 'container', figure, value, unit: 'ms' });
  return [
    ...[...left].map(([name, list]) => row(`of a start: ${name}`, median(times.whole) - median(list))),
    row(
      `of a start: the fork of a process with ${ownMiB} MiB of its own, as Node is`,
      median(times.large) - median(times.small),
    ),
  ];
}

/** All of them are started before the first is waited for. */
async function burst(bare: string, root: string): Promise<readonly BenchRow[]> {
  const own: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < 5; round++) {
    const begin = process.hrtime.bigint();
    await Promise.all(Array.from({ length: atOnce }, () => startOne(specOf(root, false))));
    own.push(Number(process.hrtime.bigint() - begin) / 1e6);
    plain.push(bareMs(bare, root, 'nonet', atOnce) * atOnce);
  }
  const row = { bench: 'container', figure: `${atOnce} at once, until all have ended`, value: median(own), unit: 'ms' };
  return [benchRow({ ...row, peer: 'bare C, one after the other', peerValue: median(plain) })];
}

async function memory(folder: string, root: string): Promise<readonly BenchRow[]> {
  const { knot, tini, conmon } = await supervisorMemory(folder, root);
  const row = { bench: 'container', figure: 'private memory per container, knot and init', value: knot, unit: 'KiB' };
  return [
    benchRow(tini === null ? row : { ...row, peer: 'tini', peerValue: tini }, { maxValue: 300 }),
    ...(conmon === null ? [] : [benchRow({ ...row, peer: 'conmon', peerValue: conmon }, { maxRatio: 1 })]),
  ];
}

function makeRoot(path: string): string {
  mkdirSync(path);
  chmodSync(path, 0o755);
  for (const name of ['bin', 'proc', 'tmp']) mkdirSync(join(path, name));
  copyFileSync('/bin/busybox', join(path, 'bin', 'true'));
  symlinkSync('true', join(path, 'bin', 'sleep'));
  return path;
}
