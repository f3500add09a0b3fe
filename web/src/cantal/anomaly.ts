import { type Labels, lineId } from './answer.ts';

/** A series that does not do what it did in its hour. */
export interface Anomaly {
  readonly labels: Labels;
  /** Distance from its mean in standard deviations; below 0: less than usual. */
  readonly score: number;
  /** ms since the epoch */
  readonly since: number;
}

/** GET /v1/anomalies: the oddest first. */
export interface Anomalies {
  readonly timestamp: number;
  readonly anomalies: readonly Anomaly[];
}

/** This one series in the explorer; the list below it has those of the same name. */
export function exploreHref({ labels }: Anomaly): string {
  const name = (labels.metric ?? '').replace(/[^\w\s]/g, '\\$&');
  return `/local/metrics?${new URLSearchParams({ q: `^${name}$`, pick: lineId(labels) })}`;
}

/** "14 σ less": how far it is from what it mostly was, and to which side. */
export function scoreWords(score: number): string {
  const size = Math.abs(score);
  return `${size >= 1000 ? 'over 1000' : Math.round(size)} σ ${score < 0 ? 'less' : 'more'}`;
}
