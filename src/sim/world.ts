import { type ElectionConfig, election as electionDefaults } from '../cluster/election/config.ts';
import type { Env } from '../cluster/env.ts';
import { type GossipConfig, lan } from '../cluster/gossip/config.ts';
import type { ScheduleStamp } from '../cluster/member.ts';
import {
  type NodeEffect,
  type NodeEvent,
  type NodeOptions,
  type NodeState,
  type NodeStep,
  nodeWakeMs,
  startNode,
  stepNode,
} from '../cluster/node.ts';
import type { Packet } from '../cluster/packet.ts';
import { type Checker, checker } from './invariants.ts';
import { type Network, network, rough, type Weather } from './network.ts';
import { eventQueue } from './queue.ts';
import { type Random, seeded } from './random.ts';

export type StepNode = (state: NodeState, event: NodeEvent, env: Env) => NodeStep;

/** What runs on each node. */
export interface Machine {
  start(options: NodeOptions, env: Env): NodeState;
  readonly step: StepNode;
  wakeMs(state: NodeState): number;
}

const wholeNode: Machine = { start: startNode, step: stepNode, wakeMs: nodeWakeMs };

export interface SimNode {
  readonly index: number;
  readonly id: string;
  readonly addr: string;
  /** One in each of the world's networks, the first one first. */
  readonly addrs: readonly string[];
  /** Null while it does not run. */
  state: NodeState | null;
  /** Counts starts. */
  life: number;
  /** Its own monotonic clock: zero and rate differ from node to node. */
  readonly clock: { readonly zeroMs: number; readonly rate: number };
  /** Its wall clock minus the true one. */
  skewMs: number;
  /** Everything it does comes late by up to this. */
  lagMs: number;
  pausedUntilMs: number;
  /** What came while it was paused: the socket keeps it. */
  readonly backlog: (PacketThere | Call)[];
  wakeAtMs: number;
}

interface PacketThere {
  readonly kind: 'packet';
  readonly from: number;
  readonly addr: string;
  readonly to: number;
  readonly packet: Packet;
}

interface Call {
  readonly kind: 'call';
  readonly node: number;
  readonly life: number;
  readonly act: () => void;
}

/** What runs on each node beside the cluster's machine. */
export interface Companion {
  started(world: World, node: SimNode): void;
  /** The cluster's machine took a step. */
  stepped(world: World, node: SimNode, effects: readonly NodeEffect[]): void;
}

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly weather?: Weather;
  readonly gossip?: Partial<GossipConfig>;
  readonly election?: Partial<ElectionConfig>;
  /** Indices of the nodes that every node is told to join by; default: 0 and 1. */
  readonly seeds?: readonly number[];
  /** The same for each node by itself. */
  readonly seedsOf?: (index: number) => readonly number[];
  /** How many networks there are, in each of which every node has an address; default 1. */
  readonly networks?: number;
  /** The machine; a broken copy shows what the checker can see. */
  readonly step?: StepNode;
  /** Whether the clocks of all nodes begin at 0 with the world, so that what they know may be shared; default false. */
  readonly clocksFromZero?: boolean;
  /** Default: gossip and election, as a node runs them. */
  readonly machine?: Machine;
  /** False: no invariant is looked at, for measuring; default true. */
  readonly checked?: boolean;
  readonly companion?: Companion;
  /** Sees each packet as it leaves, whether or not it arrives. */
  readonly onSend?: (from: SimNode, packet: Packet) => void;
}

export interface World {
  readonly options: WorldOptions;
  readonly nodes: readonly SimNode[];
  readonly net: Network;
  readonly checker: Checker;
  nowMs(): number;
  /** Runs until this moment of virtual time. Throws InvariantBroken. */
  runTo(atMs: number): void;
  /** Runs until the predicate holds, looked at every 50 ms; returns how long that took, null if not within `limitMs`. */
  runUntil(holds: () => boolean, limitMs: number): number | null;
  at(atMs: number, act: () => void): void;
  /** On this node: not while it is paused, never where it has crashed meanwhile. */
  later(index: number, delayMs: number, act: () => void): void;
  start(index: number): void;
  crash(index: number): void;
  pause(index: number, forMs: number): void;
  /** Before its pause is over. */
  resume(index: number): void;
  /** Something that happens to one node from outside, as a person's word. */
  tell(index: number, event: NodeEvent): void;
  announce(index: number, schedule: ScheduleStamp | null, errors: number): void;
  /** The node's own clocks and dice. */
  envOf(index: number): Env;
  stats(): { readonly steps: number; readonly packets: number; readonly lost: number };
  /** Of all that happened so far, in order: equal digests, equal runs. */
  digest(): string;
}

type Happening =
  | { readonly kind: 'wake'; readonly node: number; readonly life: number }
  | { readonly kind: 'resume'; readonly node: number; readonly life: number }
  | PacketThere
  | Call
  | { readonly kind: 'act'; readonly act: () => void };

/** 2001-09-09: any moment would do. */
const epochMs = 1_000_000_000_000;

export function simId(index: number): string {
  // Spread over the id space as machine ids are.
  const random = seeded(0x1d0 + index);
  return Array.from({ length: 4 }, () =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0'),
  ).join('');
}

export const simAddr = (index: number, net = 0): string => `10.${net}.${index >> 8}.${index & 255}:8379`;

export function world(options: WorldOptions): World {
  const machine = options.machine ?? wholeNode;
  const step = options.step ?? machine.step;
  const checked = options.checked ?? true;
  const gossip: GossipConfig = { ...lan, ...options.gossip };
  const election: ElectionConfig = { ...electionDefaults, ...options.election };
  const seedsOf = (index: number): string[] =>
    (options.seedsOf?.(index) ?? options.seeds ?? [0, 1]).map((seed) => simAddr(seed));
  const chance = seeded(options.seed);
  const net = network(options.weather ?? rough, seeded(options.seed ^ 0x5eed));
  const check = checker(election);
  const queue = eventQueue<Happening>();
  const counts = { steps: 0, packets: 0, lost: 0 };
  let now = 0;
  let hash = 0;

  const nodes: SimNode[] = Array.from({ length: options.nodes }, (_, index) => ({
    index,
    id: simId(index),
    addr: simAddr(index),
    addrs: Array.from({ length: options.networks ?? 1 }, (__, net) => simAddr(index, net)),
    state: null,
    life: 0,
    // Clocks of different hosts have nothing in common but their pace, and that only to half a percent.
    clock: { zeroMs: chance() * (options.clocksFromZero === true ? 0 : 1e9), rate: 1 + (chance() - 0.5) / 100 },
    skewMs: 0,
    lagMs: 0,
    pausedUntilMs: 0,
    backlog: [],
    wakeAtMs: Number.POSITIVE_INFINITY,
  }));
  const byAddr = new Map(
    nodes.flatMap((node) =>
      node.addrs.map((addr, net): [string, { to: SimNode; net: number }] => [addr, { to: node, net }]),
    ),
  );
  const randoms: Random[] = nodes.map((node) => seeded(options.seed * 1009 + node.index));

  const envOf = (node: SimNode): Env => ({
    nowMs: node.clock.zeroMs + now * node.clock.rate,
    wallMs: Math.round(epochMs + now + node.skewMs),
    random: randoms[node.index] as Random,
  });

  const mix = (value: number): void => {
    hash = (Math.imul(hash ^ (value >>> 0), 0x01000193) + 0x9e37) >>> 0;
  };

  const schedule = (node: SimNode): void => {
    if (node.state === null) return;
    const local = machine.wakeMs(node.state);
    // Never before it is due by the node's own clock, whatever the rounding.
    const due = Math.max(now, (local - node.clock.zeroMs) / node.clock.rate + 1e-6) + node.lagMs * chance();
    const atMs = Math.max(due, node.pausedUntilMs);
    if (atMs >= node.wakeAtMs) return;
    node.wakeAtMs = atMs;
    queue.push(atMs, { kind: 'wake', node: node.index, life: node.life });
  };

  const deliver = (node: SimNode, effects: readonly NodeEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind !== 'send') continue;
      const found = byAddr.get(effect.addr);
      if (found === undefined) continue;
      const { to } = found;
      counts.packets += 1;
      options.onSend?.(node, effect.packet);
      // As a kernel does it: from the address that is in the network of the receiver's.
      const addr = node.addrs[found.net] ?? node.addr;
      const delays = net.silent.has(addr) || net.silent.has(effect.addr) ? [] : net.pass(node.index, to.index);
      if (delays.length === 0) counts.lost += 1;
      for (const delay of delays) {
        queue.push(now + delay + to.lagMs * chance(), {
          kind: 'packet',
          from: node.index,
          addr,
          to: to.index,
          packet: effect.packet,
        });
      }
    }
  };

  const act = (node: SimNode, event: NodeEvent): void => {
    if (node.state === null) return;
    const before = node.state;
    counts.steps += 1;
    mix(Math.floor(now * 1000));
    mix(node.index);
    const { state, effects } = step(before, event, envOf(node));
    node.state = state;
    mix(effects.length);
    if (checked) check.observe(world, node, before, event, state, effects);
    deliver(node, effects);
    schedule(node);
    options.companion?.stepped(world, node, effects);
  };

  const happen = (happening: Happening): void => {
    switch (happening.kind) {
      case 'act':
        happening.act();
        check.moved();
        return;
      case 'wake': {
        const node = nodes[happening.node];
        if (node === undefined || node.life !== happening.life || node.wakeAtMs !== now) return;
        node.wakeAtMs = Number.POSITIVE_INFINITY;
        if (node.pausedUntilMs > now) schedule(node);
        else act(node, { kind: 'tick' });
        return;
      }
      case 'resume': {
        const node = nodes[happening.node];
        if (node === undefined || node.life !== happening.life || node.pausedUntilMs > now) return;
        node.wakeAtMs = Number.POSITIVE_INFINITY;
        for (const waiting of node.backlog.splice(0)) happen(waiting);
        schedule(node);
        return;
      }
      case 'call': {
        const node = nodes[happening.node];
        if (node === undefined || node.life !== happening.life || node.state === null) return;
        if (node.pausedUntilMs > now) {
          node.backlog.push(happening);
          return;
        }
        mix(Math.floor(now * 1000));
        mix(node.index);
        happening.act();
        return;
      }
      case 'packet': {
        const node = nodes[happening.to];
        const from = nodes[happening.from];
        if (node === undefined || from === undefined || node.state === null) return;
        if (node.pausedUntilMs > now) node.backlog.push(happening);
        else act(node, { kind: 'packet', from: from.id, addr: happening.addr, packet: happening.packet });
        return;
      }
      default:
        happening satisfies never;
    }
  };

  const world: World = {
    options,
    nodes,
    net,
    checker: check,
    nowMs: () => now,
    runTo(atMs) {
      check.moved();
      for (;;) {
        const next = queue.peekMs();
        if (next === null || next > atMs) break;
        const entry = queue.pop();
        if (entry === null) break;
        now = Math.max(now, entry.atMs);
        happen(entry.item);
      }
      now = Math.max(now, atMs);
    },
    runUntil(holds, limitMs) {
      const from = now;
      while (!holds()) {
        if (now - from >= limitMs) return null;
        world.runTo(now + 50);
      }
      return now - from;
    },
    at(atMs, what) {
      queue.push(Math.max(now, atMs), { kind: 'act', act: what });
    },
    later(index, delayMs, what) {
      const node = nodes[index];
      if (node === undefined || node.state === null) return;
      const atMs = now + delayMs + node.lagMs * chance();
      queue.push(atMs, { kind: 'call', node: index, life: node.life, act: what });
    },
    start(index) {
      const node = nodes[index];
      if (node === undefined || node.state !== null) return;
      node.life += 1;
      node.pausedUntilMs = 0;
      node.backlog.length = 0;
      node.wakeAtMs = Number.POSITIVE_INFINITY;
      const names = { hostname: `n${index}`, name: `n${index}.example`, version: '0.1.0' };
      const self = { id: node.id, addr: node.addr, otherAddrs: node.addrs.slice(1), ...names };
      const life = node.life * 1000 + index;
      node.state = machine.start({ self, life, seeds: seedsOf(index), gossip, election }, envOf(node));
      check.started(node);
      check.moved();
      schedule(node);
      options.companion?.started(world, node);
    },
    crash(index) {
      const node = nodes[index];
      if (node !== undefined) node.state = null;
    },
    pause(index, forMs) {
      const node = nodes[index];
      if (node === undefined || now + forMs <= node.pausedUntilMs) return;
      node.pausedUntilMs = now + forMs;
      queue.push(node.pausedUntilMs, { kind: 'resume', node: index, life: node.life });
    },
    resume(index) {
      const node = nodes[index];
      if (node === undefined || node.pausedUntilMs <= now) return;
      node.pausedUntilMs = now;
      happen({ kind: 'resume', node: index, life: node.life });
    },
    tell(index, event) {
      const node = nodes[index];
      if (node !== undefined) act(node, event);
    },
    announce(index, stamp, errors) {
      world.tell(index, { kind: 'announce', schedule: stamp, errors });
    },
    envOf: (index) => envOf(nodes[index] as SimNode),
    stats: () => ({ ...counts }),
    digest: () => hash.toString(16).padStart(8, '0'),
  };
  return world;
}
