import type { Budget } from './cost.ts';
import type { Result, Series, Tip } from './dataset.ts';
import { fulfils } from './label-index.ts';
import type { Extract, Rule } from './rule.ts';
import { subtract } from './sample.ts';
import type { SeriesSource } from './source.ts';

/**
 * Reading is synchronous. Measured on the 2-core test machine, without the scanner's own decoding: 1000 series of an
 * hour (1.8 million samples) take 60 ms to read, and 200 ms to write as 36 MB of JSON.
 */
export const mostSamplesPerQuery = 2_000_000;

export class TooMuch extends Error {}

export interface Selected {
  readonly ids: readonly number[];
  /** How many scans are asked for. */
  readonly samples: number;
  readonly timestamps: readonly number[];
}

/** Which series the rule means, and how much of them; taken from what the query may still read. */
export function select(rule: Rule, source: SeriesSource, budget: Budget): Selected {
  const ids = source.index.match(rule.condition).filter((id) => source.kind(id) !== undefined);
  if (source.scanTimes.length === 0) return { ids: [], samples: 0, timestamps: [] };
  const samples = samplesOf(rule.extract, source.scanTimes);
  budget.samples -= ids.length * samples;
  if (budget.samples < 0) {
    throw new TooMuch(
      `${ids.length} series of ${samples} samples are more than the ${mostSamplesPerQuery} that a query may read: narrow the condition or the time`,
    );
  }
  return { ids, samples, timestamps: source.scanTimes.slice(0, samples) };
}

/** What the rule's series hold; `budget` is what the query may still read. */
export function extract(rule: Rule, source: SeriesSource, budget: Budget): Result {
  if (rule.source === 'Tip') return { kind: 'tips', tips: statesOf(rule, source) };
  const { ids, samples, timestamps } = select(rule, source, budget);
  const newest = timestamps[0] ?? 0;
  const series = ids.map(
    (id): Series => ({
      key: source.index.labels(id) ?? {},
      kind: source.kind(id) ?? 'Float',
      timestamps,
      values: rule.extract.kind === 'tip' ? [source.tip(id)] : source.history(id, samples),
    }),
  );

  switch (rule.extract.kind) {
    case 'byNum':
    case 'byTime':
      return { kind: 'series', series };
    case 'tip':
      return {
        kind: 'tips',
        tips: series.map(
          ({ key, kind, values }): Tip => ({ key, value: { kind, value: values[0] ?? null }, span: [newest, newest] }),
        ),
      };
    case 'diff':
      return { kind: 'tips', tips: series.map(difference) };
    default:
      return rule.extract satisfies never;
  }
}

function statesOf(rule: Rule, source: SeriesSource): readonly Tip[] {
  return source
    .states()
    .filter(({ labels }) => fulfils(labels, rule.condition))
    .map(({ labels, since, text, timestamp }) => ({
      key: labels,
      value: { kind: 'State', since, text },
      span: [timestamp, timestamp],
    }));
}

/** How many scans to read. */
function samplesOf(extract: Extract, scanTimes: readonly number[]): number {
  switch (extract.kind) {
    case 'tip':
      return 1;
    case 'diff':
      return Math.min(extract.samples + 1, scanTimes.length);
    case 'byNum':
      return Math.min(extract.samples, scanTimes.length);
    case 'byTime': {
      const oldest = (scanTimes[0] ?? 0) - extract.ms;
      const end = scanTimes.findIndex((time) => time < oldest);
      return end < 0 ? scanTimes.length : end;
    }
    default:
      return extract satisfies never;
  }
}

/**
 * Newest minus oldest sample that is there. A counter is only followed back to its last reset, so that what it counted
 * since is never negative; the span tells how far that was.
 */
function difference({ key, kind, values, timestamps }: Series): Tip {
  const newestTime = timestamps[0] ?? 0;
  const newest = values[0] ?? null;
  if (newest === null) return { key, value: { kind, value: null }, span: [newestTime, newestTime] };
  let oldest: number | bigint = newest;
  let oldestTime = newestTime;
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    if (kind === 'Counter' && value > oldest) break;
    oldest = value;
    oldestTime = timestamps[index] ?? oldestTime;
  }
  return { key, value: { kind, value: subtract(newest, oldest, kind) }, span: [newestTime, oldestTime] };
}
