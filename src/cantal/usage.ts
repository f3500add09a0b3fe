import type { ProcessRow } from '../native/scanner.ts';
import type { Sample } from './query/sample.ts';
import type { SeriesSource } from './query/source.ts';

export interface ContainerAsked {
  /** "SANDBOX/PROCESS.N" */
  readonly name: string;
  /** Of its first process, seen from the host; null = not running. */
  readonly pid: number | null;
  /** Path or name of its own cgroup; null where it has none. */
  readonly cgroup: string | null;
}

export interface ContainerUsage {
  readonly name: string;
  /** Of one core, over the last two scan periods; 2 = two cores. */
  readonly cpuShare: number | null;
  /** Working set of the cgroup, or the sum of resident sizes (in which shared pages count again). */
  readonly memoryBytes: number | null;
}

export interface MachineUsage {
  /** Of all cores, 0 to 1. */
  readonly cpuShare: number | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
}

/** A rate over one period shows the scheduler's tick, over many it shows the past. */
const windowScans = 3;
/** USER_HZ of Linux on x64 and arm64, sysconf(_SC_CLK_TCK). */
const ticksPerSecond = 100;
const microsPerSecond = 1_000_000;

/** Processes by parent, for one scan. */
export type ProcessTree = ReadonlyMap<number, readonly ProcessRow[]>;

export function processTree(rows: readonly ProcessRow[]): ProcessTree {
  const tree = new Map<number, ProcessRow[]>();
  for (const row of rows) {
    const siblings = tree.get(row.ppid);
    if (siblings === undefined) tree.set(row.ppid, [row]);
    else siblings.push(row);
  }
  return tree;
}

/** What the cgroup says where the container has one of its own, otherwise what its processes add up to. */
export function usageOf(
  source: SeriesSource,
  rows: readonly ProcessRow[],
  tree: ProcessTree,
  asked: ContainerAsked,
): ContainerUsage {
  const own = rows.find(({ pid }) => pid === asked.pid);
  const cgroup = ownCgroup(asked, own);
  const group = cgroup === null ? () => null : machineSeries(source, 'cgroup', cgroup);
  const processes = own === undefined ? [] : withDescendants(own, tree);
  return {
    name: asked.name,
    cpuShare: perSecond(source, group('cgroup.cpu.usage'), microsPerSecond) ?? cpuOfProcesses(source, processes),
    memoryBytes:
      tip(source, group('cgroup.memory.working_set')) ??
      tip(source, group('cgroup.memory.current')) ??
      (processes.length === 0 ? null : processes.reduce((sum, { rss }) => sum + rss, 0)),
  };
}

/**
 * The name under which the scanner knows the container's cgroup. A container without a cgroup of its own lives in that
 * of its tree, whose numbers are not the container's: hence the comparison with what was asked.
 */
function ownCgroup({ cgroup }: ContainerAsked, own: ProcessRow | undefined): string | null {
  if (cgroup === null) return null;
  const asked = cgroupName(cgroup);
  const seen = own?.cgroup ?? null;
  if (seen !== null && (`.${asked}`.endsWith(`.${seen}`) || `.${seen}`.endsWith(`.${asked}`))) return seen;
  return asked;
}

/** Spec cantal 4.3: components joined by dots, without the suffixes of systemd's units. */
export function cgroupName(path: string): string {
  return path
    .split('/')
    .filter((component) => component !== '')
    .map((component) => component.replace(/(.)\.(slice|scope|service)$/, '$1'))
    .join('.');
}

/** Labels that tell in which group a process, and which container a group is. */
const ofGroup: ReadonlySet<string> = new Set(['cgroup', 'container', 'runtime']);

/**
 * Finds a series of the scanner's own by metric: exactly these labels, because an application can put the same metric
 * beside labels of its own.
 */
function machineSeries(source: SeriesSource, label: string, value: string): (metric: string) => number | null {
  const ids = source.index.withLabel(label, value);
  return (metric) =>
    ids.find((id) => {
      const labels = source.index.labels(id) ?? {};
      if (labels.metric !== metric) return false;
      return Object.keys(labels).every((name) => name === 'metric' || name === label || ofGroup.has(name));
    }) ?? null;
}

function withDescendants(root: ProcessRow, tree: ProcessTree): readonly ProcessRow[] {
  const found = [root];
  const seen = new Set([root.pid]);
  for (const { pid } of found) {
    for (const child of tree.get(pid) ?? []) {
      // Pids are read one after the other: reuse in between could make a circle.
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      found.push(child);
    }
  }
  return found;
}

function cpuOfProcesses(source: SeriesSource, processes: readonly ProcessRow[]): number | null {
  const shares = processes.flatMap(({ pid }) => {
    const series = machineSeries(source, 'pid', String(pid));
    return ['user_time', 'system_time'].flatMap((metric) => perSecond(source, series(metric), ticksPerSecond) ?? []);
  });
  return shares.length === 0 ? null : shares.reduce((sum, share) => sum + share, 0);
}

/** Growth of a counter per second over the window in units of `one`; null where it is missing, new or was reset. */
function perSecond(source: SeriesSource, id: number | null, one: number): number | null {
  const grown = growth(source, id);
  if (grown === null) return null;
  return grown.by / one / (grown.ms / 1000);
}

function growth(source: SeriesSource, id: number | null): { readonly by: number; readonly ms: number } | null {
  if (id === null) return null;
  const samples = source.history(id, windowScans);
  const newest = samples[0] ?? null;
  const oldestAt = samples.findLastIndex((sample) => sample !== null);
  const oldest = samples[oldestAt] ?? null;
  const ms = (source.scanTimes[0] ?? 0) - (source.scanTimes[oldestAt] ?? 0);
  if (newest === null || oldest === null || ms <= 0 || newest < oldest) return null;
  return { by: Number(newest) - Number(oldest), ms };
}

function tip(source: SeriesSource, id: number | null): number | null {
  const sample: Sample = id === null ? null : source.tip(id);
  return sample === null ? null : Number(sample);
}

/** Fields of the line "cpu" of proc(5) stat; guest time is within user and nice. */
const busyFields = ['user', 'nice', 'system', 'irq', 'softirq', 'steal'] as const;
const idleFields = ['idle', 'iowait'] as const;

export function machineUsage(source: SeriesSource): MachineUsage {
  const idOf = (metric: string): number | null =>
    source.index.withLabel('metric', metric).find((id) => Object.keys(source.index.labels(id) ?? {}).length === 1) ??
    null;
  const grown = (fields: readonly string[]): number =>
    fields.reduce((sum, field) => sum + (growth(source, idOf(`cpu.${field}`))?.by ?? 0), 0);
  const busy = grown(busyFields);
  const all = busy + grown(idleFields);
  const memory = (name: string) => tip(source, idOf(`memory.${name}`));
  const total = memory('MemTotal');
  const available = memory('MemAvailable');
  return {
    cpuShare: all > 0 ? busy / all : null,
    memoryUsedBytes: total === null || available === null ? null : total - available,
    memoryTotalBytes: total,
  };
}
