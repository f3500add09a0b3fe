/** What the agent serves to this page. Times are ms since 1970 on the agent's clock; shares are 1 = the whole. */

export type Liveness = 'alive' | 'suspect' | 'dead';

/** Pushed over the WebSocket /v1/live at once and then every 2 s. */
export interface Overview {
  readonly now: number;
  /** Id of the node whose agent serves this page. */
  readonly self: string;
  readonly clusterName: string;
  readonly version: string;
  readonly leaderId: string | null;
  readonly epoch: number;
  readonly nodes: readonly NodeOverview[];
  readonly schedule: ScheduleWrapper | null;
}

export interface NodeOverview {
  readonly id: string;
  readonly hostname: string;
  readonly addr: string;
  readonly liveness: Liveness;
  readonly leader: boolean;
  /** Whether the serving agent gets this node's figures; containers are the last known ones otherwise. */
  readonly reachable: boolean;
  readonly version: string | null;
  readonly scanMs: number | null;
  /** Of all cores of the host. */
  readonly cpuShare: number | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
  /** Hash of the schedule that the node holds, and of the one that it has rendered. */
  readonly scheduleHash: string | null;
  readonly renderedHash: string | null;
  readonly scheduleTimestamp: number | null;
  readonly failedRoles: readonly string[];
  readonly errors: readonly string[];
  readonly treeRunning: boolean | null;
  readonly containers: readonly Container[];
}

/** The schedule as verwalter spreads it; `data` is whatever the scheduler returned. */
export interface ScheduleWrapper {
  readonly hash: string;
  readonly timestamp: number;
  /** Id of the leader that made it. */
  readonly origin: string;
  readonly data: unknown;
}

export interface Container {
  /** "SANDBOX/PROCESS.N" */
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  readonly phase: string;
  readonly pid: number | null;
  readonly startedAtMs: number | null;
  readonly restarts: number;
  /** Taken over by a tree that did not start it. */
  readonly adopted: boolean;
  readonly lastEnd: ContainerEnd | null;
  readonly nextStartAtMs: number | null;
  /** Of one core. */
  readonly cpuShare: number | null;
  readonly memoryBytes: number | null;
}

export interface ContainerEnd {
  readonly atMs: number;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly failure: EndFailure | null;
}

export interface EndFailure {
  readonly step: string;
  readonly call: string;
  readonly subject: string;
  readonly errno: number;
  readonly message?: string;
}

/** GET /v1/plots?since=MS: oldest first on a 2 s grid. */
export interface PlotAnswer {
  readonly timestamps: readonly number[];
  readonly series: {
    readonly requestsPerMinute: readonly (number | null)[];
    /** By process name. */
    readonly instances: Readonly<Record<string, readonly (number | null)[]>>;
  };
}
