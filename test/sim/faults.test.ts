import { describe, expect, it } from 'vitest';
import * as broken from '../../src/sim/broken.ts';
import { describeFailure, runSeed, runSeeds } from '../../src/sim/runs.ts';

describe('small clusters under random faults', { timeout: 120_000 }, () => {
  it('keep every promise and come to rest, over 200 plans of crashes, pauses, partitions and weather', () => {
    const { failures, slowestRest, steps } = runSeeds({ from: 1, count: 200 });
    expect(failures.map((failure) => describeFailure(failure))).toEqual([]);
    expect(steps).toBeGreaterThan(100_000);
    process.stdout.write(
      `200 plans, ${steps} steps: the slowest rest took ${slowestRest?.restMs} virtual ms (seed ${slowestRest?.seed})\n`,
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
    [broken.votesTwice, ['one vote per epoch']],
    // Who leads by nobody's votes is heard by no majority either.
    [broken.leadsWithoutQuorum, ['at most one leader per epoch', 'a leader holds a majority']],
    [broken.votesAtOnce, ['no vote in the first election interval']],
    [broken.keepsLeading, ['a leader holds a majority']],
    [broken.neverGivesUp, ['a minority has no leader', 'a majority that can talk has a leader in time']],
    [broken.neverAsks, ['a majority that can talk has a leader in time']],
    [broken.forgetsItsEpoch, ['epochs never fall']],
    [broken.followsWhoAsks, ['who is followed was elected']],
    [broken.meetsItself, ['no node is its own peer']],
    [broken.speaksForOthers, ['only a node itself raises its incarnation']],
    [broken.neverObjects, ['a healed cluster comes to rest']],
  ] as const;
  for (const [step, [invariant, ...others]] of mistakes) {
    it(`${step.name}: ${invariant}`, () => {
      const { failures } = runSeeds({ from: 1, count: 30, step, restWithinMs: 30_000 });
      const found = new Set(failures.map(({ failure }) => failure?.invariant));
      expect(found).toContain(invariant);
      expect([...found].filter((each) => each !== invariant && !others.includes(each as never))).toEqual([]);
    });
  }
});
