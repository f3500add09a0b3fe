import { describe, expect, it } from 'vitest';
import { lan } from '../../src/cluster/gossip/config.ts';
import { type Freshness, freshness } from '../../src/cluster/views.ts';
import { knowsOneAddress, leavesTheDead, neverRefutes, tellsOfNobody } from '../../src/sim/broken.ts';
import { gossipOnly } from '../../src/sim/gossip-only.ts';
import { rough } from '../../src/sim/network.ts';
import { membershipProblem, running } from '../../src/sim/quiet.ts';
import { type SimNode, type StepNode, type World, type WorldOptions, world } from '../../src/sim/world.ts';

const second = 1_000;

function started(options: Partial<WorldOptions> & { seed: number; nodes: number }, step?: StepNode): World {
  const sim = world({ weather: rough, machine: gossipOnly, ...options, ...(step === undefined ? {} : { step }) });
  for (const node of sim.nodes) sim.start(node.index);
  return sim;
}

const problem = (sim: World): string | null => membershipProblem(running(sim));

/** Virtual milliseconds until all hold all for alive; null: not in time. */
const whole = (sim: World, withinMs: number): number | null => sim.runUntil(() => problem(sim) === null, withinMs);

function say(what: string, ms: number | null): void {
  process.stdout.write(`${what}: ${ms === null ? 'never' : `${(ms / second).toFixed(1)} virtual s`}\n`);
}

describe('50 nodes of which each was told of the one before it', () => {
  const line = (step?: StepNode): number | null =>
    whole(started({ seed: 36, nodes: 50, seedsOf: (index) => (index === 0 ? [] : [index - 1]) }, step), 30 * second);

  it('all know all within 30 s, with loss and delay', () => {
    const took = line();
    say('a line of 50', took);
    expect(took).not.toBeNull();
  });

  it('do not, where they tell each other of nobody', () => {
    expect(line(tellsOfNobody)).toBeNull();
  });
});

describe('a node with two addresses whose first one dies', () => {
  /** Within 25 s all hear it at its second address; the most that held it for dead at any moment meanwhile. */
  const dies = (nodes: number, step?: StepNode): { tookMs: number | null; mostDead: number } => {
    const sim = started({ seed: 38, nodes, networks: 2 }, step);
    if (whole(sim, 60 * second) === null) throw new Error(`no whole: ${problem(sim)}`);
    const [, node] = sim.nodes;
    if (node === undefined) throw new Error('no node');
    const others = sim.nodes.filter((other) => other !== node);
    let mostDead = 0;
    sim.net.silent.add(node.addr);
    const tookMs = sim.runUntil(() => {
      const views = others.map((other) => other.state?.gossip.peers.get(node.id));
      mostDead = Math.max(mostDead, views.filter((peer) => peer?.record.liveness === 'dead').length);
      return views.every((peer) => peer?.record.liveness === 'alive' && peer.addr === node.addrs[1]);
    }, 25 * second);
    return { tookMs, mostDead };
  };

  it.each([2, 3, 10, 50])(
    'is reached at the second one within 25 s, and is never held for dead, in a cluster of %i',
    (nodes) => {
      const { tookMs, mostDead } = dies(nodes);
      say(`the second address, ${nodes} nodes`, tookMs);
      expect(tookMs).not.toBeNull();
      expect(mostDead).toBe(0);
    },
  );

  it('is lost, where others know the first one only', () => {
    const { tookMs, mostDead } = dies(3, knowsOneAddress);
    expect(tookMs).toBeNull();
    expect(mostDead).toBeGreaterThan(0);
  });

  it('is found at the second one even after it was held for dead', () => {
    const sim = started({ seed: 39, nodes: 5, networks: 2 });
    if (whole(sim, 60 * second) === null) throw new Error(`no whole: ${problem(sim)}`);
    const [node, ...others] = sim.nodes;
    if (node === undefined) throw new Error('no node');
    for (const addr of node.addrs) sim.net.silent.add(addr);
    const dead = sim.runUntil(() => membershipProblem(others, [node]) === null, 60 * second);
    expect(dead).not.toBeNull();
    sim.net.silent.delete(node.addrs[1] ?? '');
    const took = whole(sim, 60 * second);
    say('back at the second address', took);
    expect(took).not.toBeNull();
  });
});

/** Introduced once, by nothing that is tried again. */
function introduced(seed: number, nodes: number, step?: StepNode): World {
  const sim = started({ seed, nodes, seedsOf: () => [] }, step);
  for (const node of sim.nodes.slice(1)) sim.tell(node.index, { kind: 'add-host', addr: sim.nodes[0]?.addr ?? '' });
  if (whole(sim, 60 * second) === null) throw new Error(`no whole: ${problem(sim)}`);
  return sim;
}

describe('halves that cannot hear each other for ten minutes', () => {
  const heal = (nodes: number, step?: StepNode): number | null => {
    const sim = introduced(40, nodes, step);
    const [left, right] = [sim.nodes.slice(0, nodes / 2), sim.nodes.slice(nodes / 2)];
    sim.net.groups = sim.nodes.map(({ index }) => (index < nodes / 2 ? 0 : 1));
    sim.runTo(sim.nowMs() + 620 * second);
    expect([membershipProblem(left, right), membershipProblem(right, left)]).toEqual([null, null]);
    expect(
      new Set([...left.flatMap((node) => shown(sim, node, right)), ...right.flatMap((node) => shown(sim, node, left))]),
    ).toEqual(new Set(['stale']));
    sim.net.groups = null;
    return whole(sim, 60 * second);
  };

  it('each see their own alive and the others dead and stale, and are whole again within 60 s', () => {
    const took = heal(20);
    say('halves of 20 healed', took);
    expect(took).not.toBeNull();
  }, 120_000);

  it('stay apart, where nobody knocks at the dead', () => {
    expect(heal(10, leavesTheDead)).toBeNull();
  });
});

describe('nodes that restart all at once while others hold them for dead at a high incarnation', () => {
  // memberlist's pull request 345: each comes back at incarnation 0, and the word against it is at 20.
  const restart = (step?: StepNode): number | null => {
    const sim = introduced(345, 20, step);
    const back = sim.nodes.slice(10);
    for (let errors = 1; errors <= 20; errors += 1) for (const node of back) sim.announce(node.index, null, errors);
    sim.runTo(sim.nowMs() + 10 * second);
    for (const node of back) sim.crash(node.index);
    const dead = sim.runUntil(() => membershipProblem(sim.nodes.slice(0, 10), back) === null, 120 * second);
    if (dead === null) throw new Error(`not dead: ${membershipProblem(sim.nodes.slice(0, 10), back)}`);
    for (const node of back) sim.start(node.index);
    for (const node of back) sim.tell(node.index, { kind: 'add-host', addr: sim.nodes[0]?.addr ?? '' });
    const took = whole(sim, 60 * second);
    const known = sim.nodes[0]?.state?.gossip.peers.get(back[0]?.id ?? '')?.record;
    if (took !== null) expect(known?.incarnation).toBeGreaterThan(20);
    return took;
  };

  it('hear of it, object, and are alive to all within 60 s', () => {
    const took = restart();
    say('a mass restart', took);
    expect(took).not.toBeNull();
  });

  it('stay dead, where they do not hear what is said of them', () => {
    expect(restart(neverRefutes)).toBeNull();
  });
});

describe('a node that is alone', () => {
  it('keeps the others’ addresses however long they are gone, and has them back when they come', () => {
    const sim = started({
      seed: 41,
      nodes: 3,
      seedsOf: () => [],
      gossip: { forgetMs: 60 * second, collectIntervalMs: 10 * second },
    });
    const [first, ...others] = sim.nodes;
    if (first === undefined) throw new Error('no node');
    for (const node of others) sim.tell(node.index, { kind: 'add-host', addr: first.addr });
    expect(whole(sim, 60 * second)).not.toBeNull();
    for (const node of others) sim.crash(node.index);
    sim.runTo(sim.nowMs() + 600 * second);
    expect(first.state?.gossip.peers.size).toBe(2);
    // They remember nothing: the first one's knocking is all there is.
    for (const node of others) sim.start(node.index);
    expect(whole(sim, 60 * second)).not.toBeNull();
  });

  it('knocks at an address that was never reached once a minute, for ever', () => {
    const sim = started({ seed: 42, nodes: 2, seedsOf: () => [] });
    const [first, late] = sim.nodes;
    if (first === undefined || late === undefined) throw new Error('no node');
    sim.crash(late.index);
    sim.tell(first.index, { kind: 'add-host', addr: late.addr });
    sim.runTo(7_200 * second);
    sim.start(late.index);
    expect(whole(sim, 100 * second)).not.toBeNull();
  });
});

/** How `others` look to a node: by silence, as pages show it. */
function shown(sim: World, node: SimNode, others: readonly SimNode[]): (Freshness | 'unknown')[] {
  const nowMs = node.clock.zeroMs + sim.nowMs() * node.clock.rate;
  return others.map(({ id }) => {
    const peer = node.state?.gossip.peers.get(id);
    return peer === undefined ? 'unknown' : freshness(lan, nowMs - peer.lastSignMs);
  });
}
