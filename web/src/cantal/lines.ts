import type { Table } from './answer.ts';
import type { ChartLine } from './chart.tsx';

/** Lines called by their metric, without what `cut` fits; in the order of their names. */
export function byMetric(table: Table, cut: RegExp, passes = /./): ChartLine[] {
  return table.lines
    .filter(({ labels }) => passes.test(labels.metric ?? ''))
    .map(({ labels, values }) => ({ label: (labels.metric ?? '').replace(cut, ''), column: values }))
    .sort((a, b) => (a.label < b.label ? -1 : 1));
}

/** Microseconds in a second as percent of it. */
export const asPercent = (column: readonly (number | null)[]): readonly (number | null)[] =>
  column.map((micros) => (micros === null ? null : micros / 10_000));
