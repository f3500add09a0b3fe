import type { Conflict, Labels, Result } from './dataset.ts';
import { type Sample, sameTimes } from './sample.ts';

/**
 * One rule's result divided by another's, float by float; null where either is missing or the divisor is 0. A single
 * divisor goes for all, several are found by the same key: what has no partner is left out. The keys are those of the
 * dividend.
 */
export function ratio(dividend: Result, divisor: Result): Result {
  if (dividend.kind === 'incompatible') return dividend;
  if (divisor.kind === 'incompatible') return divisor;
  if (dividend.kind === 'chart' || divisor.kind === 'chart') return incompatible('CantSumChart');
  if (dividend.kind === 'series' && divisor.kind === 'series') {
    const pairs = paired(dividend.series, divisor.series);
    if (pairs.some(([above, below]) => !sameTimes(above.timestamps, below.timestamps)))
      return incompatible('CantSumTimestamps');
    const series = pairs.map(([above, below]) => ({
      key: above.key,
      kind: 'Float' as const,
      timestamps: above.timestamps,
      values: above.values.map((value, row) => quotient(value, below.values[row] ?? null)),
    }));
    return { kind: 'series', series };
  }
  if (dividend.kind === 'tips' && divisor.kind === 'tips') {
    if ([...dividend.tips, ...divisor.tips].some(({ value }) => value.kind === 'State'))
      return incompatible('CantSumStates');
    const tips = paired(dividend.tips, divisor.tips).map(([above, below]) => ({
      key: above.key,
      value: { kind: 'Float' as const, value: quotient(numberOf(above.value), numberOf(below.value)) },
      span: [Math.max(above.span[0], below.span[0]), Math.min(above.span[1], below.span[1])] as const,
    }));
    return { kind: 'tips', tips };
  }
  // Nothing is both no series and no tips.
  if (isEmpty(dividend) || isEmpty(divisor)) return { kind: 'series', series: [] };
  return incompatible('Dissimilar');
}

const incompatible = (conflict: Conflict): Result => ({ kind: 'incompatible', conflict });

const isEmpty = (result: Result): boolean =>
  (result.kind === 'series' && result.series.length === 0) || (result.kind === 'tips' && result.tips.length === 0);

const numberOf = (value: { readonly kind: string; readonly value?: Sample }): Sample => value.value ?? null;

function quotient(above: Sample, below: Sample): number | null {
  if (above === null || below === null || Number(below) === 0) return null;
  const value = Number(above) / Number(below);
  return Number.isNaN(value) ? null : value;
}

function paired<T extends { readonly key: Labels }>(
  above: readonly T[],
  below: readonly T[],
): readonly (readonly [T, T])[] {
  const [only, ...others] = below;
  if (only === undefined) return [];
  if (others.length === 0) return above.map((each) => [each, only] as const);
  const byKey = new Map(below.map((each) => [nameOf(each.key), each]));
  return above.flatMap((each) => {
    const partner = byKey.get(nameOf(each.key));
    return partner === undefined ? [] : [[each, partner] as const];
  });
}

const nameOf = (key: Labels): string => JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));
