import type { ByHost } from '../cantal/remote/by-host.ts';
import type { Plots } from './api.ts';
import { gridMs, type Points, slots, sumOnGrid } from './grid.ts';

/** What is kept, and so the longest plot (spec cantal 5.1). */
export const longestPlotMs = 3_600_000;
/** Hosts are asked for a little more, so that the first slot has its value everywhere. */
const marginMs = 3 * gridMs;
const msPerMinute = 60_000;
const runningMetric = /^processes\.[^.]+\.(?<process>.+)\.running$/;

/** Counters `requests`, whoever exports them, and the trees' numbers of running instances. */
export function plotRules(spanMs: number): Readonly<Record<string, unknown>> {
  const extract = ['HistoryByTime', spanMs + marginMs];
  return {
    requests: {
      series: { source: 'Fine', condition: ['And', ['Eq', 'metric', 'requests'], ['Has', 'node']] },
      extract,
      functions: [['NonNegativeDerivative'], ['SumBy', 'node', 'Ignore']],
    },
    running: {
      series: {
        source: 'Fine',
        condition: ['And', ['RegexLike', 'metric', '^processes\\..*\\.running$'], ['Has', 'node']],
      },
      extract,
      functions: [['SumBy', ['node', 'metric'], 'Ignore']],
    },
  };
}

/**
 * Puts the answers of all hosts on one grid. On a host with several agents each of them sees the values files of all, so
 * of each node's series one counts: the longest, because an agent that was started again remembers less than the others.
 */
export function assemblePlots(byHost: ByHost['byHost'], sinceMs: number, untilMs: number): Plots {
  const answers = Object.values(byHost);
  const requests = longest(
    answers.flatMap(({ requests }) => seriesOf(requests)),
    ({ node }) => node ?? null,
  );
  const running = longest(
    answers.flatMap(({ running }) => seriesOf(running)),
    ({ node, metric }) => (node === undefined || metric === undefined ? null : JSON.stringify([node, metric])),
  );
  const processes = new Map<string, Points[]>();
  for (const { key, points } of running) {
    const process = runningMetric.exec(key.metric ?? '')?.groups?.process;
    if (process !== undefined) processes.set(process, [...(processes.get(process) ?? []), points]);
  }
  const grid = slots(sinceMs, untilMs);
  const instances = [...processes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([process, series]) => [process, sumOnGrid(grid, series)] as const);
  return {
    timestamps: grid,
    series: {
      requestsPerMinute: sumOnGrid(
        grid,
        requests.map(({ points }) => points),
      ).map((perSecond) => (perSecond === null ? null : (perSecond * msPerMinute) / 1000)),
      instances: Object.fromEntries(instances),
    },
  };
}

/** Of the series with the same name, the one with most points; series without a name are nobody's. */
function longest(all: readonly Keyed[], nameOf: (key: Keyed['key']) => string | null): readonly Keyed[] {
  const best = new Map<string, Keyed>();
  for (const each of all) {
    const name = nameOf(each.key);
    if (name === null) continue;
    const known = best.get(name);
    if (known === undefined || known.points.timestamps.length < each.points.timestamps.length) best.set(name, each);
  }
  return [...best.values()];
}

interface Keyed {
  readonly key: Readonly<Record<string, string>>;
  readonly points: Points;
}

/** The series in a dataset of spec cantal 7.2; what has another shape (a peer sent it) holds none. */
function seriesOf(dataset: unknown): readonly Keyed[] {
  if (!Array.isArray(dataset)) return [];
  const [name, ...rest] = dataset as readonly unknown[];
  const all = name === 'SingleSeries' ? [rest] : name === 'MultiSeries' && Array.isArray(rest[0]) ? rest[0] : [];
  return all.flatMap((each: unknown): readonly Keyed[] => {
    if (!Array.isArray(each)) return [];
    const [key, chunk, timestamps] = each as readonly unknown[];
    const values = Array.isArray(chunk) ? chunk[1] : null;
    if (typeof key !== 'object' || key === null || !Array.isArray(values) || !Array.isArray(timestamps)) return [];
    const known = values.map((value: unknown) => (value === null || value === undefined ? null : Number(value)));
    return [{ key: key as Keyed['key'], points: { timestamps: timestamps.map(Number), values: known } }];
  });
}
