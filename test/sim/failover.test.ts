import { expect, it } from 'vitest';
import { leaders, leadershipProblem, restProblem, running } from '../../src/sim/quiet.ts';
import { world } from '../../src/sim/world.ts';

const seeds = 60;
/** What the quickstart promises, DESIGN and the specification's acceptance 5. */
const limitMs = 5_000;

it(`a dead leader is replaced within 5 s, over ${seeds} clusters of three to seven nodes with loss and delay`, () => {
  const times: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const sim = world({ seed, nodes: 3 + (seed % 5) });
    for (const node of sim.nodes) sim.start(node.index);
    if (sim.runUntil(() => restProblem(sim) === null, 60_000) === null) throw new Error(`seed ${seed}: no rest`);
    // At any moment between two pings.
    sim.runTo(sim.nowMs() + seed * 37);
    const [leader] = leaders(sim);
    if (leader === undefined) throw new Error(`seed ${seed}: nobody leads`);
    sim.crash(leader.index);
    const took = sim.runUntil(() => leadershipProblem(running(sim)) === null, 60_000);
    if (took === null) throw new Error(`seed ${seed}: nobody follows`);
    times.push(took);
  }
  times.sort((a, b) => a - b);
  const [median, worst] = [times[seeds >> 1] ?? 0, times[seeds - 1] ?? 0];
  process.stdout.write(`failover: median ${median} ms, worst ${worst} ms of virtual time over ${seeds} seeds\n`);
  expect(worst).toBeLessThan(limitMs);
});
