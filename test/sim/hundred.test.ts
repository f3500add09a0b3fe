import { describe, expect, it } from 'vitest';
import { calm, rough, type Weather } from '../../src/sim/network.ts';
import { leaders, leadershipProblem, membershipProblem, restProblem, running } from '../../src/sim/quiet.ts';
import { type World, world } from '../../src/sim/world.ts';

const nodes = 100;
const second = 1_000;
/** A tenth of all packets lost, some twice, and so late that they overtake each other. */
const bad: Weather = { loss: 0.1, duplication: 0.02, delayMs: [1, 120] };

function started(seed: number, weather: Weather): World {
  const sim = world({ seed, nodes, weather });
  for (const node of sim.nodes) sim.start(node.index);
  return sim;
}

function settle(sim: World, withinMs: number, problem: () => string | null = () => restProblem(sim)): number {
  const took = sim.runUntil(() => problem() === null, withinMs);
  if (took === null) throw new Error(`not within ${withinMs / second} s: ${problem()}`);
  return took;
}

const say = (what: string, ms: number): void => {
  process.stdout.write(`${nodes} nodes: ${what} after ${(ms / second).toFixed(1)} virtual s\n`);
};

describe('100 nodes', { timeout: 120_000 }, () => {
  it('find each other and one leader while a tenth of all packets is lost and the rest is late', () => {
    const sim = started(11, bad);
    say('all know all and one leads', settle(sim, 60 * second));
    // And it stays so: nobody is suspected to death by the loss.
    const [leader] = leaders(sim);
    const deaths = new Set<string>();
    for (let step = 0; step < 120; step += 1) {
      sim.runTo(sim.nowMs() + second);
      for (const node of running(sim)) {
        for (const [id, peer] of node.state?.gossip.peers ?? []) if (peer.record.liveness === 'dead') deaths.add(id);
      }
    }
    expect(deaths.size).toBe(0);
    expect(leaders(sim)).toEqual([leader]);
  });

  it('have another leader within 5 s after a crash of theirs', () => {
    const sim = started(12, rough);
    settle(sim, 60 * second);
    const [first] = leaders(sim);
    if (first === undefined) throw new Error('nobody leads');
    sim.crash(first.index);
    const took = settle(sim, 30 * second, () => leadershipProblem(running(sim)));
    say('the leader’s crash, another one followed by all', took);
    expect(took).toBeLessThan(5 * second);
    say('all hold the first for dead', settle(sim, 60 * second));
  });

  it('split 60 to 40: the larger part leads, the smaller does not, and they heal', () => {
    const sim = started(13, rough);
    settle(sim, 60 * second);
    // The leader is among the few: the many have to find that out.
    const [leader] = leaders(sim);
    const small = sim.nodes
      .filter((node) => node === leader)
      .concat(sim.nodes.filter((node) => node !== leader).slice(60));
    const large = sim.nodes.filter((node) => !small.includes(node));
    expect([small.length, large.length]).toEqual([40, 60]);
    sim.net.groups = sim.nodes.map((node) => (small.includes(node) ? 1 : 0));
    say(
      'split, one leader in the larger part',
      settle(sim, 60 * second, () => leadershipProblem(large)),
    );
    sim.runTo(sim.nowMs() + 60 * second);
    expect(leadershipProblem(large)).toBeNull();
    expect(small.filter((node) => node.state?.election.role.kind === 'leader')).toEqual([]);
    expect(membershipProblem(large, small)).toBeNull();
    sim.net.groups = null;
    say('healed, one leader and all alive', settle(sim, 120 * second));
  });

  it('come back from a restart of all at once', () => {
    const sim = started(14, rough);
    settle(sim, 60 * second);
    const epoch = leaders(sim)[0]?.state?.election.epoch ?? 0;
    for (const node of sim.nodes) sim.crash(node.index);
    sim.runTo(sim.nowMs() + 5 * second);
    for (const node of sim.nodes) sim.start(node.index);
    say('restarted, all know all and one leads', settle(sim, 120 * second));
    expect(epoch).toBeGreaterThan(0);
  });

  it('whose leader hears nobody any more (a one-way cut) get another one', () => {
    const sim = started(15, calm);
    settle(sim, 60 * second);
    const [leader] = leaders(sim);
    if (leader === undefined) throw new Error('nobody leads');
    sim.net.deaf.add(leader.index);
    const others = running(sim).filter((node) => node !== leader);
    say(
      'its leader deaf, one other leads',
      settle(sim, 60 * second, () => leadershipProblem(others)),
    );
  });
});
