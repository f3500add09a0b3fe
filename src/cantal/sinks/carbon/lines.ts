import type { Labels } from '../../query/dataset.ts';
import { meanGrowth } from '../../query/fold.ts';
import type { SeriesSource } from '../../query/source.ts';
import type { GroupedProcess, Moment } from '../moment.ts';
import type { CarbonConfig } from './config.ts';
import { cleaned, level, line } from './path.ts';

/** Rates of single processes that are summed per group, by metric. USER_HZ is 100, so ticks per second are percent. */
const processRates: Readonly<Record<string, string>> = {
  user_time: 'user_cpu_percent',
  system_time: 'system_cpu_percent',
  read_bytes: 'read_bps',
  write_bytes: 'write_bps',
};

/** What a sink gets at one moment (spec cantal 8); nothing before two samples exist. */
export function carbonLines(moment: Moment, sink: CarbonConfig): readonly string[] {
  const { source } = moment;
  const [newest] = source.scanTimes;
  if (newest === undefined || source.scanTimes.length < 2) return [];
  const seconds = Math.floor(newest / 1000);
  const host = sink.flatHostname ? level(moment.hostname) : cleaned(moment.hostname);
  const root = `cantal.${cleaned(moment.cluster ?? 'no-cluster')}.${host}`;
  const sums = new Map<string, number>();
  const add = (path: string, value: number): void => void sums.set(path, (sums.get(path) ?? 0) + value);

  if (sink.enableCgroupStats) addProcesses(moment.processes, `${root}.cgroups`, add);
  const read = reader(source, sink.interval * 1000);
  for (const id of source.index.ids()) {
    const labels = source.index.labels(id);
    if (labels === undefined) continue;
    for (const path of pathsOf(labels, sink, root)) {
      const value = read(id);
      if (value !== null) add(path, value);
    }
  }
  if (sink.enableApplicationMetrics) {
    add(`${root}.apps.cantal.groups.gossip.num_peers`, moment.peers.known);
    add(`${root}.apps.cantal.groups.gossip.num_stale`, moment.peers.stale);
  }
  return [...sums].flatMap(([path, value]) => line(path, value, seconds) ?? []);
}

function addProcesses(rows: readonly GroupedProcess[], root: string, add: (path: string, value: number) => void): void {
  for (const { cgroup, vsize, rss, swap, threads } of rows) {
    if (cgroup === null) continue;
    const group = `${root}.${groupOf(cgroup)}`;
    add(`${group}.vsize`, vsize);
    add(`${group}.rss`, rss);
    add(`${group}.swap`, swap);
    add(`${group}.num_processes`, 1);
    add(`${group}.num_threads`, threads);
  }
}

/** One-off commands `lithos.X:cmd.NAME.PID` would make a new name each time. */
const groupOf = (cgroup: string): string => cleaned(cgroup.replace(/^(lithos\..+:cmd\..+)\.\d+$/, '$1'));

function pathsOf(labels: Labels, sink: CarbonConfig, root: string): readonly string[] {
  const { metric, cgroup, pid, group, state, appname, device } = labels;
  if (metric === undefined) return [];
  if (pid === undefined) {
    // Of a part of the group, by name: it would be added to the whole.
    if (!sink.enableControllerMetrics || cgroup === undefined || labels.process !== undefined) return [];
    const where = device === undefined ? '' : `.${level(device)}`;
    return [`${root}.cgroups.${groupOf(cgroup)}.controllers.${cleaned(metric.replace(/^cgroup\./, ''))}${where}`];
  }
  const rate = group === undefined && state === undefined ? processRates[metric] : undefined;
  if (rate !== undefined) {
    return sink.enableCgroupStats && cgroup !== undefined ? [`${root}.cgroups.${groupOf(cgroup)}.${rate}`] : [];
  }
  if (!sink.enableApplicationMetrics) return [];
  const owner =
    cgroup !== undefined
      ? `${root}.cgroups.${groupOf(cgroup)}`
      : appname !== undefined
        ? `${root}.apps.${cleaned(appname)}`
        : null;
  if (owner === null) return [];
  return [
    ...(state === undefined ? [] : [`${owner}.states.${cleaned(state)}.${cleaned(metric)}`]),
    ...(group === undefined ? [] : [`${owner}.groups.${cleaned(group)}.${cleaned(metric)}`]),
  ];
}

/** A counter's mean growth per second over the window, a level's newest value; null: missing, or infinite. */
function reader(source: SeriesSource, windowMs: number): (id: number) => number | null {
  const oldest = (source.scanTimes[0] ?? 0) - windowMs;
  const end = source.scanTimes.findIndex((time) => time < oldest);
  const scans = Math.max(2, end < 0 ? source.scanTimes.length : end);
  const times = source.scanTimes.slice(0, scans);
  return (id) => {
    const sample = source.tip(id);
    if (sample === null) return null;
    if (source.kind(id) !== 'Counter') return Number.isFinite(Number(sample)) ? Number(sample) : null;
    return meanGrowth(source.history(id, scans), times);
  };
}
