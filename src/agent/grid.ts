/** One series of one host, as cantal returns it: newest first; null = missing. */
export interface Points {
  readonly timestamps: readonly number[];
  readonly values: readonly (number | null)[];
}

/** The scan period: hosts scan at different moments, so their samples meet on a grid of this width. */
export const gridMs = 2_000;

/** A host that misses a slot (its scan fell just beside it) keeps its last value for so many slots. */
const carriedSlots = 2;

/** The slots from `since` to `until`, oldest first, as their starting times in ms. */
export function slots(since: number, until: number): number[] {
  const first = Math.ceil(since / gridMs) * gridMs;
  const last = Math.floor(until / gridMs) * gridMs;
  return Array.from({ length: Math.max(0, (last - first) / gridMs + 1) }, (_, index) => first + index * gridMs);
}

/** Sums series of several hosts slot by slot; a slot in which no host has a value is null. */
export function sumOnGrid(grid: readonly number[], series: readonly Points[]): (number | null)[] {
  const sums: (number | null)[] = grid.map(() => null);
  const first = grid[0];
  if (first === undefined) return sums;
  for (const { timestamps, values } of series) {
    const own: (number | null | undefined)[] = grid.map(() => undefined);
    // Oldest to newest, so that of two samples in a slot the newer stays.
    for (let index = timestamps.length - 1; index >= 0; index--) {
      const slot = Math.floor(((timestamps[index] ?? 0) - first) / gridMs);
      if (slot >= 0 && slot < own.length) own[slot] = values[index] ?? null;
    }
    let last: number | null = null;
    let age = 0;
    own.forEach((value, slot) => {
      if (value === undefined) age += 1;
      else {
        last = value;
        age = 0;
      }
      if (last !== null && age <= carriedSlots) sums[slot] = (sums[slot] ?? 0) + last;
    });
  }
  return sums;
}
