import { ofProcess } from '../../export-routes.ts';
import type { Labels } from '../../query/dataset.ts';
import type { Regex } from '../../query/regex.ts';
import type { NumberKind } from '../../query/sample.ts';
import type { SeriesSource } from '../../query/source.ts';

/** Samples of one series that were not sent yet. */
export interface FreshSeries {
  readonly labels: Labels;
  readonly kind: NumberKind;
  /** Oldest first. */
  readonly samples: readonly (readonly [timeMs: number, value: number | bigint])[];
}

/** A stretch of the history on its way to a receiver, series by series. */
export interface Batch {
  readonly afterMs: number;
  readonly untilMs: number;
  /** Series up to this id were taken. */
  readonly lastId: number;
}

/** Which series a receiver gets. */
export interface Chosen {
  readonly passes: Regex;
  readonly processes: boolean;
}

/** Of one request, which is read in one turn of the event loop. A whole series goes into one, so it may have more. */
const mostSamples = 5_000;

/** All that came after a time; null: nothing did. */
export function newBatch(scanTimes: readonly number[], afterMs: number): Batch | null {
  const [newest] = scanTimes;
  return newest === undefined || newest <= afterMs ? null : { afterMs, untilMs: newest, lastId: -1 };
}

/**
 * The samples of the next request, and what is left of the batch; `rest` null: nothing is. The source is that of now:
 * a batch may take longer than a scan, and a series that has expired meanwhile has nothing to send any more. Catching up
 * with an hour thus reads each series once, a few series in a turn of the event loop.
 */
export function nextPart(
  source: SeriesSource,
  batch: Batch,
  { passes, processes }: Chosen,
  most = mostSamples,
): { readonly series: readonly FreshSeries[]; readonly rest: Batch | null } {
  const times = source.scanTimes;
  const from = indexNotAfter(times, batch.untilMs);
  const to = indexNotAfter(times, batch.afterMs);
  const series: FreshSeries[] = [];
  let count = 0;
  for (const id of source.index.ids()) {
    if (id <= batch.lastId) continue;
    const labels = source.index.labels(id);
    const kind = source.kind(id);
    if (labels === undefined || kind === undefined) continue;
    if (!passes(labels.metric ?? labels.state ?? '') || (!processes && ofProcess(labels))) continue;
    const samples = read(source, id, from, to);
    if (samples.length === 0) continue;
    series.push({ labels, kind, samples });
    count += samples.length;
    if (count >= most) return { series, rest: { ...batch, lastId: id } };
  }
  return { series, rest: null };
}

/** Times are from newest to oldest. */
function indexNotAfter(times: readonly number[], timeMs: number): number {
  const found = times.findIndex((time) => time <= timeMs);
  return found < 0 ? times.length : found;
}

function read(source: SeriesSource, id: number, from: number, to: number): FreshSeries['samples'] {
  const history = source.floats(id, to) ?? source.history(id, to);
  const samples: (readonly [number, number | bigint])[] = [];
  for (let index = to - 1; index >= from; index--) {
    const value = history[index] ?? null;
    if (value !== null && !Number.isNaN(value)) samples.push([source.scanTimes[index] ?? 0, value]);
  }
  return samples;
}

export const samplesOf = (series: readonly FreshSeries[]): number =>
  series.reduce((sum, { samples }) => sum + samples.length, 0);
