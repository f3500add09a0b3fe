import type { Weather } from './network.ts';
import { type Random, seeded } from './random.ts';
import type { World } from './world.ts';

/** What may happen to a cluster, as data: a plan can be printed, read and played again. */
export type Fault =
  | { readonly kind: 'crash'; readonly node: number; readonly forMs: number }
  /** Of the whole cluster at once; it comes back node by node. */
  | { readonly kind: 'blackout'; readonly backAfterMs: readonly number[] }
  | { readonly kind: 'pause'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'partition'; readonly groups: readonly number[]; readonly forMs: number }
  | { readonly kind: 'deaf'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'mute'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'cut'; readonly from: number; readonly to: number; readonly forMs: number }
  | { readonly kind: 'slow'; readonly node: number; readonly lagMs: number; readonly forMs: number }
  | { readonly kind: 'skew'; readonly node: number; readonly byMs: number }
  | { readonly kind: 'weather'; readonly weather: Weather; readonly forMs: number };

export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/** Faults at random moments, several at a time; memory is lost in every crash. */
export function randomPlan(seed: number, nodes: number, fromMs: number, toMs: number): PlannedFault[] {
  const random = seeded(seed ^ 0xfa17);
  const plan: PlannedFault[] = [];
  let atMs = fromMs;
  for (;;) {
    atMs += 200 + random() * 6_000;
    if (atMs >= toMs) return plan;
    plan.push({ atMs: Math.round(atMs), fault: randomFault(random, nodes) });
  }
}

function randomFault(random: Random, nodes: number): Fault {
  const below = (most: number): number => Math.floor(random() * most);
  const node = below(nodes);
  // Mostly about as long as the protocol's own timers, where mistakes live.
  const forMs = Math.round(100 + random() ** 3 * 20_000);
  switch (below(10)) {
    case 0:
    case 1:
      return { kind: 'crash', node, forMs };
    case 2:
      return { kind: 'pause', node, forMs };
    case 3:
      return { kind: 'partition', groups: partition(random, nodes), forMs };
    case 4:
      return { kind: 'deaf', node, forMs };
    case 5:
      return { kind: 'mute', node, forMs };
    case 6:
      return { kind: 'cut', from: node, to: below(nodes), forMs };
    case 7:
      return random() < 0.5
        ? { kind: 'slow', node, lagMs: Math.round(random() * 300), forMs }
        : { kind: 'skew', node, byMs: Math.round((random() - 0.5) * 7_200_000) };
    case 8:
      // Rarely: after it there is nothing left to go wrong for a while.
      if (random() < 0.2) {
        return { kind: 'blackout', backAfterMs: Array.from({ length: nodes }, () => Math.round(random() * 8_000)) };
      }
      return { kind: 'partition', groups: partition(random, nodes), forMs };
    default: {
      const loss = random() * 0.5;
      // Now and then packets of a time that is long over: a queue on the way that fills.
      const most = random() < 0.15 ? random() * 5_000 : 1 + random() * 200;
      return { kind: 'weather', weather: { loss, duplication: random() * 0.1, delayMs: [0.2, most] }, forMs };
    }
  }
}

/** Mostly in two; at times of few against many, at times in four. */
function partition(random: Random, nodes: number): number[] {
  const parts = random() < 0.7 ? 2 : 3 + Math.floor(random() * 2);
  const share = random() < 0.5 ? 1 / parts : 0.2 + random() * 0.6;
  return Array.from({ length: nodes }, () => (random() < share ? 0 : 1 + Math.floor(random() * (parts - 1))));
}

/** Puts a plan's faults and their ends into the world's queue. */
export function apply(world: World, plan: readonly PlannedFault[]): void {
  for (const { atMs, fault } of plan) world.at(atMs, () => strike(world, fault));
}

function strike(world: World, fault: Fault): void {
  const { net } = world;
  const endMs = world.nowMs() + ('forMs' in fault ? fault.forMs : 0);
  switch (fault.kind) {
    case 'crash':
      world.crash(fault.node);
      world.at(endMs, () => world.start(fault.node));
      return;
    case 'blackout':
      for (const [index, afterMs] of fault.backAfterMs.entries()) {
        world.crash(index);
        world.at(world.nowMs() + afterMs, () => world.start(index));
      }
      return;
    case 'pause':
      world.pause(fault.node, fault.forMs);
      return;
    case 'partition': {
      const { groups } = fault;
      net.groups = groups;
      world.at(endMs, () => {
        // A later partition has its own end.
        if (net.groups === groups) net.groups = null;
      });
      return;
    }
    case 'deaf':
      net.deaf.add(fault.node);
      world.at(endMs, () => net.deaf.delete(fault.node));
      return;
    case 'mute':
      net.mute.add(fault.node);
      world.at(endMs, () => net.mute.delete(fault.node));
      return;
    case 'cut': {
      const pair = `${fault.from}>${fault.to}`;
      net.cut.add(pair);
      world.at(endMs, () => net.cut.delete(pair));
      return;
    }
    case 'slow': {
      const node = world.nodes[fault.node];
      if (node === undefined) return;
      node.lagMs = fault.lagMs;
      world.at(endMs, () => {
        node.lagMs = 0;
      });
      return;
    }
    case 'skew': {
      const node = world.nodes[fault.node];
      if (node !== undefined) node.skewMs += fault.byMs;
      return;
    }
    case 'weather': {
      const before = net.weather;
      net.weather = fault.weather;
      world.at(endMs, () => {
        if (net.weather === fault.weather) net.weather = before;
      });
      return;
    }
    default:
      fault satisfies never;
  }
}

/** Ends every fault at once: from here on the cluster has to come to rest. */
export function calmDown(world: World, weather: Weather): void {
  const { net } = world;
  net.groups = null;
  net.deaf.clear();
  net.mute.clear();
  net.cut.clear();
  net.weather = weather;
  for (const node of world.nodes) {
    node.lagMs = 0;
    world.resume(node.index);
    world.start(node.index);
  }
}
