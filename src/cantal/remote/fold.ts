import type { Conflict, Dataset, Labels, Result, Series, SeriesJson } from '../query/dataset.ts';
import { ownLabel } from '../query/label-index.ts';
import type { Checked } from '../query/rule.ts';
import type { Sample } from '../query/sample.ts';

/**
 * Sums over hosts: each host makes of a rule's series the few numbers per bucket of time that the sum needs (its part),
 * and who asked folds the parts. Buckets are of the wall clock, the same on all hosts, as far as their clocks agree.
 */
export interface FoldSpec {
  /** Length of a bucket, ms. */
  readonly step: number;
  readonly across: Across;
  /** Labels of series and hosts (`host`: the host's name) whose values are kept apart. */
  readonly by: readonly string[];
}

export type Across =
  | { readonly how: 'Sum' | 'Avg' | 'Min' | 'Max' | 'Count' }
  /** Over hosts, each with the sum of its series. */
  | { readonly how: 'Quantile'; readonly q: number };

/** What a host tells of one rule. Lists of values are newest first, from the bucket `newest` on; null = nothing there. */
export type Part =
  | {
      readonly kind: 'series';
      /** Number of the bucket: its start in ms divided by `step`. */
      readonly newest: number;
      readonly groups: readonly Group[];
    }
  | { readonly kind: 'tips'; readonly span: readonly [number, number]; readonly groups: readonly Group[] }
  | { readonly kind: 'incompatible'; readonly conflict: string };

export interface Group {
  readonly key: Labels;
  /** Sum, least or largest, by `across`: of the means of the series in a bucket; the number of series for Count. */
  readonly values: readonly (number | null)[];
  /** For Avg: how many series there were in it. */
  readonly counts: readonly number[] | null;
}

/** A part is at most this many numbers: half a megabyte. */
export const mostNumbers = 50_000;
/** Nobody looks at more points, and an hour in steps of 10 s has 360. */
export const mostBuckets = 2_000;
const leastStepMs = 100;
const longestStepMs = 24 * 3_600_000;
/** Digits of what travels: more than any sum of rates is good for, and half the bytes. */
const digits = 9;

export function checkFold(value: unknown): Checked<FoldSpec> {
  const bad = (path: string, reason: string): Checked<FoldSpec> => ({ kind: 'bad', path: `fold${path}`, reason });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return bad('', 'an object {"step": MS, "across": "Sum", "by": [LABEL]}');
  }
  const { step, across = 'Sum', by = [], ...others } = value as Readonly<Record<string, unknown>>;
  const strange = Object.keys(others)[0];
  if (strange !== undefined) return bad(`.${strange}`, 'not known here; known: step, across, by');
  if (typeof step !== 'number' || !Number.isInteger(step) || step < leastStepMs || step > longestStepMs) {
    return bad('.step', `a whole number of milliseconds from ${leastStepMs} to ${longestStepMs}`);
  }
  const labels = typeof by === 'string' ? [by] : by;
  if (!Array.isArray(labels) || labels.length > 8 || labels.some((label) => typeof label !== 'string')) {
    return bad('.by', 'a label, or a list of at most eight');
  }
  const known = acrossOf(across);
  if (known === null) return bad('.across', '"Sum", "Avg", "Min", "Max", "Count" or ["Quantile", 0…1]');
  return { kind: 'ok', value: { step, across: known, by: labels as readonly string[] } };
}

function acrossOf(value: unknown): Across | null {
  if (Array.isArray(value)) {
    const [name, q, ...rest] = value as readonly unknown[];
    if (rest.length === 0 && name === 'Quantile') {
      return typeof q === 'number' && q >= 0 && q <= 1 ? { how: 'Quantile', q } : null;
    }
    return rest.length === 0 && q === undefined ? acrossOf(name) : null;
  }
  const how = (['Sum', 'Avg', 'Min', 'Max', 'Count'] as const).find((each) => each === value);
  return how === undefined ? null : { how };
}

/** The host's part; text: why it has none. */
export function partOf(result: Result, spec: FoldSpec, host: Labels): Part | string {
  switch (result.kind) {
    case 'incompatible':
      return { kind: 'incompatible', conflict: result.conflict };
    case 'chart':
      return { kind: 'incompatible', conflict: 'CantSumChart' satisfies Conflict };
    case 'tips': {
      const columns: Column[] = [];
      for (const { key, value } of result.tips) {
        if (value.kind === 'State') return { kind: 'incompatible', conflict: 'CantSumStates' satisfies Conflict };
        columns.push({ key, buckets: [value.value === null ? null : mean([value.value])] });
      }
      const spans = result.tips.map(({ span }) => span);
      const span = [
        spans.reduce((newest, [time]) => Math.max(newest, time), 0),
        spans.reduce((oldest, [, time]) => Math.min(oldest, time), Number.MAX_SAFE_INTEGER),
      ] as const;
      const groups = grouped(columns, spec, host);
      return typeof groups === 'string' ? groups : { kind: 'tips', span: spans.length === 0 ? [0, 0] : span, groups };
    }
    case 'series': {
      const newest = result.series.reduce((max, { timestamps }) => Math.max(max, timestamps[0] ?? 0), 0);
      const top = Math.floor(newest / spec.step);
      const columns = result.series.map(
        (series): Column => ({ key: series.key, buckets: bucketsOf(series, spec.step, top) }),
      );
      if (columns.some(({ buckets }) => buckets.length > mostBuckets)) {
        return `more than ${mostBuckets} buckets: make the step longer or the time shorter`;
      }
      const groups = grouped(columns, spec, host);
      return typeof groups === 'string' ? groups : { kind: 'series', newest: top, groups };
    }
    default:
      return result satisfies never;
  }
}

interface Bucket {
  readonly mean: number;
  readonly least: number;
  readonly largest: number;
}

interface Column {
  readonly key: Labels;
  /** Newest first. */
  readonly buckets: readonly (Bucket | null)[];
}

function bucketsOf({ timestamps, values }: Series, step: number, top: number): readonly (Bucket | null)[] {
  const lists: number[][] = [];
  for (const [row, time] of timestamps.entries()) {
    const index = top - Math.floor(time / step);
    // Beyond what is answered at all only the length counts.
    if (index > mostBuckets) return Array.from({ length: index + 1 }, () => null);
    while (lists.length <= index) lists.push([]);
    const value = values[row] ?? null;
    if (value !== null) lists[index]?.push(Number(value));
  }
  return lists.map(mean);
}

function mean(samples: readonly Exclude<Sample, null>[]): Bucket | null {
  if (samples.length === 0) return null;
  let sum = 0;
  let least = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for (const sample of samples) {
    const value = Number(sample);
    sum += value;
    if (value < least) least = value;
    if (value > largest) largest = value;
  }
  return { mean: sum / samples.length, least, largest };
}

function grouped(columns: readonly Column[], { across, by }: FoldSpec, host: Labels): readonly Group[] | string {
  const groups = new Map<string, { readonly key: Labels; readonly columns: Column[] }>();
  for (const column of columns) {
    const labels: Labels = { ...host, ...column.key, ...(host.host === undefined ? {} : { host: host.host }) };
    const pairs = by.map((label) => [label, ownLabel(labels, label)] as const);
    if (pairs.some(([, value]) => value === undefined)) continue;
    const name = JSON.stringify(pairs);
    const group = groups.get(name) ?? { key: Object.fromEntries(pairs) as Labels, columns: [] };
    groups.set(name, group);
    group.columns.push(column);
  }
  const made = [...groups.values()].map(({ key, columns: members }): Group => {
    const length = members.reduce((longest, { buckets }) => Math.max(longest, buckets.length), 0);
    const rows = Array.from({ length }, (_, row) => members.flatMap(({ buckets }) => buckets[row] ?? []));
    return {
      key,
      values: rows.map((row) => joined(row, across.how)),
      counts: across.how === 'Avg' ? rows.map((row) => row.length) : null,
    };
  });
  const numbers = made.reduce((sum, { values, counts }) => sum + values.length + (counts?.length ?? 0), 0);
  return numbers > mostNumbers
    ? `${made.length} groups with ${numbers} numbers are more than the ${mostNumbers} of one host: group by less, or make the step longer`
    : made;
}

function joined(row: readonly Bucket[], how: Across['how']): number | null {
  if (row.length === 0) return null;
  switch (how) {
    case 'Sum':
    case 'Avg':
    case 'Quantile':
      return rounded(row.reduce((sum, { mean: value }) => sum + value, 0));
    case 'Min':
      return rounded(row.reduce((least, bucket) => Math.min(least, bucket.least), Number.POSITIVE_INFINITY));
    case 'Max':
      return rounded(row.reduce((largest, bucket) => Math.max(largest, bucket.largest), Number.NEGATIVE_INFINITY));
    case 'Count':
      return row.length;
    default:
      return how satisfies never;
  }
}

/** JSON has no infinities. */
const rounded = (value: number): number | null => (Number.isFinite(value) ? Number(value.toPrecision(digits)) : null);

export interface Folded {
  readonly dataset: Dataset;
  /** How many hosts had something in each bucket of the dataset, newest first. */
  readonly hosts: readonly number[];
}

/** The parts of all hosts as one. */
export function foldParts(parts: readonly Part[], { step, across }: FoldSpec, nowMs: number): Folded {
  const conflict = parts.find((part) => part.kind === 'incompatible');
  if (conflict?.kind === 'incompatible') {
    return { dataset: ['Incompatible', conflict.conflict as Conflict], hosts: [] };
  }
  const series = parts.flatMap((part) => (part.kind === 'series' && part.groups.length > 0 ? [part] : []));
  const tips = parts.flatMap((part) => (part.kind === 'tips' && part.groups.length > 0 ? [part] : []));
  if (series.length > 0 && tips.length > 0) return { dataset: ['Incompatible', 'Dissimilar'], hosts: [] };
  if (tips.length > 0) return foldTips(tips, across);
  if (series.length === 0) return { dataset: ['Empty'], hosts: [] };
  // A host whose clock is ahead must not push the others out: what is from the future is left out.
  const latest = Math.floor(nowMs / step) + 1;
  const newest = series.reduce((max, part) => Math.max(max, Math.min(part.newest, latest)), 0);
  const rows = Math.min(
    mostBuckets * 2,
    series.reduce((most, part) => Math.max(most, newest - part.newest + longest(part.groups)), 0),
  );
  const timestamps = Array.from({ length: rows }, (_, row) => (newest - row) * step);
  const offsets = series.map((part) => ({ groups: part.groups, offset: newest - part.newest }));
  const hosts = timestamps.map(
    (_, row) =>
      offsets.filter(({ groups, offset }) => groups.some(({ values }) => (values[row - offset] ?? null) !== null))
        .length,
  );
  const all = union(offsets).map(([key, members]): SeriesJson => {
    const values = timestamps.map((_, row) =>
      across.how === 'Count' ? (fold(members, row, across) ?? 0) : fold(members, row, across),
    );
    return [key, [across.how === 'Count' ? 'Integer' : 'Float', values], timestamps];
  });
  const [only] = all;
  return { dataset: all.length === 1 && only !== undefined ? ['SingleSeries', ...only] : ['MultiSeries', all], hosts };
}

function foldTips(parts: readonly Extract<Part, { kind: 'tips' }>[], across: Across): Folded {
  const span = [
    parts.reduce((newest, part) => Math.max(newest, part.span[0]), 0),
    parts.reduce((oldest, part) => Math.min(oldest, part.span[1]), Number.MAX_SAFE_INTEGER),
  ] as const;
  const all = union(parts.map(({ groups }) => ({ groups, offset: 0 }))).map(([key, members]) => {
    const value = fold(members, 0, across);
    return [key, [across.how === 'Count' ? 'Integer' : 'Float', value], span] as const;
  });
  const [only] = all;
  const dataset: Dataset = all.length === 1 && only !== undefined ? ['SingleTip', ...only] : ['MultiTip', all];
  return { dataset, hosts: [parts.length] };
}

const longest = (groups: readonly Group[]): number =>
  groups.reduce((most, { values }) => Math.max(most, values.length), 0);

interface Member {
  readonly group: Group;
  readonly offset: number;
}

function union(
  parts: readonly { readonly groups: readonly Group[]; readonly offset: number }[],
): readonly (readonly [Labels, readonly Member[]])[] {
  const groups = new Map<string, readonly [Labels, Member[]]>();
  for (const { groups: own, offset } of parts) {
    for (const group of own) {
      const name = JSON.stringify(Object.entries(group.key).sort(([a], [b]) => (a < b ? -1 : 1)));
      const known = groups.get(name);
      if (known === undefined) groups.set(name, [group.key, [{ group, offset }]]);
      else known[1].push({ group, offset });
    }
  }
  return [...groups.values()];
}

function fold(members: readonly Member[], row: number, across: Across): number | null {
  const there = members.flatMap(({ group, offset }) => group.values[row - offset] ?? []);
  if (there.length === 0) return null;
  switch (across.how) {
    case 'Sum':
    case 'Count':
      return rounded(there.reduce((sum, value) => sum + value, 0));
    case 'Min':
      return there.reduce((least, value) => Math.min(least, value));
    case 'Max':
      return there.reduce((largest, value) => Math.max(largest, value));
    case 'Avg': {
      const sum = there.reduce((total, value) => total + value, 0);
      const count = members.reduce((total, { group, offset }) => total + (group.counts?.[row - offset] ?? 0), 0);
      return count === 0 ? null : rounded(sum / count);
    }
    case 'Quantile': {
      const sorted = there.sort((a, b) => a - b);
      const rank = across.q * (sorted.length - 1);
      const below = sorted[Math.floor(rank)] ?? 0;
      const above = sorted[Math.ceil(rank)] ?? 0;
      return rounded(below + (above - below) * (rank - Math.floor(rank)));
    }
    default:
      return across satisfies never;
  }
}

/** A part that came from a peer; null where it is none, or more than one may be. */
export function readPart(value: unknown): Part | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, newest, span, groups, conflict } = value as Readonly<Record<string, unknown>>;
  if (kind === 'incompatible') return typeof conflict === 'string' ? { kind, conflict: conflict.slice(0, 100) } : null;
  if (!Array.isArray(groups)) return null;
  let numbers = 0;
  const read: Group[] = [];
  for (const each of groups as readonly unknown[]) {
    const group = readGroup(each);
    if (group === null || group.values.length > mostBuckets) return null;
    numbers += group.values.length + (group.counts?.length ?? 0);
    if (numbers > mostNumbers) return null;
    read.push(group);
  }
  if (kind === 'series') {
    return Number.isSafeInteger(newest) && (newest as number) >= 0
      ? { kind, newest: newest as number, groups: read }
      : null;
  }
  if (kind !== 'tips' || !Array.isArray(span) || span.length !== 2 || !span.every(Number.isFinite)) return null;
  return { kind, span: [Number(span[0]), Number(span[1])], groups: read };
}

function readGroup(value: unknown): Group | null {
  if (typeof value !== 'object' || value === null) return null;
  const { key, values, counts } = value as Readonly<Record<string, unknown>>;
  if (typeof key !== 'object' || key === null || !Object.values(key).every((text) => typeof text === 'string'))
    return null;
  if (!Array.isArray(values) || !values.every((each) => each === null || Number.isFinite(each))) return null;
  if (counts !== null && (!Array.isArray(counts) || !counts.every((each) => Number.isSafeInteger(each) && each >= 0))) {
    return null;
  }
  return { key: key as Labels, values: values as (number | null)[], counts: counts as number[] | null };
}
