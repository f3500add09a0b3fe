import type { Conflict, Result, Series, Tip } from './dataset.ts';
import { type Sample, sameTimes } from './sample.ts';

/** Functions that are not in the original: fewer series, or fewer samples. */

const incompatible = (conflict: Conflict): Result => ({ kind: 'incompatible', conflict });

/**
 * The `n` largest, the largest first: of tips by their value, of series by the mean of what is there. Missing ones come
 * last; of equals the one that stood first. States have no size.
 */
export function topK(result: Result, n: number): Result {
  switch (result.kind) {
    case 'incompatible':
      return result;
    case 'chart':
      return { kind: 'chart', counts: new Map([...result.counts].sort(([, a], [, b]) => b - a).slice(0, n)) };
    case 'series':
      return { kind: 'series', series: largest(result.series, n, ({ values }) => mean(values)) };
    case 'tips':
      if (result.tips.some(({ value }) => value.kind === 'State')) return incompatible('CantSumStates');
      return { kind: 'tips', tips: largest(result.tips, n, numberOf) };
    default:
      return result satisfies never;
  }
}

function largest<T>(all: readonly T[], n: number, size: (each: T) => number | null): readonly T[] {
  const sized = all.map((each) => [each, size(each) ?? Number.NEGATIVE_INFINITY] as const);
  return sized
    .sort(([, a], [, b]) => (a === b ? 0 : b - a))
    .slice(0, n)
    .map(([each]) => each);
}

const numberOf = ({ value }: Tip): number | null =>
  value.kind === 'State' || value.value === null ? null : Number(value.value);

function mean(values: readonly Sample[]): number | null {
  let sum = 0;
  let there = 0;
  for (const value of values) {
    if (value === null) continue;
    sum += Number(value);
    there += 1;
  }
  return there === 0 ? null : sum / there;
}

/**
 * At each time the value below which the share `q` of the series lies, between two of them in proportion (as
 * Prometheus' quantile()). All have to have the same times.
 */
export function quantile(result: Result, q: number): Result {
  switch (result.kind) {
    case 'incompatible':
      return result;
    case 'chart':
      return incompatible('CantSumChart');
    case 'series': {
      const [first] = result.series;
      if (first === undefined) return result;
      if (result.series.some(({ timestamps }) => !sameTimes(timestamps, first.timestamps)))
        return incompatible('CantSumTimestamps');
      const values = first.timestamps.map((_, row) =>
        quantileOf(
          result.series.map((each) => each.values[row] ?? null),
          q,
        ),
      );
      return { kind: 'series', series: [{ key: {}, kind: 'Float', timestamps: first.timestamps, values }] };
    }
    case 'tips': {
      if (result.tips.length === 0) return result;
      if (result.tips.some(({ value }) => value.kind === 'State')) return incompatible('CantSumStates');
      const value = quantileOf(result.tips.map(numberOf), q);
      const newest = Math.max(...result.tips.map(({ span }) => span[0]));
      const oldest = Math.min(...result.tips.map(({ span }) => span[1]));
      return { kind: 'tips', tips: [{ key: {}, value: { kind: 'Float', value }, span: [newest, oldest] }] };
    }
    default:
      return result satisfies never;
  }
}

function quantileOf(samples: readonly Sample[], q: number): number | null {
  const sorted = samples.flatMap((sample) => (sample === null ? [] : [Number(sample)])).sort((a, b) => a - b);
  const rank = q * (sorted.length - 1);
  const below = sorted[Math.floor(rank)];
  const above = sorted[Math.ceil(rank)];
  if (below === undefined || above === undefined) return null;
  // Infinities have no middle.
  return below === above ? below : below + (above - below) * (rank - Math.floor(rank));
}

/**
 * One sample for each `ms` of the clock, stamped with the newest time in it. Each series becomes three, told apart by
 * the label `stat`: `min`, `avg` and `max`, so that no peak is lost.
 */
export function step(result: Result, ms: number): Result {
  if (result.kind === 'incompatible') return result;
  if (result.kind !== 'series') return incompatible('CantDerive');
  return { kind: 'series', series: result.series.flatMap((series) => stepped(series, ms)) };
}

function stepped({ key, kind, timestamps, values }: Series, ms: number): readonly Series[] {
  const buckets: { readonly slot: number; readonly time: number; readonly there: (number | bigint)[] }[] = [];
  for (const [row, time] of timestamps.entries()) {
    const slot = Math.floor(time / ms);
    if (buckets.at(-1)?.slot !== slot) buckets.push({ slot, time, there: [] });
    const value = values[row] ?? null;
    if (value !== null) buckets.at(-1)?.there.push(value);
  }
  const times = buckets.map(({ time }) => time);
  const made = (stat: string, of: (there: readonly (number | bigint)[]) => Sample): Series => ({
    ...{ key: { ...key, stat }, timestamps: times, kind: stat === 'avg' ? 'Float' : kind },
    values: buckets.map(({ there }) => (there.length === 0 ? null : of(there))),
  });
  return [
    made('min', (there) => there.reduce((low, value) => (value < low ? value : low))),
    made('avg', mean),
    made('max', (there) => there.reduce((high, value) => (value > high ? value : high))),
  ];
}
