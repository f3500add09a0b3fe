import { describe, expect, it } from 'vitest';
import * as broken from '../../src/sim/broken-verwalters.ts';
import { describeFailure, type RunOptions, runSeeds } from '../../src/sim/runs.ts';

describe('small clusters with their schedules under random faults', { timeout: 180_000 }, () => {
  it('keep every promise, and merge what two leaders made apart, over 40 plans', () => {
    const { failures, steps } = runSeeds({ from: 1, count: 40, schedules: true });
    expect(failures.map((failure) => describeFailure(failure, { schedules: true }))).toEqual([]);
    expect(steps).toBeGreaterThan(40_000);
  });
});

/** A checker that passes these would pass anything. */
describe('a verwalter with a mistake is caught by the promise that it breaks:', { timeout: 180_000 }, () => {
  const step = (stepVerwalter: NonNullable<RunOptions['stepVerwalter']>): RunOptions => ({ stepVerwalter });
  const mistakes: readonly (readonly [name: string, RunOptions, invariant: string])[] = [
    ['believesBodies', step(broken.believesBodies), 'only verified bodies of the leader are rendered'],
    ['missesTheLoss', step(broken.missesTheLoss), 'without a leader a node says that it is unstable'],
    ['goesBackAlone', step(broken.goesBackAlone), 'without a leader a node keeps its schedule'],
    ['doublesParents', step(broken.doublesParents), 'no parent comes twice'],
    ['oldestFirst', step(broken.oldestFirst), 'parents come newest first'],
    ['stampsByTheClock', step(broken.stampsByTheClock), 'a stamp is newer than its parents’'],
    ['answersUnseen', step(broken.answersUnseen), 'an accepted action is in a schedule or refused'],
    ['forgetsTheQueue', step(broken.forgetsTheQueue), 'an accepted action is in a schedule or refused'],
    ['neverFetches', step(broken.neverFetches), 'a quiet cluster holds one schedule'],
    ['seesNothingApart', step(broken.seesNothingApart), 'schedules made apart are merged'],
    ['takesOldStamps', step(broken.takesOldStamps), 'only verified bodies of the leader are rendered'],
    ['takesTheFirstParent', { decide: broken.takesTheFirstParent }, 'a person’s newest choice survives'],
  ];
  for (const [name, options, invariant] of mistakes) {
    it(`${name}: ${invariant}`, () => {
      let found: string | undefined;
      // Within forty seeds, each of which tells another story.
      for (let from = 1; from <= 40 && found === undefined; from += 1) {
        const [failure] = runSeeds({ from, count: 1, schedules: true, ...options }).failures;
        found = failure?.failure?.invariant;
      }
      expect(found).toBe(invariant);
    });
  }
});
