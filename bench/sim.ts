import type { NodeState } from '../src/cluster/node.ts';
import { acquaint } from '../src/sim/acquainted.ts';
import { rough } from '../src/sim/network.ts';
import { eventQueue } from '../src/sim/queue.ts';
import { seeded } from '../src/sim/random.ts';
import { world } from '../src/sim/world.ts';
import { type BenchRow, benchRow, median } from './row.ts';

/** Virtual time; a thousand nodes take some thirty steps a second each. */
const sizes = [
  { nodes: 5, virtualMs: 600_000, rounds: 5 },
  { nodes: 101, virtualMs: 15_000, rounds: 3 },
  { nodes: 1_000, virtualMs: 1_000, rounds: 1 },
] as const;
/** All have elected by then. */
const warmUpMs = 12_000;
/** A thousand nodes need none: what is measured is gossip at rest, and the election's first steps. */
const mostWarmNodes = 101;

interface Run {
  readonly seconds: number;
  readonly steps: number;
}

function simulate(nodes: number, virtualMs: number, checked: boolean, seed: number): Run {
  const sim = world({ seed, nodes, weather: rough, clocksFromZero: true, checked });
  acquaint(sim);
  if (nodes <= mostWarmNodes) sim.runTo(warmUpMs);
  const before = sim.stats().steps;
  const seconds = processorTime(() => sim.runTo(sim.nowMs() + virtualMs));
  return { seconds, steps: sim.stats().steps - before };
}

/** As many happenings through the same queue and the same dice, at nodes without a machine: what the world itself costs. */
function bareLoop(nodes: number, virtualMs: number, steps: number, seed: number): number {
  const random = seeded(seed);
  const queue = eventQueue<{ readonly node: number; readonly state: NodeState | null }>();
  const states: (NodeState | null)[] = Array.from({ length: nodes }, () => null);
  const everyMs = (virtualMs * nodes) / steps;
  for (let node = 0; node < nodes; node += 1) queue.push(random() * everyMs, { node, state: null });
  let seen = 0;
  return processorTime(() => {
    for (let left = steps; left > 0; left -= 1) {
      const entry = queue.pop();
      if (entry === null) throw new Error('nothing is left to happen');
      states[entry.item.node] = entry.item.state;
      seen += 1;
      queue.push(entry.atMs + random() * 2 * everyMs, { node: Math.floor(random() * nodes), state: null });
    }
    if (seen !== steps) throw new Error(`${seen} of ${steps} happened`);
  });
}

function processorTime(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Node-hours a second of a core, with and without looking at the invariants, beside a queue without machines. */
export async function measure(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { nodes, virtualMs, rounds } of sizes) {
    const hours = (nodes * virtualMs) / 3_600_000;
    const seeds = Array.from({ length: rounds }, (_, index) => index + 1);
    const runs = seeds.map((seed) => {
      const checked = simulate(nodes, virtualMs, true, seed);
      const unchecked = simulate(nodes, virtualMs, false, seed);
      return { checked, unchecked, bare: bareLoop(nodes, virtualMs, unchecked.steps, seed) };
    });
    const of = (pick: (run: (typeof runs)[number]) => number): number => median(runs.map(pick));
    const [checked, unchecked] = [of((run) => run.checked.seconds), of((run) => run.unchecked.seconds)];
    const bench = 'sim';
    rows.push(
      benchRow({
        ...{ bench, figure: `${nodes} nodes, every step looked at`, unit: 'node-hours/s', value: hours / checked },
        ...{ peer: 'the same not looked at', peerValue: hours / unchecked },
      }),
      benchRow({
        ...{ bench, figure: `${nodes} nodes, not looked at`, unit: 'µs/step' },
        value: of((run) => (run.unchecked.seconds / run.unchecked.steps) * 1e6),
        peer: 'the same queue without machines',
        peerValue: of((run) => (run.bare / run.unchecked.steps) * 1e6),
      }),
      benchRow(
        {
          ...{ bench, figure: `${nodes} nodes, processor time of a virtual second`, unit: 's' },
          ...{ value: checked / (virtualMs / 1_000), peer: 'that second itself', peerValue: 1 },
        },
        nodes < 1_000 ? { maxRatio: 1 } : undefined,
      ),
    );
  }
  return rows;
}
