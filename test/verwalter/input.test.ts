import { describe, expect, it } from 'vitest';
import { type InputParts, schedulerInput } from '../../src/verwalter/input.ts';
import type { Member } from '../../src/verwalter/ports.ts';

const self = { id: '0'.repeat(32), addr: '10.0.0.1:8379', hostname: 'a', name: 'a.example' };
const member = (digit: string, more: Partial<Member> = {}): Member => ({
  id: digit.repeat(32),
  addr: `10.0.0.${digit}:8379`,
  hostname: `h${digit}`,
  name: `h${digit}.example`,
  knownSince: 1000.7,
  lastReportDirect: 2000.2,
  liveness: 'alive',
  schedule: { timestamp: 5, hash: 'f'.repeat(64), origin: '0'.repeat(32) },
  errors: 1,
  ...more,
});
const parts = (more: Partial<InputParts> = {}): InputParts => ({
  nowMs: 1_800_000_000_000.9,
  self,
  epoch: 7,
  reason: 'action',
  members: [member('3', { liveness: 'dead', lastReportDirect: null, schedule: null }), member('2')],
  parents: [{ timestamp: 5, hash: 'e'.repeat(64), origin: self.id, data: { state: {} } }],
  parentsMeta: [{ timestamp: 5, hash: 'e'.repeat(64), origin: self.id, holders: [self.id] }],
  actions: [{ id: 1_800_000_000_000, value: { button: {} } }],
  runtime: { a: 1 },
  metrics: {},
  metricsCollectedAtMs: 1_799_999_999_000,
  metricsMissing: ['3'.repeat(32)],
  previous: { hash: 'e'.repeat(64), timestamp: 5, durationMs: 3 },
  ...more,
});

describe('the input of a scheduler', () => {
  it('has every field of the contract', () => {
    const { seed, ...input } = schedulerInput(parts());
    expect(input).toEqual({
      now: 1_800_000_000_000,
      current_host: 'a',
      current_id: self.id,
      epoch: 7,
      reason: 'action',
      parents: [{ state: {} }],
      parents_meta: [{ timestamp: 5, hash: 'e'.repeat(64), origin: self.id, holders: [self.id] }],
      previous: { hash: 'e'.repeat(64), timestamp: 5, duration_ms: 3 },
      actions: { '1800000000000': { button: {} } },
      runtime: { a: 1 },
      peers: {
        ['2'.repeat(32)]: {
          id: '2'.repeat(32),
          addr: '10.0.0.2:8379',
          name: 'h2.example',
          hostname: 'h2',
          schedule: { timestamp: 5, hash: 'f'.repeat(64), origin: self.id },
          known_since: 1000,
          last_report_direct: 2000,
          liveness: 'alive',
          errors: 1,
        },
        ['3'.repeat(32)]: expect.objectContaining({ last_report_direct: null, schedule: null, liveness: 'dead' }),
      },
      metrics: {},
      metrics_meta: { collected_at: 1_799_999_999_000, missing: ['3'.repeat(32)] },
      partition: { known: 3, fresh: 2, quorum: 2, minority: false },
    });
    expect(Number.isSafeInteger(seed)).toBe(true);
  });

  it('has a seed that hangs on all the rest and on nothing else', () => {
    const { seed } = schedulerInput(parts());
    expect(schedulerInput(parts({ members: [...parts().members].reverse() })).seed).toBe(seed);
    const others = [
      parts({ runtime: { a: 2 } }),
      parts({ nowMs: 1 }),
      parts({ epoch: 8 }),
      parts({ parents: [{ timestamp: 5, hash: 'd'.repeat(64), origin: self.id, data: { state: { x: 1 } } }] }),
    ];
    for (const other of others) expect(schedulerInput(other).seed).not.toBe(seed);
  });

  it('says whether this is a minority', () => {
    const dead = ['2', '3', '4'].map((digit) => member(digit, { liveness: 'dead' }));
    expect(schedulerInput(parts({ members: dead })).partition).toEqual({
      known: 4,
      fresh: 1,
      quorum: 3,
      minority: true,
    });
    expect(schedulerInput(parts({ members: [] })).partition).toEqual({
      known: 1,
      fresh: 1,
      quorum: 1,
      minority: false,
    });
    expect(schedulerInput(parts({ members: dead.slice(1, 2) })).partition).toMatchObject({ quorum: 2, minority: true });
  });
});
