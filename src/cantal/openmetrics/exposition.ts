import type { MetricTip } from '../shell.ts';
import { familyOf, labelsOf } from './name.ts';

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
  readonly help: string;
  /** `{labels}` → value; the key keeps out what would be the same sample twice. */
  readonly samples: Map<string, string>;
}

/**
 * Values as Prometheus scrapes them: families in the order of their names, no time stamps (a scrape is "now"), counters
 * with `_total`. A state becomes the second in which it was entered. Of names that Prometheus cannot tell apart, all but
 * the first by the alphabet bring their own along as the label `original`.
 */
export function exposition(metrics: readonly MetricTip[], format: Format): string {
  const named = nameAll(metrics);
  const first = new Map<string, string>();
  for (const { name, original } of named) {
    const known = first.get(name);
    if (known === undefined || original < known) first.set(name, original);
  }
  const families = new Map<string, FamilyLines>();
  for (const { name, original, type, labels, number } of named) {
    const known = families.get(name);
    const lines: FamilyLines = known ?? { type, help: helpOf(first.get(name) ?? original, type), samples: new Map() };
    if (known === undefined) families.set(name, lines);
    const own = labelsOf(labels);
    const pairs = original === first.get(name) ? own : [...own, ['original', original]];
    const text = pairs.map(([label = '', content = '']) => `${label}="${escaped(content)}"`).join(',');
    lines.samples.set(text === '' ? '' : `{${text}}`, number);
  }
  const text = [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { type, help, samples }]) => {
      const sample = type === 'counter' ? `${name}_total` : name;
      const head = format === 'openmetrics' ? name : sample;
      const lines = [...samples].map(([labels, number]) => `${sample}${labels} ${number}\n`).join('');
      return `# HELP ${head} ${helpText(help, format)}\n# TYPE ${head} ${type}\n${lines}`;
    })
    .join('');
  return format === 'openmetrics' ? `${text}# EOF\n` : text;
}

interface Named {
  readonly name: string;
  readonly original: string;
  readonly type: FamilyLines['type'];
  readonly labels: MetricTip['labels'];
  readonly number: string;
}

/** What is missing has no sample. A family has one type: a gauge that is called like a counter gives way. */
function nameAll(metrics: readonly MetricTip[]): readonly Named[] {
  const all = metrics.flatMap(({ labels, value }): Named[] => {
    const type = value[0] === 'Counter' ? 'counter' : 'gauge';
    const number = value[0] === 'State' ? String(value[1][0] / 1000) : value[1] === null ? null : numberText(value[1]);
    return number === null ? [] : [{ ...familyOf(labels, type === 'counter'), type, labels, number }];
  });
  const counters = new Set(all.flatMap(({ name, type }) => (type === 'counter' ? [name] : [])));
  return all.map((each) =>
    each.type === 'gauge' && counters.has(each.name) ? { ...each, name: `${each.name}_gauge` } : each,
  );
}

/** What the numbers are, where the name does not say it (spec cantal 4). */
const units: readonly (readonly [pattern: RegExp, unit: string])[] = [
  [/^cpu\.(?!ctxt|forks)|^(user|system)_time$/, 'clock ticks, 100 per second'],
  [/^psi\.|^cgroup\.cpu\.(usage|user|system|throttled_time|quota|period)$/, 'microseconds'],
  [/^disk\..*time$/, 'milliseconds'],
  [/^(vsize|rss|swap)$|bytes|^memory\.|^cgroup\.(memory\.(current|peak|max|high|working_set)|swap)/, 'bytes'],
  [/^(uptime|idle_time)$|seconds$/, 'seconds'],
];

function helpOf(original: string, type: string): string {
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
