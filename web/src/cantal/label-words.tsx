import type { Labels } from './answer.ts';
import { shownName } from './cgroup-name.ts';

export const labelText = (labels: Labels, without: readonly string[] = []): string =>
  Object.entries(labels)
    .filter(([label]) => !without.includes(label))
    .map(([label, value]) => `${label}=${value}`)
    .join(' ');

/** Labels as a person reads them. */
export const shownLabels = (labels: Labels, without: readonly string[] = []): string =>
  labelText(labels.cgroup === undefined ? labels : { ...labels, cgroup: shownName(labels.cgroup) }, without);

/** The text that the search takes is the title. */
export function LabelWords({ labels, without }: { labels: Labels; without: readonly string[] }) {
  return <span title={labelText(labels, without)}>{shownLabels(labels, without)}</span>;
}
