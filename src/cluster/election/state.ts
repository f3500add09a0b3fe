import type { Env } from '../env.ts';
import { uniform } from '../env.ts';
import type { ScheduleStamp } from '../member.ts';
import type { ElectionConfig } from './config.ts';

/** What the election needs of a known node. Times on the monotonic clock. */
export interface Voter {
  readonly id: string;
  readonly lastReportDirectMs: number | null;
  /** Not believed dead. */
  readonly visible: boolean;
}

export type Role =
  /** Has no fresh word of others, or has just begun: follows whoever pings, asks nobody. */
  | { readonly kind: 'starting'; readonly deadlineMs: number }
  /** Pre-vote for `asked`; the node's own epoch stays. */
  | {
      readonly kind: 'asking';
      readonly asked: number;
      readonly needed: number;
      readonly grants: ReadonlySet<string>;
      readonly resendMs: number;
      readonly deadlineMs: number;
    }
  | {
      readonly kind: 'electing';
      /** Quorum at the start; the count may have grown since. */
      readonly needed: number;
      readonly votes: ReadonlySet<string>;
      readonly resendMs: number;
      readonly deadlineMs: number;
    }
  | {
      readonly kind: 'voted';
      readonly peer: string;
      readonly life: number;
      readonly sinceMs: number;
      readonly deadlineMs: number;
    }
  | {
      readonly kind: 'leader';
      readonly sinceMs: number;
      readonly nextPingMs: number;
      /** Who elected us. */
      readonly votes: ReadonlySet<string>;
      /** Last pong in this leadership, by id. */
      readonly heardMs: ReadonlyMap<string, number>;
      /** Stamp of what we made in this leadership. */
      readonly schedule: ScheduleStamp | null;
    }
  | {
      readonly kind: 'follower';
      readonly leader: string;
      /** Stamp in the leader's last ping. */
      readonly schedule: ScheduleStamp | null;
      readonly deadlineMs: number;
    };

export interface ElectionState {
  readonly config: ElectionConfig;
  readonly id: string;
  readonly life: number;
  readonly startedMs: number;
  /** The highest epoch taken part in; 0 before the first. At most one vote in each, for the life of the process. */
  readonly epoch: number;
  readonly role: Role;
  readonly peers: ReadonlyMap<string, Voter>;
  /** When the list of peers was last confirmed; null: never. */
  readonly peersMs: number | null;
  /** Last ping of the leader whom we follow, or followed last; null: we know of it by hearsay only. */
  readonly leaderHeardMs: number | null;
  readonly schedule: ScheduleStamp | null;
  readonly errors: number;
  /** What uses the cluster says of itself: false where it would not know what to do as a leader. */
  readonly willing: boolean;
  /** For looking at: how often each thing happened. */
  readonly counts: {
    readonly asked: number;
    readonly elections: number;
    readonly won: number;
    readonly steppedDown: number;
  };
}

export function startElection(config: ElectionConfig, id: string, life: number, env: Env): ElectionState {
  const delay = config.forceLeader ? 0 : config.startMs + uniform(env, ...config.intervalMs);
  return {
    config,
    id,
    life,
    startedMs: env.nowMs,
    epoch: 0,
    role: { kind: 'starting', deadlineMs: env.nowMs + delay },
    peers: new Map(),
    peersMs: null,
    leaderHeardMs: null,
    schedule: null,
    errors: 0,
    willing: true,
    counts: { asked: 0, elections: 0, won: 0, steppedDown: 0 },
  };
}

export function electionWakeMs(state: ElectionState): number {
  const { role } = state;
  switch (role.kind) {
    case 'starting':
    case 'voted':
    case 'follower':
      return role.deadlineMs;
    case 'asking':
    case 'electing':
      return Math.min(role.deadlineMs, role.resendMs);
    case 'leader':
      return role.nextPingMs;
    default:
      return role satisfies never;
  }
}

/**
 * Memory of votes ends with the process: until every candidature that an earlier life may have voted in is over, this
 * life votes for nobody, itself included. The longest election interval is four times the longest candidature.
 */
export function canVote(state: ElectionState, nowMs: number): boolean {
  return nowMs >= state.startedMs + state.config.intervalMs[1];
}
