import { type Conflict, datasetName, type Labels, type Result, type Series, type Tip } from './dataset.ts';
import { ownLabel } from './label-index.ts';
import { quantile, step, topK } from './reduce.ts';
import type { Across, Fold } from './rule.ts';
import { add, type NumberKind, type Sample, sameTimes, subtract } from './sample.ts';

/** Applies one function of a rule, but `Ratio`, which needs another rule. Once something is incompatible it stays so. */
export function fold(result: Result, what: Exclude<Fold, { readonly kind: 'ratio' }>): Result {
  if (result.kind === 'incompatible' && what.kind !== 'expect') return result;
  switch (what.kind) {
    case 'derivative':
      return overSeries(result, (series) => ({ kind: 'series', series: series.map(derivative) }));
    case 'rate':
      return overSeries(result, (series) => ({ kind: 'tips', tips: series.map(rate) }));
    case 'across':
      return across(result, what.how);
    case 'sumBy':
      return acrossBy(result, what.how, what.labels, what.total);
    case 'expect':
      return datasetName(result) === what.dataset ? result : incompatible('Unexpected');
    case 'stateChart':
      return stateChart(result, what.top);
    case 'topK':
      return topK(result, what.n);
    case 'quantile':
      return quantile(result, what.q);
    case 'step':
      return step(result, what.ms);
    default:
      return what satisfies never;
  }
}

const incompatible = (conflict: Conflict): Result => ({ kind: 'incompatible', conflict });

function overSeries(result: Result, apply: (series: readonly Series[]) => Result): Result {
  if (result.kind === 'series') return apply(result.series);
  if (result.kind === 'tips' && result.tips.length === 0) return result;
  return incompatible('CantDerive');
}

/** Per second, from each sample to the one before it; null where either is missing or the value fell. */
export function derivative({ key, values, timestamps }: Series): Series {
  return {
    key,
    kind: 'Float',
    timestamps: timestamps.slice(0, -1),
    values: values.slice(0, -1).map((newer, index) => {
      const older = values[index + 1] ?? null;
      const seconds = ((timestamps[index] ?? 0) - (timestamps[index + 1] ?? 0)) / 1000;
      return newer === null || older === null || newer < older || seconds <= 0 ? null : growth(newer, older) / seconds;
    }),
  };
}

const growth = (newer: number | bigint, older: number | bigint): number =>
  typeof newer === 'bigint' || typeof older === 'bigint'
    ? Number(subtract(newer, older, Number.isInteger(Number(newer)) ? 'Integer' : 'Float'))
    : newer - older;

export function rate({ key, values, timestamps }: Series): Tip {
  const there = timestamps.filter((_, index) => (values[index] ?? null) !== null);
  const newest = there[0] ?? timestamps[0] ?? 0;
  return {
    key,
    value: { kind: 'Float', value: meanGrowth(values, timestamps) },
    span: [newest, there.at(-1) ?? newest],
  };
}

/**
 * Mean growth per second, from newest to oldest; steps over a reset count neither in value nor in time, and of a missing
 * sample the next one that is there stands for it. Null where there is no step.
 */
export function meanGrowth(values: readonly Sample[], timestamps: readonly number[]): number | null {
  let grown = 0;
  let ms = 0;
  let newer: number | bigint | null = null;
  let newerTime = 0;
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    const time = timestamps[index] ?? 0;
    if (newer !== null && newer >= value) {
      grown += growth(newer, value);
      ms += newerTime - time;
    }
    newer = value;
    newerTime = time;
  }
  return ms > 0 ? (grown * 1000) / ms : null;
}

function across(result: Result, how: Across): Result {
  switch (result.kind) {
    case 'incompatible':
      return result;
    case 'chart':
      return incompatible('CantSumChart');
    case 'series':
      return joinSeries(result.series, {}, how);
    case 'tips':
      return joinTips(result.tips, {}, how);
    default:
      return result satisfies never;
  }
}

function joinSeries(series: readonly Series[], key: Labels, how: Across): Result {
  const [first, ...others] = series;
  if (first === undefined) return { kind: 'series', series: [] };
  if (others.length === 0 && how === 'sum') return { kind: 'series', series };
  if (others.some(({ kind }) => kind !== first.kind)) return incompatible('Dissimilar');
  if (others.some(({ timestamps }) => !sameTimes(timestamps, first.timestamps)))
    return incompatible('CantSumTimestamps');
  const columns = series.map(({ values }) => values);
  const values =
    first.kind === 'Float'
      ? combineFloats(columns, first.timestamps.length, how)
      : first.timestamps.map((_, index) => combine(columns, index, first.kind, how));
  return { kind: 'series', series: [{ key, kind: kindAfter(first.kind, how), timestamps: first.timestamps, values }] };
}

function joinTips(tips: readonly Tip[], key: Labels, how: Across): Result {
  const [first, ...others] = tips;
  if (first === undefined) return { kind: 'tips', tips: [] };
  const { kind } = first.value;
  if (kind === 'State' || others.some(({ value }) => value.kind === 'State')) return incompatible('CantSumStates');
  if (others.length === 0 && how === 'sum') return { kind: 'tips', tips };
  if (others.some(({ value }) => value.kind !== kind)) return incompatible('Dissimilar');
  const columns = tips.map(({ value }) => [value.kind === 'State' ? null : value.value]);
  return {
    kind: 'tips',
    tips: [
      {
        key,
        value: { kind: kindAfter(kind, how), value: combine(columns, 0, kind, how) },
        // Differences may reach back unequally far: the span covers them all.
        span: [Math.max(...tips.map(({ span }) => span[0])), Math.min(...tips.map(({ span }) => span[1]))],
      },
    ],
  };
}

export function kindAfter(kind: NumberKind, how: Across): NumberKind {
  switch (how) {
    case 'sum':
    case 'min':
    case 'max':
      return kind;
    case 'avg':
      return 'Float';
    case 'count':
      return 'Integer';
    default:
      return how satisfies never;
  }
}

/**
 * One row across all columns. Missing samples are ignored; where all are missing, so is what they make. Only a count
 * then is 0. One pass and no list per row: a query may have two million samples.
 */
function combine(columns: readonly (readonly Sample[])[], row: number, kind: NumberKind, how: Across): Sample {
  let there = 0;
  let joined: number | bigint | null = null;
  for (const column of columns) {
    const sample = column[row] ?? null;
    if (sample === null) continue;
    there += 1;
    joined = joined === null ? sample : join(joined, sample, kind, how);
  }
  if (how === 'count') return there;
  return how === 'avg' && joined !== null ? Number(joined) / there : joined;
}

/** The same for all rows of floats, column by column: each is read as it lies in memory. */
function combineFloats(columns: readonly (readonly Sample[])[], rows: number, how: Across): readonly Sample[] {
  const joined = new Float64Array(rows);
  const there = new Uint32Array(rows);
  for (const column of columns) {
    for (let row = 0; row < rows; row++) {
      const sample = column[row];
      if (typeof sample !== 'number') continue;
      const before = joined[row] ?? 0;
      if (there[row] === 0) joined[row] = sample;
      else if (how === 'sum' || how === 'avg') joined[row] = before + sample;
      else if (how === 'min' ? sample < before : how === 'max' && sample > before) joined[row] = sample;
      there[row] = (there[row] ?? 0) + 1;
    }
  }
  return Array.from(joined, (value, row): Sample => {
    const count = there[row] ?? 0;
    if (how === 'count') return count;
    if (count === 0) return null;
    return how === 'avg' ? value / count : value;
  });
}

function join(a: number | bigint, b: number | bigint, kind: NumberKind, how: Across): number | bigint {
  switch (how) {
    case 'sum':
    case 'avg':
      return add(a, b, kind);
    case 'min':
      return b < a ? b : a;
    case 'max':
      return b > a ? b : a;
    case 'count':
      return a;
    default:
      return how satisfies never;
  }
}

function acrossBy(result: Result, how: Across, labels: readonly string[], total: boolean): Result {
  switch (result.kind) {
    case 'incompatible':
      return result;
    case 'chart':
      return incompatible('CantSumChart');
    case 'series': {
      const sums = groups(result.series, labels).map(([key, series]) => rekeyed(joinSeries(series, key, how), key));
      return gathered(sums, total);
    }
    case 'tips': {
      const sums = groups(result.tips, labels).map(([key, tips]) => rekeyed(joinTips(tips, key, how), key));
      return gathered(sums, total);
    }
    default:
      return result satisfies never;
  }
}

/** By the values of all `labels`; what lacks one of them is dropped. */
export function groups<T extends { readonly key: Labels }>(
  all: readonly T[],
  labels: readonly string[],
): readonly (readonly [key: Labels, members: readonly T[]])[] {
  const found = new Map<string, readonly [Labels, T[]]>();
  for (const each of all) {
    const pairs = labels.map((label) => [label, ownLabel(each.key, label)] as const);
    if (pairs.some(([, value]) => value === undefined)) continue;
    const name = JSON.stringify(pairs);
    const group = found.get(name);
    if (group === undefined) found.set(name, [Object.fromEntries(pairs) as Labels, [each]]);
    else group[1].push(each);
  }
  return [...found.values()];
}

/** A group of one passes unchanged, but is still the group. */
function rekeyed(result: Result, key: Labels): Result {
  switch (result.kind) {
    case 'series':
      return { kind: 'series', series: result.series.map((series) => ({ ...series, key })) };
    case 'tips':
      return { kind: 'tips', tips: result.tips.map((tip) => ({ ...tip, key })) };
    default:
      return result;
  }
}

/** The groups as one result, with their total behind them where there are several and it is asked for. */
export function gathered(sums: readonly Result[], total: boolean): Result {
  const broken = sums.find(({ kind }) => kind === 'incompatible');
  if (broken !== undefined) return broken;
  const series = sums.flatMap((sum) => (sum.kind === 'series' ? sum.series : []));
  const tips = sums.flatMap((sum) => (sum.kind === 'tips' ? sum.tips : []));
  const groupsOnly: Result = tips.length > 0 ? { kind: 'tips', tips } : { kind: 'series', series };
  if (!total || sums.length < 2) return groupsOnly;
  const whole = across(groupsOnly, 'sum');
  if (whole.kind === 'series') return { kind: 'series', series: [...series, ...whole.series] };
  if (whole.kind === 'tips') return { kind: 'tips', tips: [...tips, ...whole.tips] };
  return whole;
}

/** How often each state text occurs, the most frequent first; states that were left do not count. */
function stateChart(result: Result, top: number): Result {
  if (result.kind !== 'tips' || result.tips.some(({ value }) => value.kind !== 'State'))
    return incompatible('Unexpected');
  const counts = new Map<string, number>();
  for (const { value } of result.tips) {
    if (value.kind === 'State' && value.since !== 0) counts.set(value.text, (counts.get(value.text) ?? 0) + 1);
  }
  const ordered = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return { kind: 'chart', counts: new Map(ordered.slice(0, top)) };
}
