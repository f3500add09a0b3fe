import type { Labels } from '../query/dataset.ts';
import type { NumberKind } from '../query/sample.ts';
import { type Family, familyOf, labelsOf } from './name.ts';

export interface NamedSeries<T> {
  readonly of: T;
  /** Of the family: `cantal_cpu_user`. */
  readonly family: string;
  /** Ours: `cpu.user`. */
  readonly original: string;
  readonly type: 'counter' | 'gauge';
  /** Without the name. */
  readonly pairs: readonly (readonly [label: string, value: string])[];
}

/** What a sample is called: that of a counter has `_total` behind it. */
export const sampleName = (family: string, type: NamedSeries<unknown>['type']): string =>
  type === 'counter' ? `${family}_total` : family;

interface Known {
  readonly counts: boolean;
  readonly family: Family;
  readonly pairs: NamedSeries<unknown>['pairs'];
}

/** Labels of a series stay one object for as long as it lives, and their names take most of the work. */
const known = new WeakMap<Labels, Known>();

function nameOf(labels: Labels, counts: boolean): Known {
  const before = known.get(labels);
  if (before?.counts === counts) return before;
  const made = { counts, family: familyOf(labels, counts), pairs: labelsOf(labels) };
  known.set(labels, made);
  return made;
}

/**
 * Names of all series together, because they must not meet: a family has one type, so a gauge that is called like a
 * counter gives way; and of names that Prometheus cannot tell apart all but the first by the alphabet bring their own
 * along as the label `original`.
 */
export function nameAll<T extends { readonly labels: Labels; readonly kind: NumberKind | 'State' }>(
  all: readonly T[],
): readonly NamedSeries<T>[] {
  const counters = new Set<string>();
  const plain = all.map((of) => {
    const counts = of.kind === 'Counter';
    const { family, pairs } = nameOf(of.labels, counts);
    if (counts) counters.add(family.name);
    return { of, counts, family, pairs };
  });
  const first = new Map<string, string>();
  const named = plain.map(({ of, counts, family: { name, original }, pairs }) => {
    const family = !counts && counters.has(name) ? `${name}_gauge` : name;
    const before = first.get(family);
    if (before === undefined || original < before) first.set(family, original);
    return { of, family, original, type: counts ? ('counter' as const) : ('gauge' as const), pairs };
  });
  return named.map((each) =>
    each.original === first.get(each.family) ? each : { ...each, pairs: withOriginal(each.pairs, each.original) },
  );
}

function withOriginal(pairs: NamedSeries<unknown>['pairs'], original: string): NamedSeries<unknown>['pairs'] {
  // One that is called so already is somebody's own label; it is told apart by its value.
  const free = pairs.some(([label]) => label === 'original') ? 'original_name' : 'original';
  return [...pairs, [free, original] as const];
}
