import type { Column } from '../plot-data.ts';

/** What the strip shows at one moment: how high in which band. A band begins where the one below it ends. */
export interface Mark {
  readonly band: number;
  /** 0 … 1 of the band's height. */
  readonly share: number;
}

/** `edges` are the upper ends of the bands, rising; above the last one is one more band, always full. */
export function bandOf(value: number, edges: readonly number[]): Mark {
  const band = edges.findIndex((edge) => value <= edge);
  if (band < 0) return { band: edges.length, share: 1 };
  const low = edges[band - 1] ?? 0;
  const high = edges[band] ?? low;
  return { band, share: high > low ? Math.max(0, (value - low) / (high - low)) : 1 };
}

/** More than so many of its usual steps without a sample is a hole. */
const holeSteps = 3.5;

/**
 * The highest value of each of `count` columns between two times; a sample lasts back to the one before it. Null where
 * there was none.
 */
export function columnsOf(
  times: readonly number[],
  values: Column,
  { from, to }: { readonly from: number; readonly to: number },
  count: number,
): (number | null)[] {
  const columns = new Array<number | null>(count).fill(null);
  const width = (to - from) / count;
  if (!(width > 0)) return columns;
  const hole = holeSteps * usualStep(times);
  for (const [index, value] of values.entries()) {
    const time = times[index];
    if (value === null || time === undefined || time < from || time > to) continue;
    const before = times[index - 1];
    const start = before === undefined || time - before > hole ? time : before;
    const last = Math.min(count - 1, Math.floor((time - from) / width));
    const first = Math.max(0, Math.min(last, Math.floor((start - from) / width) + 1));
    for (let at = first; at <= last; at += 1) columns[at] = Math.max(columns[at] ?? value, value);
  }
  return columns;
}

/** The median of the newest steps, ms. */
export function usualStep(times: readonly number[]): number {
  const newest = times.slice(-30);
  const steps = newest.slice(1).map((time, index) => time - (newest[index] ?? time));
  return steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
}

/** Index of the sample at or right before a time; -1: there is none. */
export function indexAt(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
