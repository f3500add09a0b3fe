import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openProc, parseBoot, parseDetail, parseStat, parseWords } from '../../src/lithos/ps/proc.ts';

const stat = (comm: string, state = 'S', threads = 3): string =>
  `42 (${comm}) ${state} 7 42 42 0 -1 4194560 1 2 3 4 150 25 60 5 20 0 ${threads} 0 123456 9 9 18446744073709551615 1 1\n`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ps-proc-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(pid: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(root, pid), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, pid, name), text);
}

describe('a stat line', () => {
  it('gives the numbers of the man page, whatever the name holds', () => {
    for (const comm of ['node', '', 'a) S 1 (b', ') ) R 1', 'two words', 'line\nend']) {
      expect(parseStat(stat(comm))).toEqual({
        pid: 42,
        ppid: 7,
        comm,
        threads: 3,
        userTicks: 150,
        systemTicks: 25,
        childUserTicks: 60,
        childSystemTicks: 5,
        startTicks: 123_456,
      });
    }
  });

  it('of the dead is nothing, of a process whose first thread alone has ended it is', () => {
    expect(parseStat(stat('x', 'Z', 1))).toBeNull();
    expect(parseStat(stat('x', 'X', 1))).toBeNull();
    expect(parseStat(stat('x', 'Z', 2))).not.toBeNull();
  });

  it('that is cut off or damaged gives whole numbers or nothing, and never throws', () => {
    const good = stat('node');
    fc.assert(
      fc.property(fc.nat({ max: good.length }), fc.nat({ max: 9 }), fc.string({ unit: 'binary' }), (at, gone, put) => {
        for (const text of [put, good.slice(0, at), good.slice(0, at) + put + good.slice(at + gone)]) {
          const row = parseStat(text);
          if (row === null) continue;
          const { comm, ...numbers } = row;
          expect(typeof comm).toBe('string');
          for (const number of Object.values(numbers)) expect(Number.isSafeInteger(number) && number >= 0).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a command line', () => {
  it('comes back as the words that were put in', () => {
    const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        fc.pre(words.join('') !== '' || words.length > 1);
        expect(parseWords(words.map((each) => `${each}\0`).join(''))).toEqual(words);
      }),
    );
    expect(parseWords('')).toEqual([]);
    expect(parseWords('written over')).toEqual(['written over']);
  });
});

describe('a status', () => {
  it('gives the effective uid and bytes', () => {
    const text = 'Name:\tx\nUid:\t1000\t5\t5\t5\nVmRSS:\t    2048 kB\nVmSwap:\t       4 kB\nThreads:\t1\n';
    expect(parseDetail(text)).toEqual({ uid: 5, rssBytes: 2048 * 1024, swapBytes: 4096 });
    expect(parseDetail('Uid:\t0\t0\t0\t0\n')).toEqual({ uid: 0, rssBytes: 0, swapBytes: 0 });
    expect(parseDetail('Name:\tx\n')).toBeNull();
  });

  it('of any text is numbers or nothing', () => {
    const line = fc.oneof(fc.string(), fc.constantFrom('Uid:\t1\t2', 'VmRSS:\t9 kB', 'VmRSS: x kB', 'VmSwap:\t1 kB'));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const detail = parseDetail(lines.join('\n'));
        for (const number of Object.values(detail ?? {})) expect(Number.isSafeInteger(number)).toBe(true);
      }),
    );
  });
});

describe('the boot time', () => {
  it('is read, or missed', () => {
    expect(parseBoot('cpu 1 2\nbtime 1700000000\n', '12.34 99.9\n')).toEqual({
      bootedAtMs: 1_700_000_000_000,
      uptimeMs: 12_340,
    });
    expect(parseBoot('cpu 1 2\n', '12.34 99.9\n')).toBeNull();
    expect(parseBoot('btime 1\n', '')).toBeNull();
  });
});

describe('a /proc', () => {
  it('leaves out what has vanished between two reads', () => {
    put('42', { stat: stat('node'), cmdline: 'node\0x.js\0' });
    put('43', { stat: stat('gone') });
    put('44', {});
    put('self', { stat: stat('self'), cmdline: 'x\0' });
    symlinkSync('/srv/cell', join(root, '42', 'cwd'));
    const proc = openProc(root);
    expect(proc.processes().map(({ comm, words }) => [comm, words])).toEqual([['node', ['node', 'x.js']]]);
    expect(proc.detail(42)).toBeNull();
    expect([proc.folder(42), proc.folder(43)]).toEqual(['/srv/cell', null]);
  });

  it('that is none is named', () => {
    expect(() => openProc(root).boot()).toThrow(`${root}: stat or uptime cannot be read there`);
  });

  it('of this host tells of this process', () => {
    const proc = openProc('/proc');
    const own = proc.processes().find(({ pid }) => pid === process.pid);
    expect(own?.ppid).toBe(process.ppid);
    expect(proc.detail(process.pid)?.uid).toBe(process.geteuid?.());
    expect(proc.detail(process.pid)?.rssBytes).toBeGreaterThan(10 << 20);
    expect(proc.folder(process.pid)).toBe(process.cwd());
    const { bootedAtMs, uptimeMs } = proc.boot();
    expect(Math.abs(bootedAtMs + uptimeMs - Date.now())).toBeLessThan(60_000);
  });
});
