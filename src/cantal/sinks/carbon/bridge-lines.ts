import { cleaned, level, line } from './path.ts';

export interface BridgeNaming {
  /** Before everything; may be empty. */
  readonly prefix: string;
  /** Single processes' own numbers too. */
  readonly processes: boolean;
}

/** Labels that are part of the way to a metric, not of its end. */
const placed: ReadonlySet<string> = new Set([
  ...['metric', 'pid', 'cgroup', 'container', 'runtime', 'appname', 'state', 'group'],
]);

/**
 * The lines of one reply of /v1/metrics.json (docs/cantal.md, "For scrapers"); a text says why it is none. A metric is
 * called `PREFIX.CLUSTER.HOST[.cgroups.GROUP|.apps.APPNAME][.states.STATE][.groups.GROUP].METRIC[.LABEL.VALUE …]`, and
 * processes that would have the same name are summed. Counters stay counters: Graphite's perSecond() makes rates.
 */
export function bridgeLines(reply: unknown, { prefix, processes }: BridgeNaming): readonly string[] | string {
  if (!isRecord(reply) || !Array.isArray(reply.metrics) || typeof reply.host !== 'string') {
    return 'not the answer of a cantal: no "host" and "metrics"';
  }
  const cluster = typeof reply.cluster === 'string' ? reply.cluster : 'no-cluster';
  const root = [...(prefix === '' ? [] : [cleaned(prefix)]), cleaned(cluster), level(reply.host)].join('.');
  const sums = new Map<string, { readonly path: string; readonly seconds: number; value: number }>();
  for (const metric of reply.metrics as readonly unknown[]) {
    if (!isRecord(metric) || !isRecord(metric.labels)) return 'one of its metrics has no labels';
    const labels = labelsOf(metric.labels);
    if (labels === null) return 'one of its metrics has a label that is no text';
    if (!processes && isOfProcess(labels)) continue;
    const path = `${root}.${pathOf(labels, typeof metric.name === 'string' ? metric.name : '')}`;
    const samples: readonly unknown[] = Array.isArray(metric.samples)
      ? metric.samples
      : [[metric.timestamp, metric.value]];
    for (const sample of samples) {
      const [time, value] = Array.isArray(sample) ? (sample as readonly unknown[]) : [];
      if (value === null) continue;
      const number = typeof value === 'string' || typeof value === 'number' ? Number(value) : Number.NaN;
      if (typeof time !== 'number' || Number.isNaN(number)) return `${path}: a sample that is no number with its time`;
      const seconds = Math.floor(time / 1000);
      const key = `${path} ${time}`;
      const sum = sums.get(key);
      if (sum === undefined) sums.set(key, { path, seconds, value: number });
      else sum.value += number;
    }
  }
  return [...sums.values()].flatMap(({ path, value, seconds }) => line(path, value, seconds) ?? []);
}

function labelsOf(labels: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> | null {
  const texts = Object.entries(labels).filter((label): label is [string, string] => typeof label[1] === 'string');
  return texts.length === Object.keys(labels).length ? new Map(texts) : null;
}

/** The kernel's numbers of one process have no other label than these. */
const ofProcess: ReadonlySet<string> = new Set(['metric', 'pid', 'cgroup', 'container', 'runtime']);
function isOfProcess(labels: ReadonlyMap<string, string>): boolean {
  return labels.has('pid') && [...labels.keys()].every((name) => ofProcess.has(name));
}

function pathOf(labels: ReadonlyMap<string, string>, name: string): string {
  const part = (word: string, label: string): readonly string[] => {
    const value = labels.get(label);
    return value === undefined ? [] : [word, cleaned(value)];
  };
  const owner = labels.has('cgroup') ? part('cgroups', 'cgroup') : part('apps', 'appname');
  const others = [...labels].filter(([label]) => !placed.has(label)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...owner,
    ...part('states', 'state'),
    ...part('groups', 'group'),
    cleaned(labels.get('metric') ?? (name === '' ? 'unnamed' : name)),
    ...others.flatMap(([label, value]) => [level(label), level(value)]),
  ].join('.');
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
