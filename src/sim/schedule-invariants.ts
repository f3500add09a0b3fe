import { hashJson, type JsonObject } from '../verwalter/canonical.ts';
import type { ScheduleStamp } from '../verwalter/ports.ts';
import type { Effect, Event, State } from '../verwalter/state.ts';
import { InvariantBroken } from './invariants.ts';
import { type Choice, doneIn } from './scheduler.ts';
import type { SimNode, World } from './world.ts';

/** Something that a person asked of a node. */
interface Asked {
  readonly choice: Choice;
  readonly life: number;
  readonly atMs: number;
  status: 'asked' | 'queued' | 'answered' | 'refused';
  id: number | null;
}

export interface ScheduleChecker {
  started(node: SimNode): void;
  asked(node: SimNode, ticket: number, choice: Choice): void;
  observe(world: World, node: SimNode, before: State, event: Event, after: State, effects: readonly Effect[]): void;
  /** Throws where somebody was told that his wish is accepted, and heard nothing of it although the node lives on. */
  finish(world: World): void;
  /** SHA-256 of what was hashed before is known. */
  hashOf(data: JsonObject): string;
  /** Hashes of the parents of each round that began, the last one last. */
  readonly rounds: { readonly atMs: number; readonly node: number; readonly parents: readonly string[] }[];
  readonly counts: { answered: number; refused: number; rounds: number; merges: number; rendered: number };
}

/** Of a quiet cluster: a round comes every few seconds, and takes them all. */
const answeredWithinMs = 15_000;

export function scheduleChecker(): ScheduleChecker {
  /** "epoch origin timestamp hash" of what leaders have made. */
  const made = new Set<string>();
  const hashes = new WeakMap<JsonObject, string>();
  const asked = new Map<string, Map<number, Asked>>();
  const rounds: ScheduleChecker['rounds'] = [];
  const counts = { answered: 0, refused: 0, rounds: 0, merges: 0, rendered: 0 };

  const hashOf = (data: JsonObject): string => {
    const known = hashes.get(data);
    if (known !== undefined) return known;
    const hash = hashJson(data);
    hashes.set(data, hash);
    return hash;
  };

  const key = (epoch: number, { origin, timestamp, hash }: ScheduleStamp): string =>
    `${epoch} ${origin} ${timestamp} ${hash}`;

  return {
    rounds,
    counts,
    hashOf,
    started(node) {
      // Who waited at a node that crashed has seen his connection break.
      asked.delete(node.id);
    },
    asked(node, ticket, choice) {
      const own = asked.get(node.id) ?? new Map<number, Asked>();
      own.set(ticket, { choice, life: node.life, atMs: 0, status: 'asked', id: null });
      asked.set(node.id, own);
    },
    observe(world, node, before, event, after, effects) {
      const broken = (invariant: string, detail: string): InvariantBroken =>
        new InvariantBroken(invariant, world.nowMs(), `node ${node.index}: ${detail}`);
      if (event.type === 'cluster' && event.leadership.role === 'none' && after.phase.kind !== 'unstable') {
        throw broken('without a leader a node says that it is unstable', `is ${after.phase.kind}`);
      }
      if (after.leadership.role === 'none' && after.lastKnown !== before.lastKnown) {
        throw broken(
          'without a leader a node keeps its schedule',
          `${before.lastKnown?.hash} to ${after.lastKnown?.hash}`,
        );
      }
      for (const effect of effects) {
        switch (effect.type) {
          case 'start-round': {
            counts.rounds += 1;
            if (effect.parents.length > 1) counts.merges += 1;
            const parents = effect.parents.map(({ hash }) => hash);
            rounds.push({ atMs: world.nowMs(), node: node.index, parents });
            if (rounds.length > 100) rounds.shift();
            if (new Set(parents).size !== parents.length) throw broken('no parent comes twice', parents.join(', '));
            for (const [index, parent] of effect.parents.entries()) {
              const next = effect.parents[index + 1];
              if (next !== undefined && next.timestamp > parent.timestamp) {
                throw broken('parents come newest first', `${parent.timestamp} before ${next.timestamp}`);
              }
              if (hashOf(parent.data) !== parent.hash) throw broken('parents have the hash they claim', parent.hash);
            }
            break;
          }
          case 'announce': {
            const { stamp } = effect;
            if (stamp === null || after.leadership.role !== 'leader' || stamp.origin !== node.id) break;
            const parents = before.phase.kind === 'leading' ? before.phase.parents : [];
            const late = parents.find(({ timestamp }) => timestamp >= stamp.timestamp);
            if (late !== undefined) {
              throw broken('a stamp is newer than its parents’', `${stamp.timestamp} after ${late.timestamp}`);
            }
            made.add(key(after.leadership.epoch, stamp));
            break;
          }
          case 'render': {
            counts.rendered += 1;
            const { schedule } = effect;
            const { leadership } = after;
            if (leadership.role === 'none') throw broken('without a leader nothing is rendered', schedule.hash);
            const fromLeader = leadership.role === 'leader' || schedule.origin === leadership.leaderId;
            if (hashOf(schedule.data) !== schedule.hash || !fromLeader || !made.has(key(leadership.epoch, schedule))) {
              throw broken('only verified bodies of the leader are rendered', `${schedule.hash} of ${schedule.origin}`);
            }
            break;
          }
          case 'action-queued':
          case 'action-refused': {
            const one = asked.get(node.id)?.get(effect.ticket);
            if (one === undefined) break;
            if (effect.type === 'action-queued')
              Object.assign(one, { id: effect.id, status: 'queued', atMs: world.nowMs() });
            else one.status = 'refused';
            break;
          }
          case 'action-answered': {
            const one = [...(asked.get(node.id)?.values() ?? [])].find(
              ({ id, status }) => id === effect.id && status === 'queued',
            );
            if (one === undefined) break;
            one.status = effect.status >= 400 ? 'refused' : 'answered';
            if (one.status === 'answered') counts.answered += 1;
            else counts.refused += 1;
            const data = after.lastKnown?.data;
            const isIn = data !== undefined && doneIn(data).includes(one.choice.key);
            if (one.status === 'answered' && !isIn) {
              throw broken('an accepted action is in a schedule or refused', `${one.choice.key} is in none`);
            }
            break;
          }
          case 'fetch':
          case 'persist':
          case 'may-lead':
            break;
          default:
            effect satisfies never;
        }
      }
    },
    finish(world) {
      for (const node of world.nodes) {
        for (const { status, choice, life, atMs } of asked.get(node.id)?.values() ?? []) {
          if (node.state === null || node.life !== life || status !== 'queued') continue;
          if (world.nowMs() - atMs < answeredWithinMs) continue;
          const detail = `node ${node.index}: nobody answers ${choice.key}`;
          throw new InvariantBroken('an accepted action is in a schedule or refused', world.nowMs(), detail);
        }
      }
    },
  };
}
