import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { nothingPolled, type Polled, usePoll } from './poll.ts';

/** GET /status, as far as it is shown. */
export interface Status {
  readonly version: string;
  readonly id?: string;
  readonly hostname?: string;
  readonly name?: string;
  /** Not there: this agent is in no cluster. */
  readonly cluster_name?: string | null;
  readonly startup_time: number;
  readonly current_time: number;
  readonly boot_time: number;
  /** ms */
  readonly scan_duration: number;
  readonly processes: number;
  readonly num_peers: number;
  readonly num_stale: number;
  readonly self_report: { readonly gross_cpu_usage: number | null; readonly memory_rss: number };
  /** By thread; percent of one core. */
  readonly threads_report?: Readonly<Record<string, ThreadReport>>;
  /** What the agent's user may not read. */
  readonly unreadable?: readonly Unreadable[];
  readonly health: {
    readonly series: number;
    readonly historyBytes: number;
    /** By file of /proc/PID, or `cgroup`. */
    readonly denied?: Readonly<Record<string, { readonly count: number; readonly reason: string }>>;
  };
}

export interface Unreadable {
  readonly what: string;
  readonly processes: number;
  readonly of: number;
  readonly needs: string;
}

export interface ThreadReport {
  readonly cpu_usage: number | null;
  readonly system_cpu: number | null;
  readonly user_cpu: number | null;
}

const everyMs = 5_000;

export const StatusContext = createContext<Polled<Status>>(nothingPolled);

/** For the whole page, once. */
export const useStatusPoll = (): Polled<Status> => usePoll<Status>('/status', everyMs);
export const useStatus = (): Polled<Status> => useContext(StatusContext);

/** One line, or null: everything can be read. */
export function unreadableWords({ unreadable = [], health: { denied = {} } }: Status): string | null {
  const rights = unreadable.map(
    ({ what, processes, of, needs }) => `${what} (${processes} of ${of} processes; it needs ${needs})`,
  );
  // Files of processes are in the line above.
  const groups = denied.cgroup === undefined ? [] : [`cgroups: ${denied.cgroup.count} (${denied.cgroup.reason})`];
  const all = [...rights, ...groups];
  return all.length === 0 ? null : `Not all can be read: ${all.join('; ')}`;
}
