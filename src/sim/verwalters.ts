import { leadershipOf } from '../cluster/leadership.ts';
import type { NodeEffect } from '../cluster/node.ts';
import { memberOf } from '../cluster/views.ts';
import type { Json } from '../verwalter/canonical.ts';
import type { ScheduleStamp } from '../verwalter/ports.ts';
import type { Schedule } from '../verwalter/schedule.ts';
import { type Effect, type Env, type Event, initialState, type State, type Step } from '../verwalter/state.ts';
import { step as stepVerwalter } from '../verwalter/step.ts';
import { type Random, seeded } from './random.ts';
import { type ScheduleChecker, scheduleChecker } from './schedule-invariants.ts';
import { type Choice, type Decide, mergeByStamp } from './scheduler.ts';
import type { Companion, SimNode, World } from './world.ts';

export type StepVerwalter = (state: State, event: Event, env: Env) => Step;

/** Verwalter of one simulated node: its machine, its disk, and what it last rendered. */
export interface SimVerwalter {
  readonly state: State;
  /** Outlives a crash. */
  readonly disk: Schedule | null;
  readonly rendered: Schedule | null;
}

export interface Verwalters extends Companion {
  readonly checker: ScheduleChecker;
  /** Null: the node does not run. */
  of(node: SimNode): SimVerwalter | null;
  /** A person's word to a node, leader or not. */
  act(world: World, index: number, choice: Choice): void;
  /** Whether rounds fail and bodies are damaged now and then; from the start they do. */
  faults(on: boolean): void;
}

export interface VerwaltersOptions {
  readonly seed: number;
  readonly step?: StepVerwalter;
  readonly decide?: Decide;
  /** What a node's disk holds at its first start; default: nothing. */
  readonly disk?: (index: number) => Schedule | null;
  /** False: this node gossips, and answers nobody who asks it for a body. */
  readonly serves?: (index: number) => boolean;
}

/** As in the shell of verwalter. */
const tickMs = 100;
const fetchTimeoutMs = 3_000;
/** TCP sends again what is lost. */
const resendsMs = [0, 200, 600, 1_400];

interface Mutable {
  life: number;
  state: State;
  disk: Schedule | null;
  rendered: Schedule | null;
  stamp: ScheduleStamp | null;
  announced: string;
  looks: boolean;
}

export function verwalters({
  seed,
  step = stepVerwalter,
  decide = mergeByStamp,
  disk: first = () => null,
  serves = () => true,
}: VerwaltersOptions): Verwalters {
  const all = new Map<string, Mutable>();
  const random: Random = seeded(seed ^ 0x5c4ed);
  const checker = scheduleChecker();
  let faulty = true;
  let ticket = 0;

  const dispatch = (world: World, node: SimNode, event: Event): void => {
    const own = all.get(node.id);
    if (own === undefined || node.state === null) return;
    const before = own.state;
    const { state, effects } = step(before, event, world.envOf(node.index));
    own.state = state;
    checker.observe(world, node, before, event, state, effects);
    for (const effect of effects) perform(world, node, own, effect);
    const key = JSON.stringify(own.stamp);
    if (key === own.announced) return;
    own.announced = key;
    world.announce(node.index, own.stamp, 0);
  };

  const perform = (world: World, node: SimNode, own: Mutable, effect: Effect): void => {
    switch (effect.type) {
      case 'fetch':
        fetchBody(world, node, effect);
        return;
      case 'start-round': {
        const fails = faulty && random() < 0.1;
        world.later(node.index, 20 + random() * 300, () => {
          const { round } = effect;
          if (fails) {
            dispatch(world, node, { type: 'round-failed', round, error: 'the dice said so' });
            return;
          }
          const { data, answers } = decide(effect.parents, effect.actions, world.envOf(node.index).wallMs);
          dispatch(world, node, { type: 'round-done', round, data, hash: checker.hashOf(data), answers });
        });
        return;
      }
      case 'may-lead':
        world.tell(node.index, { kind: 'willing', willing: effect.allowed });
        return;
      case 'announce':
        own.stamp = effect.stamp;
        return;
      case 'persist':
        own.disk = effect.schedule;
        return;
      case 'render':
        own.rendered = effect.schedule;
        return;
      case 'action-queued':
      case 'action-refused':
      case 'action-answered':
        return;
      default:
        effect satisfies never;
    }
  };

  /** How long a segment and its repetitions take; null: none arrives. */
  const travels = (world: World, from: SimNode, to: SimNode): number | null => {
    for (const sentMs of resendsMs) {
      const [delay] = world.net.pass(from.index, to.index);
      if (delay !== undefined) return sentMs + delay;
    }
    return null;
  };

  const fetchBody = (
    world: World,
    node: SimNode,
    { request, addr, hash }: Extract<Effect, { type: 'fetch' }>,
  ): void => {
    let over = false;
    const end = (event: Event): void => {
      if (over) return;
      over = true;
      dispatch(world, node, event);
    };
    world.later(node.index, fetchTimeoutMs, () => end({ type: 'fetch-failed', request, error: 'no answer in time' }));
    const to = world.nodes.find((other) => other.addr === addr);
    const there = to === undefined ? null : travels(world, node, to);
    if (to === undefined || there === null || !serves(to.index)) return;
    world.later(to.index, there, () => {
      const theirs = all.get(to.id)?.state;
      const body = theirs?.store.find((schedule) => schedule.hash === hash) ?? theirs?.lastKnown ?? null;
      const back = travels(world, to, node);
      if (back === null) return;
      world.later(node.index, back, () => {
        if (body === null) end({ type: 'fetch-failed', request, error: '404' });
        else end({ type: 'fetched', request, body: faulty && random() < 0.1 ? damaged(body, random) : body });
      });
    });
  };

  const look = (world: World, node: SimNode): void => {
    if (node.state === null) return;
    const { nowMs, wallMs } = world.envOf(node.index);
    const members = [...node.state.gossip.peers.values()].map((peer) => memberOf(peer, wallMs - nowMs));
    dispatch(world, node, { type: 'cluster', leadership: leadershipOf(node.state.election), members });
  };

  const tick = (world: World, node: SimNode): void => {
    if (all.get(node.id)?.state.phase.kind === 'gathering') look(world, node);
    dispatch(world, node, { type: 'tick' });
    world.later(node.index, tickMs, () => tick(world, node));
  };

  return {
    checker,
    started(world, node) {
      const disk = all.has(node.id) ? (all.get(node.id)?.disk ?? null) : first(node.index);
      const settings = { selfId: node.id, roundIntervalMs: 5_000, maxShrink: 0.5 };
      const state = initialState(settings, disk);
      const stamp = disk === null ? null : { timestamp: disk.timestamp, hash: disk.hash, origin: disk.origin };
      const own: Mutable = { life: node.life, state, disk, rendered: null, stamp, announced: '', looks: false };
      all.set(node.id, own);
      checker.started(node);
      world.tell(node.index, { kind: 'willing', willing: false });
      // Loading a scheduler takes its time.
      world.later(node.index, 100 + random() * 2_000, () => {
        dispatch(world, node, { type: 'changed', reason: 'scheduler' });
      });
      look(world, node);
      world.later(node.index, random() * tickMs, () => tick(world, node));
    },
    stepped(world, node, effects: readonly NodeEffect[]) {
      const own = all.get(node.id);
      if (own === undefined || own.looks || own.life !== node.life) return;
      if (!effects.some(({ kind }) => kind === 'changed')) return;
      // Once after each turn of changes, as the cluster's shell tells of them.
      own.looks = true;
      world.later(node.index, 0, () => {
        own.looks = false;
        look(world, node);
      });
    },
    of(node) {
      return node.state === null ? null : (all.get(node.id) ?? null);
    },
    act(world, index, choice) {
      const node = world.nodes[index];
      if (node === undefined || node.state === null || node.pausedUntilMs > world.nowMs()) return;
      ticket += 1;
      checker.asked(node, ticket, choice);
      dispatch(world, node, { type: 'action', ticket, value: { ...choice } as unknown as Json });
    },
    faults(on) {
      faulty = on;
    },
  };
}

/** What a broken disk or a broken program may send in place of a schedule. */
function damaged(body: Schedule, random: Random): unknown {
  const kind = Math.floor(random() * 3);
  if (kind === 0) return { ...body, data: { ...body.data, damaged: true } };
  if (kind === 1) return { ...body, data: { damaged: true }, hash: '0'.repeat(64) };
  return 'not a schedule';
}
