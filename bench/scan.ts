import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/native/load.ts';
import { createScanner, type Scanner } from '../src/native/scanner.ts';
import { type BenchRow, benchRow, median } from './row.ts';
import { makeCgroups } from './scan-cgroups.ts';
import { measurePeers, plainNode } from './scan-peers.ts';

/** 10 000 metrics each way: cgroups; a few programs that export many; many that export none and have eight each. */
const exporters = { programs: 20, countersEach: 500 };
const plainProcesses = 1250;
const cgroups = 500;
/** Exported metrics between which the cost of one more is taken. */
const steps = [1_000, 10_000, 100_000] as const;
const rounds = 20;
const scansPerRound = 5;
/** Until the last of the children has become what it is to be. */
const settleMs = 500;

/**
 * Scans of this host with 10 000 metrics more, beside plain C that preads the files which the scanner holds open, plain
 * Node.js that reads and splits them, and, per metric, Debian's node_exporter and netdata.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  try {
    const pread = join(folder, 'pread');
    const source = join(packageRoot(), 'bench/yardsticks/scan/pread.c');
    const built = spawnSync('cc', ['-O2', '-o', pread, source], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`cc pread.c: ${built.stderr}`);
    const { programs, countersEach } = exporters;
    const export_ = (index: number) => writeValues(join(folder, `app${index}`));
    return [
      ...(await withCgroups(pread, folder)),
      ...(await withPrograms(programs, export_, () =>
        compare(
          pread,
          `${programs * countersEach} counters of ${programs} programs`,
          'bench.',
          programs * countersEach,
        ),
      )),
      ...(await withPrograms(
        plainProcesses,
        () => ({}),
        () =>
          compare(pread, `${plainProcesses * 8} numbers of ${plainProcesses} processes`, 'num_threads', plainProcesses),
      )),
      ...(await slope(export_)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withCgroups(pread: string, folder: string): Promise<readonly BenchRow[]> {
  const crowd = makeCgroups(cgroups);
  try {
    const own = compare(pread, `${cgroups} cgroups`, 'cgroup.', 10_000);
    const cpu = cpuPerMetric();
    const peers = await measurePeers(folder);
    return [
      ...own,
      ...peers.map(({ peer, metrics, cpuUsPerMetric }) =>
        benchRow(
          {
            ...{ bench: 'scan', figure: `CPU per metric and scan (${cpu.metrics} metrics; ${peer} has ${metrics})` },
            ...{ value: cpu.us, unit: 'µs', peer, peerValue: cpuUsPerMetric },
          },
          { maxRatio: 1 },
        ),
      ),
    ];
  } finally {
    crowd.remove();
  }
}

/** Processor time of this process over scans that it does itself. */
function cpuPerMetric(): { readonly us: number; readonly metrics: number } {
  const scanner = createScanner();
  for (let scan = 0; scan < 20; scan++) scanner.scanOnce();
  const scans = 60;
  const before = process.cpuUsage();
  for (let scan = 0; scan < scans; scan++) scanner.scanOnce();
  const { user, system } = process.cpuUsage(before);
  const metrics = scanner.health().series;
  return { us: (user + system) / scans / metrics, metrics };
}

/** Flat: one more exported metric costs the same among 100 000 as among 10 000. */
async function slope(export_: (index: number) => Readonly<Record<string, string>>): Promise<readonly BenchRow[]> {
  const times: number[] = [];
  for (const step of steps) {
    await withPrograms(step / exporters.countersEach, export_, () => {
      const scanner = createScanner({ maxSeries: 1_000_000 });
      for (let scan = 0; scan < 40; scan++) scanner.scanOnce();
      // The least of many: processes that others start meanwhile are not exported metrics.
      times.push(Math.min(...Array.from({ length: 60 }, () => scanCpuUs(scanner))));
      return [];
    });
  }
  const [small, middle, large] = times as [number, number, number];
  if (!(small < middle && middle < large)) throw new Error('the host is too busy to see what one more metric costs');
  const perMetric = (more: number, less: number, added: number) => (1000 * (more - less)) / added;
  return [
    benchRow(
      {
        ...{ bench: 'scan', figure: 'CPU of one more exported metric, from 10 000 to 100 000', unit: 'ns' },
        ...{ value: perMetric(large, middle, steps[2] - steps[1]), peer: 'from 1 000 to 10 000' },
        peerValue: perMetric(middle, small, steps[1] - steps[0]),
      },
      { maxRatio: 1.3 },
    ),
  ];
}

function scanCpuUs(scanner: Scanner): number {
  const before = process.cpuUsage();
  scanner.scanOnce();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function withPrograms(
  count: number,
  environmentOf: (index: number) => Readonly<Record<string, string>>,
  work: () => readonly BenchRow[],
): Promise<readonly BenchRow[]> {
  const children: ChildProcess[] = [];
  try {
    // A program's file is read, not the program: it may as well sleep.
    for (let index = 0; index < count; index++) {
      children.push(spawn('/bin/sleep', ['1000'], { env: environmentOf(index), stdio: 'ignore' }));
    }
    await sleep(settleMs);
    return work();
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await sleep(settleMs);
  }
}

function writeValues(path: string): Readonly<Record<string, string>> {
  const { countersEach } = exporters;
  const bytes = Buffer.alloc(8 * countersEach);
  for (let index = 0; index < countersEach; index++) bytes.writeBigUInt64LE(BigInt(index * 1000), index * 8);
  const lines = Array.from({ length: countersEach }, (_, index) => `counter 8: {"metric":"bench.${index}"}\n`);
  writeFileSync(`${path}.values`, bytes);
  writeFileSync(`${path}.meta`, lines.join(''));
  return { CANTAL_PATH: path };
}

function compare(pread: string, what: string, metric: string, least: number): readonly BenchRow[] {
  const before = openFiles();
  const scanner = createScanner();
  // The first scans open files and meet each series; from then on it is the same work each time.
  for (let scan = 0; scan < 20; scan++) scanner.scanOnce();
  const files = [...openFiles()].flatMap(([fd, file]) => (before.has(fd) ? [] : [file]));
  const seen = scanner.keysSince(0).filter(({ labels }) => labels.metric?.startsWith(metric)).length;
  if (seen < least) throw new Error(`${what}: only ${seen} of ${least} series named ${metric} were seen`);
  const own: number[] = [];
  const plain: number[] = [];
  const node: number[] = [];
  let read = 0;
  for (let round = 0; round < rounds; round++) {
    for (let scan = 0; scan < scansPerRound; scan++) own.push(scanCpuUs(scanner) / 1000);
    const result = spawnSync(pread, [String(scansPerRound)], { input: files.join('\n'), encoding: 'utf8' });
    if (result.status !== 0) throw new Error('pread: no file could be opened');
    const [micros, opened] = result.stdout.trim().split(' ').map(Number);
    plain.push((micros ?? 0) / 1000);
    read = opened ?? 0;
    node.push(plainNode(files));
  }
  // Processor time, which other programs of the host do not disturb; nothing here waits for a disk.
  const figure = `CPU of a scan of the host and ${what}, in ${read} open files`;
  const row = { bench: 'scan', figure, value: median(own), unit: 'ms' };
  return [
    benchRow({ ...row, peer: 'plain pread', peerValue: median(plain) }, { maxRatio: 1.3, maxValue: 40 }),
    benchRow({ ...row, peer: 'plain Node.js', peerValue: median(node) }, { maxRatio: 1 }),
  ];
}

/** The scanner keeps what it reads open, so /proc/self/fd is the list of it: descriptor → path. */
function openFiles(): ReadonlyMap<string, string> {
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith('/') && !target.endsWith('.meta') ? [[fd, target] as const] : [];
    } catch {
      return [];
    }
  });
  return new Map(files);
}
