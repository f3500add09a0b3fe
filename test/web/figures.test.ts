import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endCause, endedBadly, endedWords } from '../../web/src/ended.ts';
import { formatBytes, formatCount, formatCpu, formatDuration, formatMs } from '../../web/src/format.ts';

describe('figures in words', () => {
  it('writes bytes with three digits in binary units and never as 1024 of a unit', () => {
    expect([0, 1023, 1024, 11_400_000, 1024 ** 3 - 1, 8.2e9].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.00 KiB',
      '10.9 MiB',
      '1.00 GiB',
      '7.64 GiB',
    ]);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e17, noNaN: true }), (bytes) => !formatBytes(bytes).startsWith('1024 ')),
    );
  });

  it('writes durations with their two largest units', () => {
    expect([0, 3999, 60_000, 245_000, 7_860_000, 442_800_000].map(formatDuration)).toEqual([
      '0 s',
      '3 s',
      '1 min 00 s',
      '4 min 05 s',
      '2 h 11 min',
      '5 d 3 h',
    ]);
  });

  it('takes a clock that is slightly ahead as now', () => {
    expect(formatDuration(-400)).toBe('0 s');
  });

  it('writes CPU as percent of a core, also beyond one', () => {
    expect([0, 0.034, 0.0996, 1.5].map(formatCpu)).toEqual(['0.0 %', '3.4 %', '10 %', '150 %']);
  });

  it('writes a dash for what is not known', () => {
    expect([formatBytes(null), formatCpu(null), formatDuration(null), formatCount(null), formatMs(Number.NaN)]).toEqual(
      Array(5).fill('–'),
    );
  });

  it('groups thousands', () => {
    expect(formatCount(12_345.4)).toBe('12\u202f345');
  });
});

describe('how a container ended', () => {
  const end = { atMs: 97_000, exitCode: null, signal: null, failure: null, oomKilled: false, memoryPressure: null };

  it('says the exit code and when', () => {
    expect(endedWords({ ...end, exitCode: 1 }, 100_000)).toBe('exit 1 3 s ago');
  });

  it('names the signal', () => {
    expect([9, 15, 40].map((signal) => endCause({ ...end, signal }))).toEqual(['SIGKILL', 'SIGTERM', 'signal 40']);
  });

  it('says which call failed on what where it never started', () => {
    const message = 'mount: mount: /proc: permission denied';
    const failure = { step: 'mount', call: 'mount', subject: '/proc', errno: 13, message };
    expect(endCause({ ...end, failure })).toBe(`not started: ${message}`);
  });

  it('calls exit 0 and SIGTERM a good end, all else a bad one', () => {
    expect(
      [{ exitCode: 0 }, { signal: 15 }, { exitCode: 1 }, { signal: 9 }].map((how) => endedBadly({ ...end, ...how })),
    ).toEqual([false, false, true, true]);
  });
});
