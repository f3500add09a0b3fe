import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlotAnswer } from '../../web/src/api.ts';
import { type Connection, connecting, retryDelayMs, stalledAfterMs, stepConnection } from '../../web/src/connection.ts';
import { emptyPlots, mergePlots, nextSince, plotWindowMs } from '../../web/src/plot-data.ts';

describe('the live connection', () => {
  it('waits longer after each failed try, up to four seconds, and starts anew after a live one', () => {
    expect([0, 1, 2, 3, 9].map(retryDelayMs)).toEqual([500, 1000, 2000, 4000, 4000]);
    const live: Connection = { kind: 'live', lastMessageAtMs: 0 };
    const closed = stepConnection(live, { kind: 'closed', nowMs: 10, reason: 'gone' });
    expect(closed.state).toEqual({ kind: 'waiting', attempt: 0, retryAtMs: 510, reason: 'gone' });
  });

  it('gives up a stream that has gone silent', () => {
    const live: Connection = { kind: 'live', lastMessageAtMs: 0 };
    expect(stepConnection(live, { kind: 'tick', nowMs: stalledAfterMs - 1 }).effects).toEqual([]);
    expect(stepConnection(live, { kind: 'tick', nowMs: stalledAfterMs }).effects).toEqual(['close']);
  });

  it('opens at once when the page is looked at again', () => {
    const { state } = stepConnection(connecting(0), { kind: 'closed', nowMs: 0, reason: 'gone' });
    expect(stepConnection(state, { kind: 'wake', nowMs: 1 }).effects).toEqual(['open']);
  });
});

const answer = (stamps: number[], requests: (number | null)[]): PlotAnswer => ({
  timestamps: stamps,
  series: { requestsPerMinute: requests, instances: { web: requests } },
});

describe('the merge of plot data', () => {
  it('appends, fills late figures in and never replaces a figure by none', () => {
    const held = mergePlots(emptyPlots, answer([2000, 4000, 6000], [1, null, 3]));
    const merged = mergePlots(held, answer([4000, 6000, 8000], [2, null, 4]));
    expect(merged.timestamps).toEqual([2000, 4000, 6000, 8000]);
    expect(merged.requestsPerMinute).toEqual([1, 2, 3, 4]);
    expect(merged.instances.web).toEqual([1, 2, 3, 4]);
  });

  it('drops what is older than the hour', () => {
    const held = mergePlots(emptyPlots, answer([2000], [1]));
    expect(mergePlots(held, answer([4000 + plotWindowMs], [2])).timestamps).toEqual([4000 + plotWindowMs]);
  });

  it('asks for the whole hour first, then with an overlap for late figures', () => {
    expect(nextSince(emptyPlots)).toBeNull();
    expect(nextSince(mergePlots(emptyPlots, answer([100_000], [1])))).toBe(80_000);
  });

  it('keeps stamps rising and columns of one length whatever comes', () => {
    const stamps = fc.array(fc.integer({ min: 0, max: 5_000_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(stamps, stamps, (first, second) => {
        const merged = [first, second].reduce((held, list) => mergePlots(held, answer(list, [])), emptyPlots);
        expect(merged.timestamps.every((stamp, at) => at === 0 || stamp > (merged.timestamps[at - 1] ?? 0))).toBe(true);
        expect(merged.requestsPerMinute.length).toBe(merged.timestamps.length);
      }),
    );
  });
});
