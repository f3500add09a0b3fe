import type { Labels } from '../query/dataset.ts';

/** What Prometheus calls a series: Prometheus data model, "Metric names and labels". */
export interface Family {
  /** `[a-z_][a-z0-9_]*`, snake case; without the `_total` of counters. */
  readonly name: string;
  /** Ours, as `memory.MemFree`. */
  readonly original: string;
}

const prefix = 'cantal_';
/** Numbers of bytes that do not say so in their name; a gauge may not end in `_total` either (MemTotal). */
const inBytes =
  /^(memory\.(?!HugePages_)|cgroup\.memory\.(current|peak|max|high|working_set)$|cgroup\.swap\.|processes\.(vsize|rss|swap)$)/;
/** Of histograms and summaries alone. */
const reservedLabels: ReadonlySet<string> = new Set(['le', 'quantile']);

/** The family of a series by its labels `metric` and `state`, which say what it is in our own terms. */
export function familyOf(labels: Labels, counts: boolean): Family {
  const { metric, state } = labels;
  const original = metric ?? (state === undefined ? '' : 'state_since_seconds');
  const plain = prefix + (snakeCase(original) || 'unnamed');
  const name = inBytes.test(original) ? `${plain}_bytes` : plain;
  if (counts) return { name: name.replace(/_total$/, ''), original };
  return { name: name.endsWith('_total') ? `${name}_value` : name, original };
}

/** All labels but `metric`, under names that Prometheus takes, sorted. Two that become the same stay apart by a number. */
export function labelsOf(labels: Labels): readonly (readonly [name: string, value: string])[] {
  const named = new Map<string, string>();
  for (const [label, value] of Object.entries(labels)) {
    if (label === 'metric') continue;
    const snake = snakeCase(label) || 'unnamed';
    const safe = reservedLabels.has(snake) || /^\d/.test(snake) ? `label_${snake}` : snake;
    let name = safe;
    for (let number = 2; named.has(name); number++) name = `${safe}_${number}`;
    named.set(name, value);
  }
  return [...named].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * `net.TcpExt.TCPOFOQueue` → `net_tcp_ext_tcpofo_queue`. A single capital stays with its word (`SReclaimable`,
 * `DirectMap2M`): alone it would pass for a unit.
 */
function snakeCase(text: string): string {
  return text
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]{2,})([A-Z][a-z])/g, '$1_$2')
    .replace(/\bSec_/g, 'Secondary_')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
}
