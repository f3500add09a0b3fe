import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReplayGuard } from '../../src/cluster/replay.ts';

test('a number is taken once, in whatever order', () => {
  const order = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(order, (counters) => {
      const guard = createReplayGuard();
      for (const counter of counters) expect(guard.check('a', 1, counter, 0)).toBe('new');
      for (const counter of counters) expect(guard.check('a', 1, counter, 0)).toBe('replayed');
    }),
  );
});

test('no number is ever taken twice, however far numbers jump', () => {
  const counters = fc.array(fc.oneof(fc.integer({ min: 1, max: 600 }), fc.maxSafeNat()), { maxLength: 300 });
  fc.assert(
    fc.property(counters, (list) => {
      const guard = createReplayGuard();
      const taken = new Set<number>();
      for (const counter of list) {
        if (guard.check('a', 1, counter, 0) !== 'new') continue;
        expect(taken.has(counter)).toBe(false);
        taken.add(counter);
      }
    }),
  );
});

test('too far behind to be known counts as told before', () => {
  const guard = createReplayGuard();
  guard.check('a', 1, 1_000, 0);
  expect(guard.check('a', 1, 745, 0)).toBe('new');
  expect(guard.check('a', 1, 744, 0)).toBe('replayed');
});

test('senders are counted apart', () => {
  const guard = createReplayGuard();
  expect(guard.check('a', 1, 1, 0)).toBe('new');
  expect(guard.check('b', 1, 1, 0)).toBe('new');
});

test('a later life begins anew, an earlier one is over', () => {
  const guard = createReplayGuard();
  guard.check('a', 10, 500, 0);
  expect(guard.check('a', 11, 1, 0)).toBe('new');
  expect(guard.check('a', 10, 501, 0)).toBe('earlier-life');
});

test('a node whose clock went back is heard again when its former life was silent for ten minutes', () => {
  const guard = createReplayGuard();
  guard.check('a', 10, 500, 0);
  expect(guard.check('a', 9, 1, 599_999)).toBe('earlier-life');
  expect(guard.check('a', 9, 1, 600_000)).toBe('new');
});

test('the longest silent senders are forgotten first, and memory stays bounded', () => {
  const guard = createReplayGuard();
  guard.check('quiet', 1, 1, 0);
  guard.check('busy', 1, 1, 0);
  for (let index = 0; index < 9_999; index += 1) {
    guard.check(`node${index}`, 1, 1, 0);
    if (index === 5_000) guard.check('busy', 1, 2, 0);
  }
  expect(guard.check('busy', 1, 2, 0)).toBe('replayed');
  expect(guard.check('quiet', 1, 1, 0)).toBe('new');
});
