import type { ContainerEnd, ContainerStatus } from '../lithos/status.ts';

/** What the UI and scripts read of a cluster: GET /v1/overview, the stream /v1/live, GET /v1/plots. */

export type LastEnd = ContainerEnd;

/** As its tree supervises it, and what it uses. */
export interface ContainerReport extends Omit<ContainerStatus, 'knotPid' | 'image' | 'cgroup'> {
  /** Of one core. */
  readonly cpuShare: number | null;
  readonly memoryBytes: number | null;
}

/** What a node says of itself; the agent that serves the page collects it from all. */
export interface NodeReport {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly scanMs: number | null;
  /** Of all cores of the host. */
  readonly cpuShare: number | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly scheduleHash: string | null;
  readonly renderedHash: string | null;
  readonly scheduleTimestamp: number | null;
  readonly failedRoles: readonly string[];
  readonly errors: readonly string[];
  readonly treeRunning: boolean;
  /** A schedule that the guard of this node, the leader, holds back; of an older agent it is not there. */
  readonly held?: { readonly hash: string; readonly before: number; readonly after: number } | null;
  readonly containers: readonly ContainerReport[];
}

export interface OverviewNode extends Omit<NodeReport, 'version' | 'treeRunning'> {
  readonly addr: string;
  readonly liveness: 'alive' | 'suspect' | 'dead';
  readonly leader: boolean;
  /** It answered this agent's last question; otherwise its figures are empty. */
  readonly reachable: boolean;
  readonly version: string | null;
  readonly treeRunning: boolean | null;
}

export interface Overview {
  readonly now: number;
  readonly self: string;
  readonly clusterName: string;
  readonly version: string;
  readonly leaderId: string | null;
  readonly epoch: number;
  readonly nodes: readonly OverviewNode[];
  readonly schedule: {
    readonly hash: string;
    readonly timestamp: number;
    readonly origin: string;
    readonly data: unknown;
  } | null;
}

export interface Plots {
  /** Milliseconds since the epoch, oldest first, on a grid of 2 s. */
  readonly timestamps: readonly number[];
  readonly series: {
    readonly requestsPerMinute: readonly (number | null)[];
    /** By process name. */
    readonly instances: Readonly<Record<string, readonly (number | null)[]>>;
  };
}
