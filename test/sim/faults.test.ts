import { describe, expect, it } from 'vitest';
import { leadsWithoutQuorum, neverObjects, speaksForOthers, votesAtOnce, votesTwice } from '../../src/sim/broken.ts';
import { describeFailure, runSeed, runSeeds } from '../../src/sim/runs.ts';

describe('small clusters under random faults', { timeout: 120_000 }, () => {
  it('keep every promise and come to rest, over 300 plans of crashes, pauses, partitions and weather', () => {
    const { failures, slowestRest, steps } = runSeeds({ from: 1, count: 300 });
    expect(failures.map(describeFailure)).toEqual([]);
    expect(steps).toBeGreaterThan(100_000);
    process.stdout.write(
      `300 plans, ${steps} steps: the slowest rest took ${slowestRest?.restMs} virtual ms (seed ${slowestRest?.seed})\n`,
    );
  });

  it('do the same thing again for the same seed', () => {
    const [once, again, other] = [runSeed(7), runSeed(7), runSeed(8)];
    expect(again).toEqual(once);
    expect(other.digest).not.toBe(once.digest);
  });
});

/** A checker that passes these would pass anything. */
describe('a machine with a mistake is caught by the promise that it breaks:', () => {
  const mistakes = [
    [votesTwice, 'one vote per epoch'],
    [leadsWithoutQuorum, 'at most one leader per epoch'],
    [votesAtOnce, 'no vote in the first election interval'],
    [speaksForOthers, 'only a node itself raises its incarnation'],
    [neverObjects, 'a healed cluster comes to rest'],
  ] as const;
  for (const [step, invariant] of mistakes) {
    it(`${step.name}: ${invariant}`, () => {
      const { failures } = runSeeds({ from: 1, count: 60, step, restWithinMs: 30_000 });
      expect(new Set(failures.map(({ failure }) => failure?.invariant))).toEqual(new Set([invariant]));
    });
  }
});
