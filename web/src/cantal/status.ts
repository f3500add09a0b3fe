import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { NotRead } from './not-read.ts';
import { nothingPolled, type Polled, usePoll } from './poll.ts';

/** GET /status, as far as it is shown. */
export interface Status extends NotRead {
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
  readonly health: NotRead['health'] & { readonly series: number; readonly historyBytes: number };
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
