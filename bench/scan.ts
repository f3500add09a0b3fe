import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/native/load.ts';
import { createScanner } from '../src/native/scanner.ts';
import { type BenchRow, benchRow, median } from './row.ts';

/** 10 000 metrics either way: a few programs that export many, or many that export none and have eight each. */
const exporters = { programs: 20, countersEach: 500 };
const plainProcesses = 1250;
const rounds = 20;
const scansPerRound = 5;
/** Until the last of the children has become what it is to be. */
const settleMs = 500;

/** Scans of this host with 10 000 metrics more, beside plain C that preads the files which the scanner holds open. */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  try {
    const pread = join(folder, 'pread');
    const source = join(packageRoot(), 'bench/yardsticks/scan/pread.c');
    const built = spawnSync('cc', ['-O2', '-o', pread, source], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`cc pread.c: ${built.stderr}`);
    const exported = await withPrograms(
      exporters.programs,
      (index) => writeValues(join(folder, `app${index}`)),
      () => {
        const { programs, countersEach } = exporters;
        return compare(
          pread,
          `${programs * countersEach} counters of ${programs} programs`,
          'bench.',
          programs * countersEach,
        );
      },
    );
    const processes = await withPrograms(
      plainProcesses,
      () => ({}),
      () =>
        compare(pread, `${plainProcesses * 8} numbers of ${plainProcesses} processes`, 'num_threads', plainProcesses),
    );
    return [exported, processes];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withPrograms(
  count: number,
  environmentOf: (index: number) => Readonly<Record<string, string>>,
  work: () => BenchRow,
): Promise<BenchRow> {
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

function compare(pread: string, what: string, metric: string, least: number): BenchRow {
  const before = openFiles();
  const scanner = createScanner();
  // The first scans open files and meet each series; from then on it is the same work each time.
  for (let scan = 0; scan < 20; scan++) scanner.scanOnce();
  const files = [...openFiles()].flatMap(([fd, file]) => (before.has(fd) ? [] : [file]));
  const seen = scanner.keysSince(0).filter(({ labels }) => labels.metric?.startsWith(metric)).length;
  if (seen < least) throw new Error(`${what}: only ${seen} of ${least} series named ${metric} were seen`);
  const own: number[] = [];
  const plain: number[] = [];
  let read = 0;
  for (let round = 0; round < rounds; round++) {
    for (let scan = 0; scan < scansPerRound; scan++) own.push(scanner.scanOnce());
    const result = spawnSync(pread, [String(scansPerRound)], { input: files.join('\n'), encoding: 'utf8' });
    if (result.status !== 0) throw new Error('pread: no file could be opened');
    const [micros, opened] = result.stdout.trim().split(' ').map(Number);
    plain.push((micros ?? 0) / 1000);
    read = opened ?? 0;
  }
  const figure = `a scan of the host and ${what}, in ${read} open files`;
  const row = { bench: 'scan', figure, value: median(own), unit: 'ms', peer: 'plain pread', peerValue: median(plain) };
  return benchRow(row, { maxRatio: 1.3, maxValue: 40 });
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
