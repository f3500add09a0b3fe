import type { MetricTip } from '../shell.ts';
import { nameAll, sampleName } from './named.ts';

export type Format = 'openmetrics' | 'text';

/** OpenMetrics 1.0 for whoever asks for it, else the text format 0.0.4 that everybody reads. */
export function formatFor(accept: string): Format {
  return /application\/openmetrics-text/i.test(accept) ? 'openmetrics' : 'text';
}

export const contentTypes: Readonly<Record<Format, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  text: 'text/plain; version=0.0.4; charset=utf-8',
};

interface FamilyLines {
  readonly type: 'counter' | 'gauge';
  /** The first by the alphabet of those that became this family. */
  original: string;
  /** `{labels}` → value; the key keeps out what would be the same sample twice. */
  readonly samples: Map<string, string>;
}

/**
 * Values as Prometheus scrapes them: families in the order of their names, no time stamps (a scrape is "now"), counters
 * with `_total`. A state becomes the second in which it was entered.
 */
export function exposition(metrics: readonly MetricTip[], format: Format): string {
  const families = new Map<string, FamilyLines>();
  for (const { of, family, original, type, pairs } of nameAll(metrics.flatMap(numbered))) {
    const known = families.get(family);
    const lines = known ?? { type, original, samples: new Map() };
    if (known === undefined) families.set(family, lines);
    else if (original < known.original) known.original = original;
    lines.samples.set(labelText(pairs), of.number);
  }
  const text = [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([family, { type, original, samples }]) => {
      const sample = sampleName(family, type);
      const head = format === 'openmetrics' ? family : sample;
      let lines = '';
      for (const [labels, number] of samples) lines += `${sample}${labels} ${number}\n`;
      return `# HELP ${head} ${helpText(helpOf(original, type), format)}\n# TYPE ${head} ${type}\n${lines}`;
    })
    .join('');
  return format === 'openmetrics' ? `${text}# EOF\n` : text;
}

interface Numbered {
  readonly labels: MetricTip['labels'];
  readonly kind: MetricTip['value'][0];
  readonly number: string;
}

/** What is missing has no sample. */
function numbered({ labels, value }: MetricTip): readonly Numbered[] {
  const [kind, content] = value;
  if (kind === 'State') return [{ labels, kind, number: String(content[0] / 1000) }];
  return content === null ? [] : [{ labels, kind, number: numberText(content) }];
}

/** The same list of labels at each scrape: its text is made once. */
const labelTexts = new WeakMap<object, string>();

function labelText(pairs: readonly (readonly [label: string, value: string])[]): string {
  const known = labelTexts.get(pairs);
  if (known !== undefined) return known;
  const text = pairs.length === 0 ? '' : `{${pairs.map(([label, value]) => `${label}="${escaped(value)}"`).join(',')}}`;
  labelTexts.set(pairs, text);
  return text;
}

/** What the numbers are, where the name does not say it (spec cantal 4). */
const units: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/^cpu\.(?!ctxt|forks)|^(user|system)_time$/, 'clock ticks, 100 per second'],
  [/^psi\.|^cgroup\.cpu\.(usage|user|system|throttled_time|quota|period)$/, 'microseconds'],
  [/^disk\..*time$/, 'milliseconds'],
  [/^(vsize|rss|swap)$|bytes|^memory\.|^cgroup\.(memory\.(current|peak|max|high|working_set)|swap)/, 'bytes'],
  [/^(uptime|idle_time)$|seconds$/, 'seconds'],
];

export function helpOf(original: string, type: string): string {
  const unit = units.find(([pattern]) => pattern.test(original))?.[1];
  return `${original || 'a series without a name'}, a ${type}${unit === undefined ? '' : ` of ${unit}`}`;
}

function numberText(value: number | string): string {
  if (value === 'Infinity') return '+Inf';
  return value === '-Infinity' ? '-Inf' : String(value);
}

/** Backslash, quote and line feed of a label's value. */
function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
}

/** The older format knows no quotes in its help that must be escaped, and refuses those that are. */
function helpText(text: string, format: Format): string {
  if (format === 'openmetrics') return escaped(text);
  return text.replace(/[\\\n]/g, (found) => (found === '\n' ? '\\n' : '\\\\'));
}
