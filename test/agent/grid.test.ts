import { describe, expect, it } from 'vitest';
import { slots, sumOnGrid } from '../../src/agent/grid.ts';

describe('the common grid of several hosts', () => {
  it('has a slot every two seconds between the ends', () => {
    expect(slots(1_000, 7_999)).toEqual([2_000, 4_000, 6_000]);
    expect(slots(5_000, 1_000)).toEqual([]);
  });

  it('sums hosts that scan at different moments', () => {
    const a = { timestamps: [4_900, 2_900], values: [10, 1] };
    const b = { timestamps: [4_100, 2_100], values: [20, 2] };
    expect(sumOnGrid(slots(2_000, 4_000), [a, b])).toEqual([3, 30]);
  });

  it('carries a value over a slot that a scan just missed, but not for ever', () => {
    const host = { timestamps: [2_500], values: [7] };
    expect(sumOnGrid(slots(2_000, 10_000), [host])).toEqual([7, 7, 7, null, null]);
  });

  it('shows a slot without any value as missing, not as zero', () => {
    const host = { timestamps: [4_500, 2_500], values: [null, null] };
    expect(sumOnGrid(slots(2_000, 4_000), [host])).toEqual([null, null]);
  });

  it('keeps the newer of two samples that fall into one slot', () => {
    const host = { timestamps: [3_900, 2_100], values: [5, 4] };
    expect(sumOnGrid(slots(2_000, 2_000), [host])).toEqual([5]);
  });
});
