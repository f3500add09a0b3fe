import type { ElectionConfig } from './election/config.ts';
import type { ElectionMessage } from './election/message.ts';
import { type ElectionState, electionWakeMs, startElection, type Voter } from './election/state.ts';
import { type ElectionEvent, stepElection } from './election/step.ts';
import type { Env } from './env.ts';
import type { GossipConfig } from './gossip/config.ts';
import type { Report } from './gossip/message.ts';
import { type GossipState, startGossip } from './gossip/state.ts';
import { type GossipEvent, stepGossip } from './gossip/step.ts';
import { leadershipOf } from './leadership.ts';
import { type NodeRecord, type ScheduleStamp, sameStamp } from './member.ts';
import type { Packet } from './packet.ts';

/** Gossip and election of one node as one machine: what the shell runs on sockets, the simulator by the thousand. */
export interface NodeState {
  readonly gossip: GossipState;
  readonly election: ElectionState;
  /** When the election is next told who is known. */
  readonly nextPeersMs: number;
}

export interface NodeOptions {
  readonly self: Omit<NodeRecord, 'incarnation' | 'liveness' | 'schedule' | 'errors'>;
  /** Differs between any two starts of this node. */
  readonly life: number;
  readonly seeds: readonly string[];
  readonly gossip: GossipConfig;
  readonly election: ElectionConfig;
}

export type NodeEvent =
  | { readonly kind: 'tick' }
  /** An authentic packet. `from` is its signed sender, `addr` where it came from. */
  | { readonly kind: 'packet'; readonly from: string; readonly addr: string; readonly packet: Packet }
  | { readonly kind: 'announce'; readonly schedule: ScheduleStamp | null; readonly errors: number }
  | { readonly kind: 'add-host'; readonly addr: string }
  /** This node's own addresses are others than before. */
  | { readonly kind: 'addresses'; readonly addr: string; readonly otherAddrs: readonly string[] }
  /** A scan was made and took so long. */
  | { readonly kind: 'scanned'; readonly tookMs: number }
  | { readonly kind: 'remote'; readonly on: boolean }
  /** Whether what uses the cluster would know what to do as a leader. */
  | { readonly kind: 'willing'; readonly willing: boolean };

export type NodeEffect =
  | { readonly kind: 'send'; readonly addr: string; readonly packet: Packet }
  /** Membership, leadership or somebody's stamp is not what it was. */
  | { readonly kind: 'changed' }
  /** An election packet of a node that gossip does not know: not counted, not answered. */
  | { readonly kind: 'unknown-sender'; readonly id: string }
  /** A node calls itself by another name than before. */
  | { readonly kind: 'renamed'; readonly id: string; readonly from: string; readonly to: string };

export interface NodeStep {
  readonly state: NodeState;
  readonly effects: readonly NodeEffect[];
}

/** Each second, as long as gossip runs: what makes the election's list of peers "fresh" (spec/verwalter.md 4.2). */
const peersRefreshMs = 1_000;

export function startNode(options: NodeOptions, env: Env): NodeState {
  const self: NodeRecord = { ...options.self, incarnation: 0, liveness: 'alive', schedule: null, errors: 0 };
  return {
    gossip: startGossip(options.gossip, self, options.seeds, env),
    election: startElection(options.election, self.id, options.life, env),
    nextPeersMs: env.nowMs,
  };
}

/** When a tick is due if nothing arrives before. */
export function nodeWakeMs(state: NodeState): number {
  return Math.min(state.gossip.wakeMs, electionWakeMs(state.election), state.nextPeersMs);
}

export function stepNode(state: NodeState, event: NodeEvent, env: Env): NodeStep {
  const run: Run = { env, gossip: state.gossip, election: state.election, out: [], changed: false };
  let { nextPeersMs } = state;
  // The election looks first: after a long sleep it must see that its list of peers is old, not one just renewed.
  if (electionWakeMs(run.election) <= env.nowMs) runElection(run, { kind: 'tick' });
  if (run.gossip.wakeMs <= env.nowMs) runGossip(run, { kind: 'tick' });
  switch (event.kind) {
    case 'tick':
      break;
    case 'packet':
      receive(run, event.from, event.addr, event.packet);
      break;
    case 'announce':
      runGossip(run, event);
      runElection(run, event);
      break;
    case 'willing':
      runElection(run, event);
      break;
    case 'remote':
    case 'add-host':
    case 'addresses':
    case 'scanned':
      runGossip(run, event);
      break;
    default:
      event satisfies never;
  }
  if (run.changed || nextPeersMs <= env.nowMs) {
    nextPeersMs = env.nowMs + peersRefreshMs;
    runElection(run, { kind: 'peers', peers: votersOf(run.gossip) });
  }
  if (leadershipChanged(state.election, run.election)) run.changed = true;
  const effects: NodeEffect[] = run.changed ? [...run.out, { kind: 'changed' }] : run.out;
  return { state: { gossip: run.gossip, election: run.election, nextPeersMs }, effects };
}

interface Run {
  readonly env: Env;
  gossip: GossipState;
  election: ElectionState;
  readonly out: NodeEffect[];
  changed: boolean;
}

function receive(run: Run, from: string, addr: string, packet: Packet): void {
  switch (packet.channel) {
    case 'gossip':
      runGossip(run, { kind: 'packet', addr, packet });
      return;
    case 'election':
      if (!run.gossip.peers.has(from)) {
        run.out.push({ kind: 'unknown-sender', id: from });
        return;
      }
      runGossip(run, { kind: 'heard', id: from, ...toldIn(packet.message) });
      runElection(run, { kind: 'packet', from, message: packet.message });
      return;
    default:
      packet satisfies never;
  }
}

function toldIn(message: ElectionMessage): { schedule: ScheduleStamp | null; errors: number | null } {
  switch (message.kind) {
    case 'ping':
    case 'vote':
      return { schedule: message.schedule, errors: null };
    case 'pong':
      return { schedule: message.schedule, errors: message.errors };
    case 'ask':
    case 'grant':
    case 'current':
      return { schedule: null, errors: null };
    default:
      return message satisfies never;
  }
}

function runGossip(run: Run, event: GossipEvent): void {
  const { state, effects } = stepGossip(run.gossip, event, run.env);
  run.gossip = state;
  const report: Report = { peers: state.live, scanMs: state.scanMs };
  for (const effect of effects) {
    switch (effect.kind) {
      case 'changed':
        run.changed = true;
        break;
      case 'renamed':
        run.out.push(effect);
        break;
      case 'send': {
        const { addr, message } = effect;
        run.out.push({ kind: 'send', addr, packet: { channel: 'gossip', me: state.self, report, message } });
        break;
      }
      default:
        effect satisfies never;
    }
  }
}

function runElection(run: Run, event: ElectionEvent): void {
  const { state, effects } = stepElection(run.election, event, run.env);
  run.election = state;
  for (const { to, message } of effects) {
    const peer = run.gossip.peers.get(to);
    if (peer !== undefined) run.out.push({ kind: 'send', addr: peer.addr, packet: { channel: 'election', message } });
  }
}

function votersOf(gossip: GossipState): ReadonlyMap<string, Voter> {
  const voters = new Map<string, Voter>();
  for (const [id, peer] of gossip.peers) {
    voters.set(id, { id, lastReportDirectMs: peer.lastReportDirectMs, visible: peer.record.liveness !== 'dead' });
  }
  return voters;
}

function leadershipChanged(before: ElectionState, after: ElectionState): boolean {
  if (before.role === after.role && before.epoch === after.epoch) return false;
  const a = leadershipOf(before);
  const b = leadershipOf(after);
  if (a.role !== b.role || a.epoch !== b.epoch) return true;
  return (
    a.role === 'follower' && b.role === 'follower' && (a.leaderId !== b.leaderId || !sameStamp(a.schedule, b.schedule))
  );
}
