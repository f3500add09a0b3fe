import { describe, expect, it } from 'vitest';
import { verwalterMetrics } from '../../src/agent/verwalter-metrics.ts';
import type { Cluster } from '../../src/cluster/shell.ts';
import type { OwnMetric } from '../../src/native/scanner.ts';
import type { Verwalter, VerwalterStatus } from '../../src/verwalter/verwalter.ts';

const status = {
  errors: { scheduler: 'x', runtime: 'y' },
  failedRoles: ['web'],
  lastRound: { durationMs: 12.4, ok: true, atMs: 0 },
} as unknown as VerwalterStatus;
const counts = { actionsExecuted: 3, errorsOccurred: 4, rolesFailed: 5, roundsSucceeded: 6, roundsFailed: 7 };

describe('verwalter’s own numbers', () => {
  it('tell of actions, errors, rounds and peers, and of each step of an election how often and when', () => {
    const election = { asked: 2, elections: 1, won: 0, steppedDown: 0 };
    let nowMs = 1000;
    const metrics = verwalterMetrics({
      verwalter: { counts: () => counts, status: () => status } as Pick<Verwalter, 'counts' | 'status'>,
      cluster: { members: () => [{}, {}], electionView: () => ({ counts: { ...election } }) } as unknown as Cluster,
      wallMs: () => nowMs,
    });
    const byName = (all: readonly OwnMetric[]) =>
      Object.fromEntries(all.map(({ group, name, value }) => [`${group}.${name}`, value]));
    expect(byName(metrics())).toEqual({
      ...{ 'global.actions_executed': 3, 'global.errors_occured': 4, 'global.roles_failed': 5 },
      ...{ 'global.current_errors': 2, 'global.current_failing': 1, 'peers.known': 2 },
      ...{ 'scheduler.scheduling_time': 12, 'scheduler.scheduler_succeeded': 6, 'scheduler.scheduler_failed': 7 },
      ...{ 'election.asked_no': 2, 'election.asked_tm': 1000, 'election.started_no': 1, 'election.started_tm': 1000 },
      ...{ 'election.won_no': 0, 'election.won_tm': 0, 'election.stepped_down_no': 0, 'election.stepped_down_tm': 0 },
    });
    nowMs = 5000;
    election.won = 1;
    expect(byName(metrics())).toMatchObject({
      'election.asked_tm': 1000,
      'election.won_no': 1,
      'election.won_tm': 5000,
    });
  });
});
