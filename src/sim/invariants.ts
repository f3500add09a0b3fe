import type { ElectionConfig } from '../cluster/election/config.ts';
import { quorum } from '../cluster/election/quorum.ts';
import { VersionedMap } from '../cluster/gossip/versioned-map.ts';
import type { NodeEffect, NodeEvent, NodeState } from '../cluster/node.ts';
import { reachOf } from './reach.ts';
import type { SimNode, World } from './world.ts';

/** A promise of the protocol was broken: the run's seed shows how. */
export class InvariantBroken extends Error {
  readonly invariant: string;

  constructor(invariant: string, atMs: number, detail: string) {
    super(`${invariant} at ${(atMs / 1000).toFixed(3)} s: ${detail}`);
    this.name = 'InvariantBroken';
    this.invariant = invariant;
  }
}

/** Of a node that is slow to read and slow to act: faults.ts; and clocks that run apart by half a percent. */
const mostLagMs = 700;

/** One leadership as it was won. */
interface Won {
  readonly node: SimNode;
  readonly life: number;
  readonly votes: ReadonlySet<string>;
  /** Starts of each voter so far: an earlier life's vote is not this life's. */
  readonly lives: ReadonlyMap<string, number>;
  /** All that the winner knew of, itself included. */
  readonly known: ReadonlySet<string>;
}

export interface Checker {
  started(node: SimNode): void;
  /** Nodes or the network between them may be other than before. */
  moved(): void;
  observe(
    world: World,
    node: SimNode,
    before: NodeState,
    event: NodeEvent,
    after: NodeState,
    effects: readonly NodeEffect[],
  ): void;
  /** Pairs of leaders of one epoch that the specification allows, by reason. */
  readonly allowed: Map<string, number>;
  readonly checks: { steps: number };
}

/** Looks at every step of every node. Knows more than any node does, and trusts none of them. */
export function checker(config: ElectionConfig): Checker {
  const won = new Map<number, Won[]>();
  /** "id life epoch" → target. */
  const votes = new Map<string, string>();
  const incarnations = new Map<string, number>();
  const startedAtMs = new Map<string, number>();
  const allowed = new Map<string, number>();
  const checks = { steps: 0 };
  const reach = reachOf();
  /** By index: how many a node knows, itself included, and since when. */
  const knows: { readonly size: number; readonly sinceMs: number }[] = [];
  /** By index: whom a node follows, in which epoch and life, and since when. */
  const follows: { readonly whom: string; readonly sinceMs: number }[] = [];

  const electedIn = (world: World, node: SimNode, state: NodeState): void => {
    const { epoch, role } = state.election;
    if (role.kind !== 'leader') return;
    const lives = new Map(world.nodes.map((other) => [other.id, other.life]));
    const known = new Set([node.id, ...state.election.peers.keys()]);
    const now: Won = { node, life: node.life, votes: role.votes, lives, known };
    const earlier = won.get(epoch) ?? [];
    for (const other of earlier) {
      const reason = excuse(config, world, epoch, other, now);
      if (reason !== null) {
        allowed.set(reason, (allowed.get(reason) ?? 0) + 1);
        continue;
      }
      throw new InvariantBroken(
        'at most one leader per epoch',
        world.nowMs(),
        `epoch ${epoch}: node ${other.node.index} (votes ${names(world, other.votes)}) and node ${node.index} (votes ${names(world, now.votes)})`,
      );
    }
    won.set(epoch, [...earlier, now]);
  };

  /** What who is cut off must have found out by itself: spec/verwalter.md 4.5. */
  const alone = (world: World, node: SimNode, { election }: NodeState): [invariant: string, detail: string] | null => {
    reach.look(world);
    const nowMs = world.nowMs();
    const size = election.peers.size + 1;
    const known = knows[node.index];
    if (known?.size !== size) knows[node.index] = { size, sinceMs: nowMs };
    const { role } = election;
    const slackMs = config.peersFreshMs + reach.mostDelayMs() + mostLagMs;
    if (role.kind !== 'follower') delete follows[node.index];
    if (role.kind === 'follower') {
      const whom = `${role.leader} ${election.epoch} ${node.life}`;
      if (follows[node.index]?.whom !== whom) follows[node.index] = { whom, sinceMs: nowMs };
      const sinceMs = nowMs - (config.intervalMs[1] + slackMs);
      // Who cannot hear it may be told of it by others, and follows it for one interval; who stood still reads what the
      // leader sent meanwhile.
      if (Math.max(follows[node.index]?.sinceMs ?? nowMs, node.pausedUntilMs) > sinceMs) return null;
      if (reach.wasWhole()) return null;
      const leader = world.nodes.find(({ id }) => id === role.leader);
      if (leader === undefined || reach.together(node.index, leader.index, sinceMs)) return null;
      return ['a minority has no leader', `follows node ${leader.index}, from which it is cut off`];
    }
    if (role.kind !== 'leader' || config.forceLeader || config.allowMinority || config.expectedPeers !== null)
      return null;
    // Nobody has to know better about what it has just heard of.
    const sinceMs = nowMs - (config.leaseMs + config.heartbeatMs + slackMs);
    const needed = quorum(size);
    const most = reach.mostTalking(node.index, sinceMs);
    if (known?.size !== size || known.sinceMs > sinceMs || most >= needed) return null;
    return ['a leader holds a majority', `leads, could talk with ${most} of the ${needed} that it needs`];
  };

  return {
    allowed,
    checks,
    moved: reach.moved,
    started(node) {
      if (node.state !== null) startedAtMs.set(node.id, node.state.election.startedMs);
      incarnations.set(node.id, Math.max(incarnations.get(node.id) ?? 0, 0));
    },
    observe(world, node, before, _event, after, effects) {
      checks.steps += 1;
      const { election, gossip } = after;
      const broken = (invariant: string, detail: string): InvariantBroken =>
        new InvariantBroken(invariant, world.nowMs(), `node ${node.index}: ${detail}`);

      if (election.epoch < before.election.epoch) {
        throw broken('epochs never fall', `${before.election.epoch} to ${election.epoch}`);
      }
      const wasLeader = before.election.role.kind === 'leader' && before.election.epoch === election.epoch;
      if (election.role.kind === 'leader' && !wasLeader) electedIn(world, node, after);
      if (election.role.kind === 'follower' && election.role !== before.election.role) {
        const { leader } = election.role;
        if (!(won.get(election.epoch) ?? []).some((each) => each.node.id === leader)) {
          throw broken('who is followed was elected', `follows ${leader} in epoch ${election.epoch}`);
        }
      }

      const problem = alone(world, node, after);
      if (problem !== null) throw broken(...problem);

      const ownMost = Math.max(incarnations.get(node.id) ?? 0, gossip.self.incarnation);
      incarnations.set(node.id, ownMost);
      if (gossip.peers !== before.gossip.peers) {
        for (const id of touched(before.gossip.peers, gossip.peers)) {
          const peer = gossip.peers.get(id);
          if (peer === undefined) continue;
          if (id === node.id) throw broken('no node is its own peer', id);
          if (peer.record.incarnation > (incarnations.get(id) ?? 0)) {
            throw broken('only a node itself raises its incarnation', `holds ${peer.record.incarnation} of ${id}`);
          }
        }
      }

      for (const effect of effects) {
        if (effect.kind !== 'send' || effect.packet.channel !== 'election') continue;
        const { message } = effect.packet;
        if (message.kind !== 'vote') continue;
        const key = `${node.id} ${node.life} ${message.epoch}`;
        const earlier = votes.get(key);
        if (earlier !== undefined && earlier !== message.target) {
          throw broken('one vote per epoch', `epoch ${message.epoch}: for ${earlier} and for ${message.target}`);
        }
        votes.set(key, message.target);
        // Both on the node's own clock.
        const age = world.nowMs() * node.clock.rate + node.clock.zeroMs - (startedAtMs.get(node.id) ?? 0);
        if (age < config.intervalMs[1]) {
          throw broken('no vote in the first election interval', `${age.toFixed(0)} ms after its start`);
        }
      }
    },
  };
}

/** Ids whose peers may differ; all, where the maps do not know. */
function touched<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>): Iterable<string> {
  return (before instanceof VersionedMap ? before.touchedUntil(after) : null) ?? after.keys();
}

/** Why the specification allows these two leaders of one epoch; null: it does not. */
function excuse(config: ElectionConfig, world: World, epoch: number, first: Won, second: Won): string | null {
  if (config.forceLeader) return 'forced leader';
  // spec/verwalter.md 4.3: a node that knows of nobody leads itself.
  if (first.known.size === 1 || second.known.size === 1) return 'one of them knew nobody';
  const shared = [...first.votes].filter((id) => second.votes.has(id));
  const sameLife = shared.filter((id) => first.lives.get(id) === second.lives.get(id));
  if (sameLife.length > 0) return null;
  // Votes are kept in memory only: a voter that restarted may vote again. By then the first must be gone, unless the
  // voter, who forgot the others too, now counts a majority of fewer nodes.
  if (shared.length > 0 && !isLeading(world, first, epoch))
    return 'a voter forgot in a restart, the first leader was gone';
  if (shared.length === 0 && config.allowMinority) return 'minority clusters';
  if (config.expectedPeers !== null) return null;
  const sameView = first.known.size === second.known.size && [...first.known].every((id) => second.known.has(id));
  return sameView ? null : 'they did not know the same nodes';
}

function isLeading(world: World, won: Won, epoch: number): boolean {
  const { node } = won;
  if (node.state === null || node.life !== won.life || node.pausedUntilMs > world.nowMs()) return false;
  return node.state.election.role.kind === 'leader' && node.state.election.epoch === epoch;
}

const names = (world: World, ids: ReadonlySet<string>): string =>
  world.nodes
    .filter((node) => ids.has(node.id))
    .map((node) => node.index)
    .join(',');
