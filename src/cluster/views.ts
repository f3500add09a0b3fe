import { knownSize, neededVotes, peersAreFresh, visibleSize } from './election/quorum.ts';
import type { Role } from './election/state.ts';
import { addressesOf } from './gossip/addresses.ts';
import type { GossipConfig } from './gossip/config.ts';
import type { Peer } from './gossip/state.ts';
import { type Leadership, leadershipOf } from './leadership.ts';
import type { Liveness, NodeRecord, ScheduleStamp } from './member.ts';
import type { NodeState } from './node.ts';

/** What can be looked at of a node. Times as ages and spans in milliseconds, where not said otherwise. */

/** Another node as verwalter and cantal know it: src/verwalter/ports.ts, Member. */
export interface Member {
  /** 32 hex digits. */
  readonly id: string;
  /** "ip:port" of its agent, HTTP and UDP alike. */
  readonly addr: string;
  readonly hostname: string;
  readonly name: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly knownSince: number;
  /** Last direct packet, milliseconds since the epoch; null: never. */
  readonly lastReportDirect: number | null;
  readonly liveness: Liveness;
  readonly schedule: ScheduleStamp | null;
  readonly errors: number;
  /** It holds connections to the others for queries about the whole cluster. */
  readonly hasRemote: boolean;
}

/** `epochMs`: what to add to the monotonic clock to get milliseconds since the epoch. */
export function memberOf(peer: Peer, epochMs: number): Member {
  const { id, hostname, name, version, liveness, schedule, errors } = peer.record;
  const { addr, knownSinceMs, lastReportDirectMs } = peer;
  return {
    id,
    addr,
    hostname,
    name,
    version,
    knownSince: Math.round(knownSinceMs + epochMs),
    lastReportDirect: lastReportDirectMs === null ? null : Math.round(lastReportDirectMs + epochMs),
    liveness,
    schedule,
    errors,
    hasRemote: peer.record.hasRemote === true,
  };
}

/** How long it has been silent, in the words of spec/cantal.md 6.4. */
export type Freshness = 'fresh' | 'prefail' | 'stale' | 'failing';

export interface PeerView extends Member {
  /** The primary one first: where packets to it go. */
  readonly addresses: readonly string[];
  readonly incarnation: number;
  readonly freshness: Freshness;
  /** Since the last sign of life, its own or told by others. */
  readonly silentMs: number;
  /** Milliseconds since the epoch, here and below. */
  readonly lastProbe: { readonly at: number; readonly addr: string } | null;
  readonly lastProbeAgoMs: number | null;
  readonly probesSent: number;
  readonly pingsReceived: number;
  readonly pongsReceived: number;
  readonly roundtrip: { readonly at: number; readonly addr: string; readonly ms: number } | null;
  readonly roundtripMs: number | null;
  /** What somebody else measured, the newest that we were told. */
  readonly hearsayRoundtrip: { readonly at: number; readonly ms: number } | null;
  /** Its own figures, and when it told them. */
  readonly report: { readonly at: number; readonly peers: number; readonly scanMs: number | null } | null;
  /** Its clock minus ours. */
  readonly skewMs: number | null;
  readonly suspectedBy: readonly string[];
}

export function peerView(peer: Peer, config: GossipConfig, nowMs: number, epochMs: number): PeerView {
  const silentMs = Math.max(0, Math.round(nowMs - peer.lastSignMs));
  const { lastProbe, roundtrip, hearsayRoundtrip, report } = peer;
  const at = (ms: number): number => Math.round(ms + epochMs);
  return {
    ...memberOf(peer, epochMs),
    addresses: addressesOf(peer),
    incarnation: peer.record.incarnation,
    freshness: freshness(config, silentMs),
    silentMs,
    lastProbe: lastProbe === null ? null : { at: at(lastProbe.atMs), addr: lastProbe.addr },
    lastProbeAgoMs: lastProbe === null ? null : Math.round(nowMs - lastProbe.atMs),
    probesSent: peer.probesSent,
    pingsReceived: peer.pingsReceived,
    pongsReceived: peer.pongsReceived,
    roundtrip: roundtrip === null ? null : { at: at(roundtrip.atMs), addr: roundtrip.addr, ms: roundtrip.tookMs },
    roundtripMs: roundtrip?.tookMs ?? null,
    hearsayRoundtrip: hearsayRoundtrip === null ? null : { at: at(hearsayRoundtrip.atMs), ms: hearsayRoundtrip.tookMs },
    report: report === null ? null : { at: at(report.atMs), peers: report.peers, scanMs: report.scanMs },
    // Rounding makes a small negative number -0, which JSON does not have.
    skewMs: peer.skewMs === null ? null : peer.skewMs + 0,
    suspectedBy: peer.suspicion?.accusers ?? [],
  };
}

export function freshness(config: GossipConfig, silentMs: number): Freshness {
  if (silentMs < config.preFailMs) return 'fresh';
  if (silentMs < config.staleMs) return 'prefail';
  return silentMs < config.failMs ? 'stale' : 'failing';
}

export interface GossipView {
  readonly self: NodeRecord;
  readonly counts: Readonly<Record<Liveness, number>>;
  /** Lifeguard: 0 is well, more slows our judging of others. */
  readonly health: number;
  readonly probesInFlight: number;
  readonly relaying: number;
  /** Nodes with news about them still being told. */
  readonly rumours: number;
  readonly joins: readonly {
    readonly addr: string;
    readonly seed: boolean;
    readonly attempts: number;
    readonly nextInMs: number;
  }[];
}

export function gossipView({ gossip }: NodeState, nowMs: number): GossipView {
  const counts = { alive: 0, suspect: 0, dead: 0 };
  for (const peer of gossip.peers.values()) counts[peer.record.liveness] += 1;
  return {
    self: gossip.self,
    counts,
    health: gossip.health,
    probesInFlight: gossip.probes.size,
    relaying: gossip.relays.size,
    rumours: gossip.rumours.size,
    joins: [...gossip.joins.values()].map(({ addr, seed, attempts, nextMs }) => ({
      addr,
      seed,
      attempts,
      nextInMs: Math.round(nextMs - nowMs),
    })),
  };
}

export interface ElectionView {
  readonly leadership: Leadership;
  /** Id of who leads as far as we know; null: nobody. */
  readonly leaderId: string | null;
  readonly epoch: number;
  readonly state: Role['kind'];
  /** Until the state ends by itself, or the leader's next heartbeat. */
  readonly endsInMs: number;
  /** For whom we voted or who votes for us, where that is going on. */
  readonly votedFor: string | null;
  readonly votes: readonly string[];
  readonly needed: number;
  readonly known: number;
  readonly visible: number;
  readonly peersAreFresh: boolean;
  readonly allowMinority: boolean;
  readonly minCluster: number;
  readonly expectedPeers: number | null;
  /** It votes and follows only. */
  readonly neverLead: boolean;
  /** False: it has no scheduler that works, and stands for no election. */
  readonly willing: boolean;
  readonly counts: NodeState['election']['counts'];
  /** The same in the names of spec/verwalter.md 6.2; times in milliseconds since the epoch. */
  readonly is_leader: boolean;
  readonly is_stable: boolean;
  readonly leader: string | null;
  readonly promoting: string | null;
  readonly num_votes_for_me: number | null;
  readonly needed_votes: number;
  readonly deadline: number;
  readonly debug_force_leader: boolean;
}

export function electionView({ election }: NodeState, nowMs: number, wallMs: number): ElectionView {
  const { role, id, config } = election;
  const voted = votedFor(role, id);
  const leadership = leadershipOf(election);
  const leaderId = leadership.role === 'leader' ? id : leadership.role === 'follower' ? leadership.leaderId : null;
  const ends = role.kind === 'leader' ? role.nextPingMs : role.deadlineMs;
  return {
    leadership,
    leaderId,
    epoch: election.epoch,
    state: role.kind,
    endsInMs: Math.round(ends - nowMs),
    votedFor: votedFor(role, id),
    votes: votesOf(role),
    needed: neededVotes(election, nowMs),
    known: knownSize(election, nowMs),
    visible: visibleSize(election),
    peersAreFresh: peersAreFresh(election, nowMs),
    allowMinority: election.config.allowMinority,
    minCluster: config.minCluster,
    expectedPeers: config.expectedPeers,
    neverLead: config.neverLead,
    willing: election.willing,
    counts: election.counts,
    is_leader: role.kind === 'leader',
    is_stable: leaderId !== null,
    leader: leaderId,
    promoting: leaderId === null ? voted : null,
    num_votes_for_me: role.kind === 'electing' || role.kind === 'leader' ? role.votes.size : null,
    needed_votes: neededVotes(election, nowMs),
    deadline: Math.round(ends - nowMs + wallMs),
    debug_force_leader: config.forceLeader,
  };
}

function votedFor(role: Role, self: string): string | null {
  switch (role.kind) {
    case 'voted':
      return role.peer;
    case 'electing':
    case 'leader':
      return self;
    case 'starting':
    case 'asking':
    case 'follower':
      return null;
    default:
      return role satisfies never;
  }
}

function votesOf(role: Role): readonly string[] {
  switch (role.kind) {
    case 'asking':
      return [...role.grants];
    case 'electing':
    case 'leader':
      return [...role.votes];
    case 'starting':
    case 'voted':
    case 'follower':
      return [];
    default:
      return role satisfies never;
  }
}
