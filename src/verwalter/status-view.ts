import { builtInName } from '../http/frontend-files.ts';
import type { JsonObject } from './canonical.ts';
import type { Peers } from './ports.ts';
import type { Verwalter } from './verwalter.ts';

/** What is said of a node beside what its verwalter knows itself. */
export interface StatusContext {
  readonly version: string;
  readonly peers: Pick<Peers, 'self' | 'members' | 'leadership'>;
  /** As GET /v1/election shows it. */
  readonly election?: () => ElectionFacts;
  /** What else the agent needs before it can be used; null: nothing. */
  readonly notReady?: () => string | null;
  readonly defaultFrontend?: string;
  /** It was told to lead, whoever else there is. */
  readonly forcedLeader?: boolean;
}

/** Of the votes, as the cluster's own view has them. */
export interface ElectionFacts {
  readonly state: string;
  readonly votedFor: string | null;
  readonly votes: readonly string[];
  readonly needed: number;
  readonly epoch: number;
  readonly endsInMs: number;
  /** Machines that call themselves by one id. */
  readonly twins?: readonly { readonly id: string; readonly addr: string }[];
}

export interface LeaderView {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly addr: string;
  readonly schedule: JsonObject | null;
}

export interface StatusViewer {
  /** GET /v1/status: spec/verwalter.md 6.2, and what is newer. Times are ms since the epoch. */
  view(): ReturnType<typeof statusOf> & { readonly last_stable_timestamp: number | null };
  leader(): LeaderView | null;
}

export const statusViewer = (verwalter: Verwalter, context: StatusContext): StatusViewer => {
  const { peers } = context;
  let lastStableMs: number | null = null;
  const look = (): void => {
    if (peers.leadership().role !== 'none') lastStableMs = Date.now();
  };
  look();
  verwalter.onChange(look);

  const leader = (): LeaderView | null => {
    const leadership = peers.leadership();
    if (leadership.role === 'none') return null;
    const stampOf = (stamp: object | null): JsonObject | null => (stamp === null ? null : { ...stamp });
    if (leadership.role === 'leader') {
      const { id, name, hostname, addr } = peers.self;
      return { id, name, hostname, addr, schedule: stampOf(verwalter.status().stamp) };
    }
    const found = peers.members().find(({ id }) => id === leadership.leaderId);
    if (found === undefined) return null;
    const { id, name, hostname, addr, schedule } = found;
    return { id, name, hostname, addr, schedule: stampOf(schedule) };
  };

  return {
    leader,
    view() {
      look();
      return { ...statusOf(verwalter, context, leader()), last_stable_timestamp: lastStableMs };
    },
  };
};

const statusOf = (verwalter: Verwalter, context: StatusContext, leader: LeaderView | null) => {
  const status = verwalter.status();
  const { self, members } = { self: context.peers.self, members: context.peers.members() };
  const twins = context.election?.().twins ?? [];
  const told = {
    ...status.errors,
    ...(twins.length === 0
      ? {}
      : { machine_id: `one id, two machines: ${twins.map(({ id, addr }) => `${id} also at ${addr}`).join(', ')}` }),
  };
  const errors = Object.keys(told).length;
  return {
    ...{ version: context.version, id: self.id, name: self.name, hostname: self.hostname },
    peers: members.length,
    peers_timestamp: Date.now(),
    erroneous_peers: members
      .filter((member) => member.errors > 0)
      .map(({ id, name, hostname, errors: count }) => ({ id, name, hostname, errors: count })),
    leader,
    leadership: status.leadership,
    fetch_state: status.phase,
    election_state: context.election?.().state ?? null,
    schedule_status: status.scheduleStatus,
    schedule_id: status.stamp?.hash ?? null,
    schedule: status.stamp,
    rendered_id: status.renderedHash,
    roles: status.roles,
    failed_roles: status.failedRoles,
    num_errors: errors + status.failedRoles.length,
    errors: told,
    warnings: status.warnings,
    scheduler_hash: status.schedulerHash,
    last_round: status.lastRound,
    pending_actions: status.pendingActions,
    held: status.held,
    shadow: verwalter.timeTravel.shadow(),
    debug_force_leader: context.forcedLeader ?? false,
    default_frontend: context.defaultFrontend ?? builtInName,
    metrics: {
      'peers.known': members.length,
      current_errors: errors,
      current_failing: status.failedRoles.length,
      scheduling_time: status.lastRound === null ? null : Math.round(status.lastRound.durationMs),
    },
  };
};
