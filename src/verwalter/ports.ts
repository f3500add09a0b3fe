/** What verwalter needs of its neighbours. The agent wires them up; the parts do not import each other. */

/** Newest stamp of a schedule as it travels in pings, pongs and votes (spec/verwalter.md 4.1). */
export interface ScheduleStamp {
  readonly timestamp: number;
  readonly hash: string;
  /** Hex id of the leader that made it. */
  readonly origin: string;
}

export interface Member {
  /** 32 hex digits. */
  readonly id: string;
  /** "ip:port" of its agent, HTTP and UDP alike. */
  readonly addr: string;
  /** Key in the schedule's `nodes`. */
  readonly hostname: string;
  readonly name: string;
  readonly knownSince: number;
  /** Last direct packet, ms since the epoch; null = never. */
  readonly lastReportDirect: number | null;
  /** SWIM's word on it. */
  readonly liveness: 'alive' | 'suspect' | 'dead';
  readonly schedule: ScheduleStamp | null;
  /** Its errors and failed roles, as told in pongs. */
  readonly errors: number;
}

export type Leadership =
  | { readonly role: 'leader'; readonly epoch: number }
  | {
      readonly role: 'follower';
      readonly epoch: number;
      readonly leaderId: string;
      /** Of what the leader made in this leadership; null until it made something. */
      readonly schedule: ScheduleStamp | null;
    }
  | { readonly role: 'none'; readonly epoch: number };

export interface Peers {
  readonly self: { readonly id: string; readonly addr: string; readonly hostname: string; readonly name: string };
  /** Others only. */
  members(): readonly Member[];
  leadership(): Leadership;
  /** Called after each change of membership, leadership or a peer's stamp. Returns the way to unsubscribe. */
  onChange(listener: () => void): () => void;
  /** What this node tells of itself from now on. */
  announce(own: { readonly schedule: ScheduleStamp | null; readonly errors: number }): void;
  /** False: this node steps down where it leads, and does not stand for election until true. */
  mayLead(allowed: boolean): void;
}

/** cantal's rules and datasets in their JSON form (spec/cantal.md 7.2); verwalter passes them through. */
export type MetricRule = unknown;
export type Dataset = unknown;

export interface MetricSource {
  /** Asks every live node; hosts that did not answer in time are named in `missing`. */
  queryByHost(
    rules: Readonly<Record<string, MetricRule>>,
    deadlineMs: number,
  ): Promise<{
    readonly byHost: Readonly<Record<string, Readonly<Record<string, Dataset>>>>;
    readonly missing: readonly string[];
  }>;
}

/** HTTP to another agent, authenticated with the cluster key. */
export interface PeerHttp {
  getJson(addr: string, path: string, timeoutMs: number, maxBytes: number): Promise<unknown>;
}
