import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { restoreHistory, type StorageOptions, startStorage } from '../../src/cantal/storage.ts';
import { createScanner, type Scanner } from '../../src/native/scanner.ts';
import { skipped } from '../skipped.ts';

const hour = 3_600_000;
let folder = '';
let said: string[] = [];
const log = (line: string) => void said.push(line);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'history-'));
  said = [];
});
afterEach(() => {
  spawnSync('umount', ['-q', folder]);
  rmSync(folder, { recursive: true, force: true });
});

const options = (scanner: StorageOptions['scanner'], more: object = {}) => ({
  scanner,
  folder,
  keepHistoryMs: hour,
  log,
  ...more,
});

/** The whole kept past of a metric of the machine, newest first. */
function past(scanner: Scanner, metric: string) {
  const key = scanner.keysSince(0).find(({ labels }) => labels.metric === metric && Object.keys(labels).length === 1);
  const history = key === undefined ? null : scanner.history(key.id, 10_000);
  return history === null ? [] : Array.from(history.timestamps, (time, index) => [time, history.exact[index]]);
}

async function saved(scans: number): Promise<Scanner> {
  const scanner = createScanner();
  for (let scan = 0; scan < scans; scan++) scanner.scanOnce();
  await startStorage(options(scanner)).stop();
  return scanner;
}

it('a restart has the hour back, bit by bit, and goes on behind it', async () => {
  const before = await saved(30);
  const after = createScanner();
  // Scans that follow each other within a millisecond are stamped ahead of the clock.
  restoreHistory(options(after), Math.max(Date.now(), Number(past(before, 'uptime')[0]?.[0])) + 1);
  after.scanOnce();
  for (const metric of ['uptime', 'memory.MemFree', 'cpu.user', 'net.IpExt.InOctets']) {
    expect(past(after, metric).slice(1), metric).toEqual(past(before, metric));
  }
  expect(past(before, 'uptime')).toHaveLength(30);
  expect(said).toEqual([]);
  expect(statSync(join(folder, 'current.history')).mode & 0o777).toBe(0o600);
});

it('a snapshot is written at each period while scans go on, and status tells of it', async () => {
  const scanner = createScanner({ intervalMs: 20 });
  scanner.start(() => {});
  const storage = startStorage(options(scanner, { everyMs: 50 }));
  try {
    expect(storage.status()).toBeNull();
    await sleep(400);
    const first = storage.status();
    expect(first?.size).toBe(statSync(join(folder, 'current.history')).size);
    await sleep(200);
    expect(storage.status()?.timestamp).toBeGreaterThan(first?.timestamp ?? Number.POSITIVE_INFINITY);
  } finally {
    scanner.stop();
    await storage.stop();
  }
});

it('a damaged, foreign or cut snapshot is set aside with a message, and the history starts empty', async () => {
  await saved(3);
  const path = join(folder, 'current.history');
  const whole = readFileSync(path);
  const middle = Math.floor(whole.length / 2);
  const flipped = Buffer.from(whole);
  flipped[middle] = (flipped[middle] ?? 0) ^ 1;
  for (const bytes of [flipped, whole.subarray(0, middle), Buffer.from('{"version": 2}'), Buffer.alloc(0)]) {
    said = [];
    writeFileSync(path, bytes);
    const scanner = createScanner();
    restoreHistory(options(scanner), Date.now());
    expect(said).toEqual([expect.stringMatching(/^.*current\.history cannot be used: its? .*damaged\.history, the/)]);
    expect(scanner.keysSince(0)).toEqual([]);
    expect(existsSync(path)).toBe(false);
    expect(readFileSync(join(folder, 'damaged.history'))).toEqual(Buffer.from(bytes));
    expect(scanner.scanOnce()).toBeGreaterThan(0);
  }
});

it('any bytes are refused with a reason', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, headed) => {
      const scanner = createScanner();
      const given = headed ? Buffer.concat([Buffer.from('STWHIST2'), bytes]) : Buffer.from(bytes);
      expect(scanner.restoreHistory(given, Date.now()).problem).toMatch(/^it/);
    }),
  );
});

it('a snapshot of the version before is kept aside with a message', async () => {
  const path = join(folder, 'current.history');
  writeFileSync(path, 'STWHIST1 and what it had');
  restoreHistory(options(createScanner()), Date.now());
  expect(said).toEqual([expect.stringContaining('cannot be used: it is no snapshot of this version')]);
  expect(readFileSync(join(folder, 'damaged.history'), 'utf8')).toBe('STWHIST1 and what it had');
  expect(existsSync(path)).toBe(false);
});

it('a slow disk makes snapshots rarer, and they never queue', async () => {
  const scanner = createScanner();
  scanner.scanOnce();
  let underWay = 0;
  let most = 0;
  let begun = 0;
  const slow: Pick<Scanner, 'saveHistory' | 'restoreHistory' | 'snapshot'> = {
    snapshot: () => scanner.snapshot(),
    restoreHistory: (bytes, nowMs) => scanner.restoreHistory(bytes, nowMs),
    async saveHistory() {
      begun += 1;
      underWay += 1;
      most = Math.max(most, underWay);
      await sleep(100);
      underWay -= 1;
      return scanner.saveHistory();
    },
  };
  const storage = startStorage(options(slow, { everyMs: 5 }));
  for (let scan = 0; begun < 3; scan++) {
    scanner.scanOnce();
    await sleep(5);
    expect(scan).toBeLessThan(1000);
  }
  await storage.stop();
  expect(most).toBe(1);
  expect(begun).toBeLessThanOrEqual(5);
  expect(said).toEqual([]);
});

it('what is not there is no problem, what cannot be read is said', () => {
  const scanner = createScanner();
  restoreHistory(options(scanner), Date.now());
  expect(said).toEqual([]);
  mkdirSync(join(folder, 'current.history'));
  restoreHistory(options(scanner), Date.now());
  expect(said).toEqual([expect.stringContaining('current.history cannot be read')]);
});

it('samples newer than now are left out and said', async () => {
  const before = await saved(10);
  const after = createScanner();
  restoreHistory(options(after), Number(past(before, 'uptime')[4]?.[0]));
  expect(said).toEqual([expect.stringContaining('5 scans are newer than now')]);
});

it('the first of each hour stays for 36 hours where an hour is kept, and none where less is', async () => {
  const now = Math.floor(Date.now() / hour);
  for (const age of [1, 36, 37, 100]) writeFileSync(join(folder, `hourly-${now - age}.history`), '');
  writeFileSync(join(folder, 'notes.txt'), '');
  await saved(1);
  const kept = readdirSync(folder).sort();
  expect(kept).toEqual(
    [`hourly-${now - 36}`, `hourly-${now - 1}`, `hourly-${now}`]
      .map((name) => `${name}.history`)
      .concat('notes.txt')
      .concat('current.history')
      .sort(),
  );
  expect(statSync(join(folder, `hourly-${now}.history`)).ino).toBe(statSync(join(folder, 'current.history')).ino);
  rmSync(folder, { recursive: true });
  const scanner = createScanner();
  scanner.scanOnce();
  await startStorage(options(scanner, { keepHistoryMs: hour / 2 })).stop();
  expect(readdirSync(folder)).toEqual(['current.history']);
});

it('a history above the bound is not written, and that is said once', async () => {
  const scanner = createScanner({ intervalMs: 20 });
  scanner.scanOnce();
  const storage = startStorage(options(scanner, { mostBytes: 1000, everyMs: 10 }));
  await sleep(100);
  await storage.stop();
  expect(said).toEqual([expect.stringMatching(/is not written: the history takes \d+ bytes, and 1000 are allowed/)]);
  expect(existsSync(join(folder, 'current.history'))).toBe(false);
});

it.skipIf(skipped(process.getuid?.() === 0, 'a full disk', 'needs root to mount a small tmpfs'))(
  'a full disk leaves the old snapshot whole and the scan undisturbed',
  async () => {
    // Room for two snapshots of any host that runs tests.
    const size = 8 * 1024 * 1024;
    const small = ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder];
    expect(spawnSync('mount', small).status).toBe(0);
    await saved(1);
    const path = join(folder, 'current.history');
    const old = readFileSync(path);
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(size - old.length - 8192));
    const scanner = await saved(5);
    expect(said).toEqual([expect.stringMatching(/cannot be written, the former one stays: ENOSPC/)]);
    expect(readFileSync(path)).toEqual(old);
    expect(scanner.scanOnce()).toBeGreaterThan(0);
    truncateSync(join(folder, 'ballast'));
    chmodSync(folder, 0o700);
    await startStorage(options(scanner)).stop();
    expect(readFileSync(path)).not.toEqual(old);
  },
);
