import type { ByHost } from '../cantal/remote.ts';
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
 * Puts the answers of all hosts on one grid. A host counts only what carries its own node name: on a host with several
 * agents each of them sees the values files of all.
 */
export function assemblePlots(
  byHost: ByHost['byHost'],
  hostnameOf: (id: string) => string | null,
  sinceMs: number,
  untilMs: number,
): Plots {
  const grid = slots(sinceMs, untilMs);
  const requests: Points[] = [];
  const running = new Map<string, Points[]>();
  for (const [id, datasets] of Object.entries(byHost)) {
    const hostname = hostnameOf(id);
    for (const { key, points } of seriesOf(datasets.requests)) if (key.node === hostname) requests.push(points);
    for (const { key, points } of seriesOf(datasets.running)) {
      const process = runningMetric.exec(key.metric ?? '')?.groups?.process;
      if (key.node !== hostname || process === undefined) continue;
      const all = running.get(process);
      if (all === undefined) running.set(process, [points]);
      else all.push(points);
    }
  }
  const instances = [...running]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([process, series]) => [process, sumOnGrid(grid, series)] as const);
  return {
    timestamps: grid,
    series: {
      requestsPerMinute: sumOnGrid(grid, requests).map((perSecond) =>
        perSecond === null ? null : (perSecond * msPerMinute) / 1000,
      ),
      instances: Object.fromEntries(instances),
    },
  };
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
