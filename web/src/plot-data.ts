import type { PlotAnswer } from './api.ts';

/** What the plots keep: one hour. Columns have the length of `timestamps`. */
export interface PlotData {
  readonly timestamps: readonly number[];
  readonly requestsPerMinute: Column;
  readonly instances: Readonly<Record<string, Column>>;
}

export type Column = readonly (number | null)[];

export const emptyPlots: PlotData = { timestamps: [], requestsPerMinute: [], instances: {} };

/** The history that cantal keeps. */
export const plotWindowMs = 3_600_000;
/** Figures of other nodes come late: ask again for what is younger than this. */
export const lateFiguresMs = 20_000;

/** `since` of the next request; null asks for the whole hour. */
export function nextSince(held: PlotData): number | null {
  const last = held.timestamps.at(-1);
  return last === undefined ? null : last - lateFiguresMs;
}

/**
 * Puts an answer into what is held: new stamps are inserted in order, a known figure replaces a held one of the same
 * stamp, null never replaces a figure, and what is older than the hour goes.
 */
export function mergePlots(held: PlotData, answer: PlotAnswer): PlotData {
  const latest = Math.max(held.timestamps.at(-1) ?? 0, answer.timestamps.at(-1) ?? 0);
  const timestamps = mergeStamps(held.timestamps, answer.timestamps).filter((stamp) => stamp >= latest - plotWindowMs);
  const merge = (old: Column | undefined, fresh: Column | undefined): Column => {
    const figures = new Map<number, number | null>();
    held.timestamps.forEach((stamp, index) => {
      figures.set(stamp, old?.[index] ?? null);
    });
    answer.timestamps.forEach((stamp, index) => {
      figures.set(stamp, fresh?.[index] ?? figures.get(stamp) ?? null);
    });
    return timestamps.map((stamp) => figures.get(stamp) ?? null);
  };
  const processes = new Set([...Object.keys(held.instances), ...Object.keys(answer.series.instances)]);
  return {
    timestamps,
    requestsPerMinute: merge(held.requestsPerMinute, answer.series.requestsPerMinute),
    instances: Object.fromEntries(
      [...processes].sort().map((name) => [name, merge(held.instances[name], answer.series.instances[name])]),
    ),
  };
}

function mergeStamps(left: readonly number[], right: readonly number[]): number[] {
  return [...new Set([...left, ...right])].sort((a, b) => a - b);
}

/** As uPlot takes it: the times, then each line. */
export function aligned({
  timestamps,
  lines,
}: {
  readonly timestamps: readonly number[];
  readonly lines: readonly { readonly column: Column }[];
}): [number[], ...(number | null)[][]] {
  return [[...timestamps], ...lines.map((line) => [...line.column])];
}

export function lastKnown(column: Column): number | null {
  return column.findLast((value) => value !== null) ?? null;
}
