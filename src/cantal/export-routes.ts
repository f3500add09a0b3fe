import { type HttpReply, json, problem, type Route } from '../http/route.ts';
import { contentTypes, exposition, formatFor } from './openmetrics/exposition.ts';
import { type CostLimit, costLimit, tooMuchAsked } from './query/cost.ts';
import type { Labels } from './query/dataset.ts';
import { compileRegex, type Regex } from './query/regex.ts';
import type { Cantal, MetricTip } from './shell.ts';

export interface ExportedHost {
  readonly hostname: string;
  /** Null: in no cluster. */
  readonly cluster: string | null;
}

/** Series of one reply; `pattern` narrows, `left_out` counts. */
const mostSeries = 100_000;
/** Samples of one reply with `since`: an hour of 500 series. */
const mostSamples = 1_000_000;
/** Of single processes: endless new names, which a store that keeps names for months must not get unasked. */
const processMetrics: ReadonlySet<string> = new Set([
  ...['vsize', 'rss', 'swap', 'num_threads', 'num_fds', 'user_time', 'system_time', 'read_bytes', 'write_bytes'],
  ...['voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches', 'oom_score'],
]);

const processLabels: ReadonlySet<string> = new Set(['metric', 'pid', 'cgroup', 'container', 'runtime']);

/** What scrapers read: docs/cantal.md, "For scrapers". */
export function exportRoutes(
  cantal: Pick<Cantal, 'anomalies' | 'metrics' | 'samplesSince' | 'status'>,
  { hostname, cluster }: ExportedHost,
  cost: CostLimit = costLimit(),
): Route[] {
  return [
    {
      method: 'GET',
      path: '/metrics',
      access: 'read',
      summary:
        'For Prometheus: OpenMetrics or text by Accept; ?pattern=REGEX narrows, ?processes=true adds single ones',
      handle: ({ query, accept }) =>
        withPattern(query, (pattern) => {
          const format = formatFor(accept);
          const all = query.get('processes') === 'true';
          const metrics = cantal.metrics(pattern).filter(({ labels }) => all || !ofProcess(labels));
          const own = [anomalousSeries(cantal)].filter(({ labels }) => pattern(labels.metric ?? ''));
          return { status: 200, text: exposition([...metrics, ...own], format), contentType: contentTypes[format] };
        }),
    },
    {
      method: 'GET',
      path: '/v1/metrics.json',
      access: 'read',
      summary: 'For scrapers: newest values; ?pattern=REGEX narrows, ?since=MS adds all samples after that time',
      handle: ({ query, remoteAddress }) =>
        withPattern(query, (pattern) => {
          const since = query.get('since');
          const sinceMs = Number(since);
          if (since !== null && !(Number.isFinite(sinceMs) && since !== '')) {
            return problem(400, 'since: a time in milliseconds since 1970');
          }
          const wait = since === null ? null : cost.refusal(remoteAddress);
          if (wait !== null) return tooMuchAsked(wait);
          const read = (samples: number) => cost.charge(remoteAddress, samples);
          const body = since === null ? newest(cantal, pattern) : sampled(cantal, pattern, sinceMs, read);
          return json({ host: hostname, cluster, timestamp: cantal.status().scan_time, ...body });
        }),
    },
  ];
}

function withPattern(query: URLSearchParams, answer: (pattern: Regex) => HttpReply): HttpReply {
  const pattern = compileRegex(query.get('pattern') ?? '');
  return pattern.kind === 'bad' ? problem(400, `pattern: ${pattern.reason}`) : answer(pattern.test);
}

/** The kernel's numbers of one process; what a program exports itself has a name of its own. */
export function ofProcess(labels: Labels): boolean {
  if (labels.pid === undefined || !processMetrics.has(labels.metric ?? '')) return false;
  return Object.keys(labels).every((name) => processLabels.has(name));
}

/** How many there are: which ones is at /v1/anomalies. */
const anomalousSeries = (cantal: Pick<Cantal, 'anomalies' | 'status'>): MetricTip => ({
  labels: { metric: 'anomalous_series' },
  value: ['Integer', cantal.anomalies().length],
  timestamp: cantal.status().scan_time,
});

function newest(cantal: Pick<Cantal, 'metrics'>, pattern: Regex) {
  const all = cantal.metrics(pattern).filter(isNumber);
  return { metrics: all.slice(0, mostSeries).map(row), left_out: Math.max(0, all.length - mostSeries) };
}

/** Whole series until the bound is reached: half of one would look like a gap. */
function sampled(
  cantal: Pick<Cantal, 'samplesSince'>,
  pattern: Regex,
  sinceMs: number,
  read: (samples: number) => void,
) {
  let room = mostSamples;
  let leftOut = 0;
  const metrics: object[] = [];
  for (const { tip, samples } of cantal.samplesSince(pattern, sinceMs)) {
    if (samples.length > room || metrics.length >= mostSeries) {
      leftOut += 1;
      continue;
    }
    room -= samples.length;
    metrics.push({ ...row(tip), samples });
  }
  read(mostSamples - room);
  return { metrics, left_out: leftOut };
}

const isNumber = ({ value }: MetricTip): boolean => value[0] !== 'State';

function row({ labels, value: [kind, value], timestamp }: MetricTip) {
  return { name: labels.metric ?? labels.state ?? '', labels, kind, value, timestamp };
}
