import type { ProcessRow } from '../../native/scanner.ts';
import type { SeriesSource } from '../query/source.ts';

/** What there is to send at one moment. */
export interface Moment {
  readonly source: SeriesSource;
  readonly processes: readonly GroupedProcess[];
  /** Null: in no cluster. */
  readonly cluster: string | null;
  readonly hostname: string;
  readonly peers: { readonly known: number; readonly stale: number };
}

/** What is summed of a process for its group. */
export type GroupedProcess = Pick<ProcessRow, 'pid' | 'cgroup' | 'vsize' | 'rss' | 'swap' | 'threads'>;

/** The same as it was at the scan `scanTimes[index]`, as far as the history tells: that of peers is not kept. */
export function momentAt(moment: Moment, index: number): Moment {
  if (index === 0) return moment;
  const { source: now } = moment;
  const source: SeriesSource = {
    index: now.index,
    scanTimes: now.scanTimes.slice(index),
    kind: (id) => now.kind(id),
    tip: (id) => now.history(id, index + 1)[index] ?? null,
    history: (id, samples) => now.history(id, samples + index).slice(index),
    floats: (id, samples) => now.floats(id, samples + index)?.subarray(index) ?? null,
    states: () => [],
  };
  return { ...moment, source, processes: pastProcesses(source) };
}

/** Names of the series of a process, and of the same in its table. */
const fields: Readonly<Record<string, 'vsize' | 'rss' | 'swap' | 'threads'>> = {
  ...{ vsize: 'vsize', rss: 'rss', swap: 'swap', num_threads: 'threads' },
};

/** The table is of the newest scan only, but its numbers are series of their own. */
function pastProcesses(source: SeriesSource): readonly GroupedProcess[] {
  const rows = new Map<string, { -readonly [Name in keyof GroupedProcess]: GroupedProcess[Name] }>();
  for (const metric of Object.keys(fields)) {
    for (const id of source.index.withLabel('metric', metric)) {
      const { pid, cgroup, ...others } = source.index.labels(id) ?? {};
      const field = fields[metric];
      // An application can have a metric of the same name, beside labels of its own.
      if (pid === undefined || cgroup === undefined || field === undefined || Object.keys(others).length > 1) continue;
      const value = source.tip(id);
      if (value === null) continue;
      const row = rows.get(pid) ?? { pid: Number(pid), cgroup, vsize: 0, rss: 0, swap: 0, threads: 0 };
      row[field] = Number(value);
      rows.set(pid, row);
    }
  }
  return [...rows.values()];
}
