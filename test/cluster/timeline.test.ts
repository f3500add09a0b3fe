import { expect, it } from 'vitest';
import { createTimeline } from '../../src/cluster/timeline.ts';
import { createTwins } from '../../src/cluster/twins.ts';

it('the timeline keeps changes of role only, the last hundred, and when there last was a leader', () => {
  const timeline = createTimeline();
  expect(timeline.lastStableMs(5)).toBeNull();
  timeline.note('me', { role: 'none', epoch: 0 }, 10);
  timeline.note('me', { role: 'none', epoch: 1 }, 20);
  timeline.note('me', { role: 'leader', epoch: 1 }, 30);
  timeline.note('me', { role: 'leader', epoch: 1 }, 40);
  expect(timeline.lastStableMs(45)).toBe(45);
  timeline.note('me', { role: 'none', epoch: 1 }, 50);
  expect(timeline.changes()).toEqual([
    { at_ms: 10, epoch: 0, role: 'none', leader: null },
    { at_ms: 30, epoch: 1, role: 'leader', leader: 'me' },
    { at_ms: 50, epoch: 1, role: 'none', leader: null },
  ]);
  expect(timeline.lastStableMs(60)).toBe(50);
  for (let epoch = 2; epoch < 300; epoch += 1) {
    timeline.note('me', { role: 'follower', epoch, leaderId: 'you', schedule: null }, 100 * epoch);
  }
  expect(timeline.changes()).toHaveLength(100);
  expect(timeline.changes().at(-1)).toEqual({ at_ms: 29_900, epoch: 299, role: 'follower', leader: 'you' });
});

it('twins are told of for five minutes, and so many only as a page can show', () => {
  const twins = createTwins();
  twins.seen('a', '10.0.0.1:1', 1_000);
  twins.seen('a', '10.0.0.1:1', 2_000);
  expect(twins.now(3_000)).toEqual([{ id: 'a', addr: '10.0.0.1:1', at_ms: 2_000 }]);
  expect(twins.now(400_000)).toEqual([]);
  for (let port = 0; port < 500; port += 1) twins.seen('a', `10.0.0.1:${port}`, 500_000);
  expect(twins.now(500_000)).toHaveLength(100);
});
