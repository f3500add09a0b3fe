import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { createScanner, readPss, type Scanner, SeriesKind } from '../../src/native/scanner.ts';
import { skipped } from '../skipped.ts';

const addon = join(packageRoot(), 'build', 'Release', 'scanner.node');

let dir = '';
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'scanner-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** A program that exports; it is there when this returns, because spawn waits for its exec. */
function startProgram(env: Readonly<Record<string, string>> = {}): number {
  const child = spawn('/bin/sleep', ['1000'], { env, stdio: 'ignore' });
  children.push(child);
  if (child.pid === undefined) throw new Error('sleep cannot be started');
  return child.pid;
}

function writeValues(path: string, meta: string, words: readonly bigint[]): void {
  writeFileSync(`${path}.tmp`, new Uint8Array(new BigInt64Array(words).buffer));
  renameSync(`${path}.tmp`, `${path}.values`);
  writeFileSync(`${path}.tmp`, meta);
  renameSync(`${path}.tmp`, `${path}.meta`);
}

function idOf(scanner: Scanner, metric: string, pid: number): number {
  const found = scanner.keysSince(0).find(({ labels }) => labels.metric === metric && labels.pid === String(pid));
  if (found === undefined) throw new Error(`no ${metric} of ${pid}: ${JSON.stringify(scanner.health().rejected)}`);
  return found.id;
}

describe('values that a program exports', () => {
  it('are there with the first scan, with its labels and ours, and follow what it writes', () => {
    const path = join(dir, 'app');
    const meta =
      'counter 8: {"metric":"done","unit":"1"}\nlevel 8 signed: {"metric":"queue"}\nlevel 8 float: {"metric":"heat"}\n';
    const half = new BigInt64Array(new Float64Array([0.5]).buffer)[0] ?? 0n;
    writeValues(path, meta, [5n, -7n, half]);
    const pid = startProgram({ CANTAL_PATH: path });
    const scanner = createScanner();
    scanner.scanOnce();
    const [done, queue, heat] = ['done', 'queue', 'heat'].map((metric) => idOf(scanner, metric, pid));
    const first = scanner.snapshot();
    expect(first.unsigned[done ?? -1]).toBe(5n);
    expect(first.signed[queue ?? -1]).toBe(-7n);
    expect(first.float[heat ?? -1]).toBe(0.5);
    expect(scanner.keysSince(done ?? 0)[0]?.labels).toMatchObject({ metric: 'done', unit: '1', pid: String(pid) });

    writeValues(path, meta, [9n, -8n, half]);
    scanner.scanOnce();
    const second = scanner.snapshot();
    expect(second.generation).toBe(first.generation + 1);
    expect(second.unsigned[done ?? -1]).toBe(9n);
    // The former view is whole until the scan after the next.
    expect(first.unsigned[done ?? -1]).toBe(5n);
    const history = scanner.history(done ?? -1, 10);
    expect([...(history?.values ?? [])]).toEqual([9, 5]);
    expect([...(history?.timestamps ?? [])]).toEqual([second.timestamp, first.timestamp]);
  });

  it('that are damaged are refused with file, line and reason, once, and hinder nobody else', () => {
    const good = join(dir, 'good');
    writeValues(good, 'counter 8: {"metric":"fine"}\n', [1n]);
    const pid = startProgram({ CANTAL_PATH: good });
    const damaged: Readonly<Record<string, string>> = {
      line: 'counter 8: {"metric":"a"}\n\ncounter 8: {"metric":"b"}\n',
      size: 'counter eight: {"metric":"a"}\n',
      json: 'counter 8: {"metric":\n',
      kind: 'level 8 sideways: {"metric":"a"}\n',
    };
    for (const [name, meta] of Object.entries(damaged)) {
      writeValues(join(dir, name), meta, [1n, 2n]);
      startProgram({ CANTAL_PATH: join(dir, name) });
    }
    mkdirSync(join(dir, 'folder.meta'));
    startProgram({ CANTAL_PATH: join(dir, 'folder') });
    execFileSync('mkfifo', [join(dir, 'fifo.meta')]);
    startProgram({ CANTAL_PATH: join(dir, 'fifo') });
    // Shorter than its description: silence, it may be on its way.
    writeValues(join(dir, 'short'), 'counter 8: {"metric":"c"}\ncounter 8: {"metric":"d"}\n', [1n]);
    const short = startProgram({ CANTAL_PATH: join(dir, 'short') });

    const scanner = createScanner();
    scanner.scanOnce();
    const messages = scanner.messages();
    expect(messages.find((each) => each.includes('line.meta'))).toContain('line 2');
    for (const name of ['size', 'json', 'kind', 'folder', 'fifo']) {
      expect(
        messages.filter((each) => each.includes(`${dir}/${name}.meta`)),
        name,
      ).toHaveLength(1);
    }
    scanner.scanOnce();
    expect(scanner.messages()).toEqual([]);
    expect(Object.values(scanner.health().rejected).reduce((sum, { count }) => sum + count, 0)).toBe(12);
    expect(scanner.snapshot().unsigned[idOf(scanner, 'fine', pid)]).toBe(1n);
    expect(() => idOf(scanner, 'c', short)).toThrow('no c of');

    // Repaired: it counts from the next scan on.
    writeValues(join(dir, 'json'), 'counter 8: {"metric":"repaired"}\n', [3n]);
    scanner.scanOnce();
    expect(scanner.keysSince(0).some(({ labels }) => labels.metric === 'repaired')).toBe(true);
  });
});

describe('the scanner', () => {
  it('holds no file of what has gone, over 200 scans with processes that come and go', async () => {
    const scanner = createScanner();
    const open = (): number => readdirSync('/proc/self/fd').length;
    scanner.scanOnce();
    const before = open();
    for (let scan = 0; scan < 200; scan++) {
      const path = join(dir, `app${scan}`);
      writeValues(path, 'counter 8: {"metric":"short"}\n', [1n]);
      const pid = startProgram({ CANTAL_PATH: path });
      scanner.scanOnce();
      const gone = once(children.at(-1) as ChildProcess, 'exit');
      process.kill(pid, 'SIGKILL');
      await gone;
    }
    const seen = scanner.keysSince(0).filter(({ labels }) => labels.metric === 'short');
    expect(seen.length).toBe(200);
    scanner.scanOnce();
    scanner.scanOnce();
    // Other programs of this host come and go too.
    expect(open() - before).toBeLessThan(40);
  });

  it('reads nothing of a program that is dead but not buried', () => {
    const path = join(dir, 'app');
    writeValues(path, 'counter 8: {"metric":"late"}\n', [1n]);
    const pid = startProgram({ CANTAL_PATH: path });
    const scanner = createScanner();
    scanner.scanOnce();
    const id = idOf(scanner, 'late', pid);
    expect(scanner.snapshot().fresh[id]).toBe(1);
    // This process buries its children from its event loop, which is busy here.
    process.kill(pid, 'SIGKILL');
    spawnSync('sleep', ['0.1']);
    scanner.scanOnce();
    expect(scanner.processes().find((row) => row.pid === pid)?.state).toBe('Z');
    expect(scanner.snapshot().fresh[id]).toBe(0);
  });

  it('reads a real cgroup’s use', (context) => {
    const root = ['/sys/fs/cgroup/cpuacct', '/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup'].find((each) =>
      existsSync(join(each, 'cgroup.procs')),
    );
    const name = `scanner-test-${process.pid}`;
    const group = join(root ?? '/', name);
    try {
      mkdirSync(group);
    } catch {
      skipped(false, 'the use of a real cgroup', 'this user may make no cgroup');
      context.skip();
    }
    const busy = spawn('/bin/sh', ['-c', `echo $$ > ${group}/cgroup.procs; while :; do :; done`], { stdio: 'ignore' });
    children.push(busy);
    try {
      const scanner = createScanner();
      const usage = (): bigint => {
        scanner.scanOnce();
        const id = scanner
          .keysSince(0)
          .find(({ labels }) => labels.cgroup === name && labels.metric === 'cgroup.cpu.usage')?.id;
        return id === undefined ? 0n : (scanner.snapshot().unsigned[id] ?? 0n);
      };
      spawnSync('sleep', ['0.2']);
      const first = usage();
      spawnSync('sleep', ['0.3']);
      const grown = usage() - first;
      // µs: at most what the time allows on one core, at least some of it on a busy machine.
      expect(Number(grown)).toBeGreaterThan(20_000);
      expect(Number(grown)).toBeLessThan(1_000_000);
    } finally {
      busy.kill('SIGKILL');
      for (let wait = 0; wait < 50 && existsSync(group); wait++) {
        spawnSync('sleep', ['0.02']);
        try {
          rmdirSync(group);
        } catch {
          // The kernel takes a moment to bury the process.
        }
      }
    }
  });

  it('says what an ordinary user may not read, with count and reason, and has the rest', (context) => {
    if (process.getuid?.() !== 0) {
      skipped(false, 'what a user may not read', 'the test must be root to become another');
      context.skip();
    }
    const program = `
      const scanner = require(${JSON.stringify(addon)}).createScanner({ intervalMs: 2000, keepHistoryMs: 60000, procRoot: '/proc', sysRoot: '/sys', maxSeries: 100000, processMetrics: true });
      scanner.scanOnce();
      const one = scanner.processes().find(({ pid }) => pid === ${process.pid});
      console.log(JSON.stringify({ denied: scanner.health().denied, one, messages: scanner.messages() }));`;
    const run = spawnSync(process.execPath, ['-e', program], {
      uid: 65_534,
      gid: 65_534,
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(run.stderr).toBe('');
    const { denied, one, messages } = JSON.parse(run.stdout);
    for (const file of ['io', 'environ']) {
      expect(denied[file].count, file).toBeGreaterThan(0);
      expect(denied[file].reason, file).toBe('Permission denied');
    }
    expect(one).toMatchObject({ readBytes: null, writeBytes: null });
    expect(one.rss).toBeGreaterThan(0);
    expect(messages).toEqual([]);
  });

  it('tells how much memory is a process’s own, or why not', async () => {
    const { pss, pssAnon } = await readPss(process.pid);
    expect(pss).toBeGreaterThan(1_000_000);
    expect(pssAnon).toBeLessThanOrEqual(pss);
    await expect(readPss(4_194_305)).rejects.toThrow('smaps_rollup: No such file or directory');
  });

  it('counts this process’s open files, and what its cgroup adds up to', () => {
    const scanner = createScanner({ processMetrics: 'by-name' });
    scanner.scanOnce();
    const own = scanner.processes().find(({ pid }) => pid === process.pid);
    expect(own?.fds).toBeGreaterThan(5);
    expect(own?.voluntarySwitches).toBeGreaterThan(0);
    expect(own?.oomScore).not.toBeNull();
    const keys = scanner.keysSince(0).map(({ labels }) => labels);
    expect(keys.some(({ metric, pid }) => metric === 'num_threads' && pid !== undefined)).toBe(false);
    expect(keys.some(({ metric, process: name }) => metric === 'processes.rss' && name === own?.name)).toBe(true);
  });

  it('scans on its own thread while the event loop is blocked', async () => {
    const scanner = createScanner({ intervalMs: 20 });
    let calls = 0;
    scanner.start(() => {
      calls += 1;
    });
    try {
      await sleep(100);
      const before = [scanner.health().scans, calls];
      spawnSync('sleep', ['0.5']);
      expect(scanner.health().scans - (before[0] ?? 0)).toBeGreaterThan(10);
      // What was missed is told in one call.
      await sleep(10);
      expect(calls - (before[1] ?? 0)).toBeLessThan(5);
    } finally {
      scanner.stop();
    }
    const { scans } = scanner.health();
    await sleep(60);
    expect(scanner.health().scans).toBe(scans);
    expect(() => scanner.scanOnce()).not.toThrow();
  });

  it('ends with its process or worker, even while it runs', () => {
    const start = `const s = require(${JSON.stringify(addon)}).createScanner({ intervalMs: 10, keepHistoryMs: 60000, procRoot: '/proc', sysRoot: '/sys', maxSeries: 1000, processMetrics: true }); s.start(() => {});`;
    const exits = spawnSync(process.execPath, ['-e', `${start} setTimeout(() => process.exit(0), 100)`], {
      timeout: 10_000,
    });
    expect([exits.status, exits.signal, String(exits.stderr)]).toEqual([0, null, '']);
    const worker = `const { Worker } = require('node:worker_threads'); const w = new Worker(${JSON.stringify(`${start} setTimeout(() => process.exit(0), 100)`)}, { eval: true }); w.on('exit', (code) => console.log('worker', code));`;
    const workers = spawnSync(process.execPath, ['-e', worker], { timeout: 10_000, encoding: 'utf8' });
    expect([workers.status, workers.signal, workers.stdout]).toEqual([0, null, 'worker 0\n']);
  });

  it('gives the numbers of any series plain, the same as its history, from any scan back', () => {
    const scanner = createScanner();
    for (let scan = 0; scan < 6; scan++) scanner.scanOnce();
    let plain = 0;
    for (const { id, kind } of scanner.keysSince(0)) {
      const history = scanner.history(id, 6);
      if (history === null) continue;
      for (const newer of [0, 2]) {
        const floats = new Float64Array(6);
        const exact =
          kind === SeriesKind.float || history.values.subarray(newer).every((value) => !(Math.abs(value) >= 2 ** 53));
        expect(scanner.floats(id, history.timestamps[newer] ?? 0, floats)).toBe(exact);
        if (!exact) continue;
        plain += 1;
        expect([...floats]).toEqual([...history.values.subarray(newer), ...Array(newer).fill(Number.NaN)]);
      }
    }
    expect(plain).toBeGreaterThan(200);
    expect(scanner.floats(123_456_789, scanner.snapshot().timestamp, new Float64Array(1))).toBe(false);
    expect(() => scanner.floats(0, 0, new Float32Array(4) as unknown as Float64Array)).toThrow('floats: expected');
  });

  it('has nothing, and does not mind being asked, before its first scan', () => {
    const scanner = createScanner();
    for (let round = 0; round < 2; round++) {
      const { generation, timestamp, seriesCount, unsigned, kinds } = scanner.snapshot();
      expect([generation, timestamp, seriesCount, unsigned.length, kinds.length]).toEqual([0, 0, 0, 0, 0]);
    }
    expect([scanner.keysSince(0), scanner.processes(), scanner.states(), scanner.history(0, 5)]).toEqual([
      [],
      [],
      [],
      null,
    ]);
    scanner.scanOnce();
    expect(scanner.snapshot().seriesCount).toBeGreaterThan(100);
  });

  it('refuses wrong options and wrong calls by name', () => {
    expect(() => createScanner({ intervalMs: -1 })).toThrow('intervalMs');
    expect(() => createScanner({ procRoot: 7 as unknown as string })).toThrow('procRoot: expected a string');
    const scanner = createScanner();
    expect(() => scanner.keysSince('x' as unknown as number)).toThrow('keysSince');
    expect(scanner.history(123_456_789, 10)).toBeNull();
    scanner.start(() => {});
    expect(() => scanner.start(() => {})).toThrow('it runs already');
    expect(() => scanner.scanOnce()).toThrow('the thread is scanning');
    scanner.stop();
  });

  it('finds nothing, and says nothing wrong, below an empty root', () => {
    const scanner = createScanner({ procRoot: dir, sysRoot: dir });
    scanner.scanOnce();
    expect(scanner.keysSince(0).filter(({ labels }) => labels.group !== 'cantal')).toEqual([]);
    expect(scanner.processes()).toEqual([]);
  });
});
