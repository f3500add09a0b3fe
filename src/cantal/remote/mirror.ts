import type { StateValue } from '../../native/scanner.ts';
import type { Labels } from '../query/dataset.ts';
import type { Extract, Rule } from '../query/rule.ts';
import type { NumberKind, Sample } from '../query/sample.ts';
import type { SeriesSource } from '../query/source.ts';
import { limits } from './limits.ts';
import type { StateRow, Stats } from './message.ts';
import { DamagedRows, decodeRows } from './rows.ts';

/** What one filter selects at one peer, as far as it was told: the newest scans, at most `limits.mostSamples`. */
export interface Mirror {
  /** What is wrong with the stats; null: they are in. Nothing is changed by wrong ones. */
  merge(stats: Stats, intervalMs: number): string | null;
  /** Series times rows. */
  samples(): number;
  series(): number;
  /** Newest scan, ms since the epoch on the peer's clock; null: none yet. */
  newest(): number | null;
  covers(rule: Rule): boolean;
  /**
   * As a query sees it. `until`: the peer's clock now, where it has fallen silent; what should have come since is null.
   */
  source(scanTime: number, until: { readonly nowMs: number; readonly intervalMs: number } | null): SeriesSource;
}

/** A scan that is later than this many periods left something out. */
const gapPeriods = 2.5;
/** Rows above the most, so that they are not cut at each scan. */
const slackRows = 50;

interface Slot {
  readonly kind: NumberKind;
  readonly labels: Labels;
  /** Oldest first, aligned with the times. */
  readonly values: Sample[];
}

export function createMirror(): Mirror {
  let times: number[] = [];
  let slots: Slot[] = [];
  let last: Sample[] = [];
  let states: readonly StateRow[] = [];
  let whole = false;
  let any = false;

  const begin = ({ keys, times: told }: Stats): { slots: Slot[]; times: number[] } => {
    const oldest = told[0] ?? Number.POSITIVE_INFINITY;
    const kept = times.filter((time) => time < oldest);
    const before = new Map(slots.map((slot) => [nameOf(slot), slot]));
    const made = keys.map(({ kind, labels }): Slot => {
      const known = before.get(nameOf({ kind, labels }));
      return { kind, labels, values: kept.map((_, row) => known?.values[row] ?? null) };
    });
    return { slots: made, times: kept };
  };

  return {
    merge(stats, intervalMs) {
      const newest = times.at(-1) ?? Number.NEGATIVE_INFINITY;
      if (!any && !stats.anew) return 'stats without a beginning';
      if (!stats.anew && (stats.times[0] ?? Number.POSITIVE_INFINITY) <= newest) return 'stats of a time that was told';
      const known = stats.anew ? [] : slots;
      if (known.length + stats.keys.length > limits.mostSlots) return 'too many series';
      const kinds = [...known, ...stats.keys].map(({ kind }) => kind);
      const nextLast: Sample[] = stats.anew ? [] : [...last];
      while (nextLast.length < kinds.length) nextLast.push(null);
      let rows: Sample[][];
      try {
        rows = decodeRows(stats.rows, kinds.length === 0 ? 0 : stats.times.length, { kinds, last: nextLast });
      } catch (error) {
        if (error instanceof DamagedRows) return error.message;
        throw error;
      }
      if (stats.anew) {
        const started = begin(stats);
        whole = stats.whole || (whole && started.times.length > 0);
        ({ slots, times } = started);
      } else {
        for (const { kind, labels } of stats.keys) slots.push({ kind, labels, values: times.map(() => null) });
      }
      for (const [index, time] of stats.times.entries()) {
        fillGap(times, slots, time, intervalMs);
        times.push(time);
        for (const [slot, { values }] of slots.entries()) values.push(rows[index]?.[slot] ?? null);
      }
      if (times.length > limits.mostSamples + slackRows || (stats.anew && times.length > limits.mostSamples)) {
        const excess = times.length - limits.mostSamples;
        times.splice(0, excess);
        for (const { values } of slots) values.splice(0, excess);
        whole = false;
      }
      last = nextLast;
      if (stats.states !== null) states = stats.states;
      any = true;
      return null;
    },
    samples: () => slots.length * times.length,
    series: () => slots.length + states.length,
    newest: () => times.at(-1) ?? null,
    covers: ({ source, extract }) => any && (source === 'Tip' || whole || reachesBack(extract, times)),
    source: (scanTime, until) => sourceOf({ times, slots, states }, scanTime, until),
  };
}

const nameOf = ({ kind, labels }: Pick<Slot, 'kind' | 'labels'>): string =>
  JSON.stringify([kind, ...Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);

/** Null rows where scans should have been between the newest and `time`. */
function fillGap(times: number[], slots: readonly Slot[], time: number, intervalMs: number): void {
  const newest = times.at(-1);
  if (newest === undefined) return;
  for (const missing of missingTimes(newest, time, intervalMs)) {
    times.push(missing);
    for (const { values } of slots) values.push(null);
  }
}

/** Between two scans; the newest `limits.mostSamples` of them. */
function missingTimes(from: number, to: number, intervalMs: number): readonly number[] {
  if (intervalMs <= 0 || to - from <= gapPeriods * intervalMs) return [];
  const count = Math.floor((to - from) / intervalMs - 0.5);
  const first = Math.max(0, count - limits.mostSamples);
  return Array.from({ length: count - first }, (_, index) => from + (first + index + 1) * intervalMs);
}

function reachesBack(extract: Extract, times: readonly number[]): boolean {
  switch (extract.kind) {
    case 'tip':
      return times.length > 0;
    case 'diff':
      return times.length > extract.samples;
    case 'byNum':
      return times.length >= extract.samples;
    case 'byTime':
      return (times[0] ?? Number.POSITIVE_INFINITY) <= (times.at(-1) ?? 0) - extract.ms;
    default:
      return extract satisfies never;
  }
}

function sourceOf(
  { times, slots, states }: { times: readonly number[]; slots: readonly Slot[]; states: readonly StateRow[] },
  scanTime: number,
  until: { readonly nowMs: number; readonly intervalMs: number } | null,
): SeriesSource {
  const newest = times.at(-1);
  // Newest first, as all lists from here on.
  const silent =
    until === null || newest === undefined
      ? []
      : [...missingTimes(newest, until.nowMs + until.intervalMs, until.intervalMs)].reverse();
  const scanTimes = [...silent, ...times.toReversed()].slice(0, limits.mostSamples);
  const ids = slots.map((_, id) => id);
  const valueAt = (id: number, row: number): Sample => {
    const { values } = slots[id] ?? { values: [] };
    return row < silent.length ? null : (values[values.length - 1 - (row - silent.length)] ?? null);
  };
  return {
    // The filter selected the series already.
    index: {
      add() {},
      clear() {},
      revision: () => slots.length,
      nextId: () => slots.length,
      ids: () => [...ids],
      labels: (id) => slots[id]?.labels,
      withLabel: () => [],
      match: () => [...ids],
    },
    scanTimes,
    kind: (id) => slots[id]?.kind,
    tip: (id) => valueAt(id, 0),
    history: (id, samples) => Array.from({ length: Math.min(samples, scanTimes.length) }, (_, row) => valueAt(id, row)),
    floats: () => null,
    states: () => states.map(({ timestamp, ...state }): StateValue => ({ ...state, timestamp: timestamp ?? scanTime })),
  };
}
