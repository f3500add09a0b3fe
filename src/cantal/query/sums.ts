import type { Budget } from './cost.ts';
import type { Labels, Result, Series } from './dataset.ts';
import { select } from './extract.ts';
import { gathered, groups, kindAfter } from './fold.ts';
import type { Across, Fold, Rule } from './rule.ts';
import type { NumberKind, Sample } from './sample.ts';
import type { SeriesSource } from './source.ts';

/** What the first functions of a rule made of its series, and how many functions those were. */
export interface Summed {
  readonly result: Result;
  readonly functions: number;
}

interface Member {
  readonly id: number;
  readonly key: Labels;
  readonly kind: NumberKind;
}

interface Columns {
  readonly samples: number;
  readonly timestamps: readonly number[];
  readonly derived: boolean;
}

/**
 * A rule that reads history and puts it together, of its values or of their derivative: each series is added to its sum
 * as it is read, so that an hour of a thousand series is never a list. The result is the same as that of extract() and
 * fold(); null where the rule is another, or where plain numbers do not hold what it is about: that is for fold().
 */
export function extractSums(rule: Rule, source: SeriesSource, budget: Budget): Summed | null {
  const { extract } = rule;
  const derived = rule.functions[0]?.kind === 'derivative';
  const join = rule.functions[derived ? 1 : 0];
  const wholeHistory = rule.source === 'Fine' && (extract.kind === 'byNum' || extract.kind === 'byTime');
  if (!wholeHistory || (join?.kind !== 'across' && join?.kind !== 'sumBy')) return null;
  const { ids, samples, timestamps } = select(rule, source, budget);
  const members = ids.map((id): Member => {
    return { id, key: source.index.labels(id) ?? {}, kind: derived ? 'Float' : (source.kind(id) ?? 'Float') };
  });
  const result = joined(join, members, source, { samples, timestamps, derived });
  if (result !== null) return { result, functions: derived ? 2 : 1 };
  budget.samples += ids.length * samples;
  return null;
}

function joined(
  join: Extract<Fold, { readonly kind: 'across' | 'sumBy' }>,
  members: readonly Member[],
  source: SeriesSource,
  columns: Columns,
): Result | null {
  if (join.kind === 'across') {
    const [only] = members;
    if (only === undefined) return { kind: 'series', series: [] };
    // A sum of one is that one.
    const key = members.length === 1 && join.how === 'sum' ? only.key : {};
    const series = joinedSeries(key, members, join.how, source, columns);
    return series === null ? null : { kind: 'series', series: [series] };
  }
  const sums: Result[] = [];
  for (const [key, own] of groups(members, join.labels)) {
    const series = joinedSeries(key, own, join.how, source, columns);
    if (series === null) return null;
    sums.push({ kind: 'series', series: [series] });
  }
  return gathered(sums, join.total);
}

function joinedSeries(
  key: Labels,
  members: readonly Member[],
  how: Across,
  source: SeriesSource,
  { samples, timestamps, derived }: Columns,
): Series | null {
  const kind = members[0]?.kind ?? 'Float';
  if (members.some((member) => member.kind !== kind)) return null;
  const rows = derived ? Math.max(0, timestamps.length - 1) : timestamps.length;
  const seconds = Float64Array.from({ length: rows }, (_, row) => secondsAfter(timestamps, row));
  const steps = new Float64Array(rows);
  const sum: Sum = { values: new Float64Array(rows), there: new Uint32Array(rows) };
  for (const { id } of members) {
    const floats = source.floats(id, samples);
    if (floats === null) return null;
    if (derived && (how === 'sum' || how === 'avg')) {
      if (!addDerivative(sum, floats, seconds)) return null;
    } else if (derived && !derive(floats, seconds, steps)) return null;
    else if (!addTo(sum, derived ? steps : floats, kind, how)) return null;
  }
  const shared = derived ? timestamps.slice(0, -1) : timestamps;
  return { key, kind: kindAfter(kind, how), timestamps: shared, values: samplesOf(sum, how) };
}

const secondsAfter = (timestamps: readonly number[], row: number): number =>
  ((timestamps[row] ?? 0) - (timestamps[row + 1] ?? 0)) / 1000;

/** Growth per second, NaN where there is none; false: of two infinities, whose difference is no missing sample. */
function derive(values: Float64Array, seconds: Float64Array, into: Float64Array): boolean {
  let newer = values[0] ?? Number.NaN;
  for (let row = 0; row < into.length; row++) {
    const older = values[row + 1] ?? Number.NaN;
    const lasted = seconds[row] ?? 0;
    // What is missing is in no order.
    const grew = newer >= older && lasted > 0;
    const step = grew ? (newer - older) / lasted : Number.NaN;
    if (grew && Number.isNaN(step)) return false;
    into[row] = step;
    newer = older;
  }
  return true;
}

/** derive() and addTo() in one pass: what pages ask most. No step is below 0, so that each can be added to nothing. */
function addDerivative({ values, there }: Sum, column: Float64Array, seconds: Float64Array): boolean {
  let newer = column[0] ?? Number.NaN;
  for (let row = 0; row < values.length; row++) {
    const older = column[row + 1] ?? Number.NaN;
    const lasted = seconds[row] ?? 0;
    if (newer >= older && lasted > 0) {
      const step = (newer - older) / lasted;
      if (Number.isNaN(step)) return false;
      values[row] = (values[row] ?? 0) + step;
      there[row] = (there[row] ?? 0) + 1;
    }
    newer = older;
  }
  return true;
}

interface Sum {
  readonly values: Float64Array;
  /** How many of each row's samples are there. */
  readonly there: Uint32Array;
}

/** False: a whole number has left what a plain one holds exactly. */
function addTo({ values, there }: Sum, column: Float64Array, kind: NumberKind, how: Across): boolean {
  const adds = how === 'sum' || how === 'avg';
  const largest = adds && kind !== 'Float' ? Number.MAX_SAFE_INTEGER : Number.POSITIVE_INFINITY;
  for (let row = 0; row < values.length; row++) {
    const sample = column[row] ?? Number.NaN;
    if (Number.isNaN(sample)) continue;
    const before = values[row] ?? 0;
    const count = there[row] ?? 0;
    if (count === 0) values[row] = sample;
    else if (adds) {
      const after = before + sample;
      if (after > largest || after < -largest) return false;
      values[row] = after;
    } else if (how === 'min' ? sample < before : how === 'max' && sample > before) values[row] = sample;
    there[row] = count + 1;
  }
  return true;
}

const samplesOf = ({ values, there }: Sum, how: Across): readonly Sample[] =>
  Array.from(values, (value, row): Sample => {
    const count = there[row] ?? 0;
    if (how === 'count') return count;
    if (count === 0) return null;
    return how === 'avg' ? value / count : value;
  });
