import { type GossipConfig, lan } from '../src/cluster/gossip/config.ts';
import { encode } from '../src/cluster/wire/encode.ts';
import { acquaint } from '../src/sim/acquainted.ts';
import { gossipOnly } from '../src/sim/gossip-only.ts';
import { seeded } from '../src/sim/random.ts';
import { type Machine, type SimNode, type StepNode, type World, world } from '../src/sim/world.ts';
import { type BenchRow, benchRow, median } from './row.ts';

const nodes = 1_000;
const slowNodes = nodes / 20;
const crashes = 10;
const second = 1_000;
/** Probing and its timers have come into step by then. */
const warmUpMs = 3 * second;
const restMs = 4 * second;
/** At most: it ends when all know of all crashes. */
const slowMs = 22 * second;
/** Every so many packets of a kind are encoded for their size. */
const sampleEvery = 64;
/** "SWK", format, cluster, MAC: src/cluster/wire/authenticate.ts. */
const sealBytes = 28;

/**
 * Our machine with the numbers of memberlist's DefaultLANConfig (its config.go) where they differ: one probe a second,
 * no word of third parties in acks, full state exchange every 30 s × 6 for a thousand nodes, the dead left alone.
 */
const memberlistLan: Partial<GossipConfig> = {
  mostProbesPerRound: 1,
  sightingsPerAck: 0,
  syncIntervalMs: 180 * second,
  deadProbeIntervalMs: 3_600 * second,
};

/** memberlist's util.go: suspicion timeout = mult × log10(n) × interval; SWIM, 3: the first probe is e/(e−1) rounds off. */
const formulaMs = (Math.E / (Math.E - 1)) * 1_000 + 1_000 + 4 * Math.log10(nodes) * 1_000;

interface Watched {
  readonly machine: Machine;
  /** Id of who is held for dead → indices of who holds it. */
  readonly heldDead: ReadonlyMap<string, ReadonlySet<number>>;
  /** How often a node came to be held for dead by somebody who does not stand still himself. */
  readonly burials: ReadonlyMap<string, number>;
}

/** The machine with an eye on who calls whom dead. */
function watched(indexOf: (id: string) => number, isSlow: (index: number) => boolean): Watched {
  const heldDead = new Map<string, Set<number>>();
  const burials = new Map<string, number>();
  const step: StepNode = (state, event, env) => {
    const result = gossipOnly.step(state, event, env);
    if (!result.effects.some(({ kind }) => kind === 'changed')) return result;
    const observer = indexOf(state.gossip.self.id);
    const after = result.state.gossip;
    for (const [id] of after.rumours) {
      const peer = after.peers.get(id);
      if (peer === undefined) continue;
      const holders = heldDead.get(id) ?? new Set();
      if (peer.record.liveness !== 'dead') holders.delete(observer);
      else if (!isSlow(observer) && !holders.has(observer)) {
        if (holders.size === 0) burials.set(id, (burials.get(id) ?? 0) + 1);
        holders.add(observer);
      }
      heldDead.set(id, holders);
    }
    return result;
  };
  return { machine: { ...gossipOnly, step }, heldDead, burials };
}

interface Figures {
  readonly restBytesPerSecond: number;
  readonly slowBytesPerSecond: number;
  /** Of each crash; infinite: not in time. */
  readonly firstMs: readonly number[];
  readonly allMs: readonly number[];
  /** Of nodes that were well, called dead by nodes that were well. */
  readonly wronglyBuried: number;
  readonly slowBuried: number;
  readonly nodeHours: number;
}

function run(config: Partial<GossipConfig>, loss: number, seed: number): Figures {
  const indices = new Map<string, number>();
  const chance = seeded(seed ^ 0x510);
  const isSlow = (index: number): boolean => index < slowNodes;
  const { machine, heldDead, burials } = watched((id) => indices.get(id) ?? -1, isSlow);
  const traffic = byteCounter();
  const sim = world({
    ...{ seed, nodes, machine, checked: false, clocksFromZero: true, gossip: { ...lan, ...config } },
    weather: { loss, duplication: 0, delayMs: [0.2, 2] },
    onSend: traffic.count,
  });
  for (const node of sim.nodes) indices.set(node.id, node.index);
  acquaint(sim);
  sim.runTo(warmUpMs);
  traffic.reset();
  sim.runTo(warmUpMs + restMs);
  const restBytesPerSecond = traffic.bytes() / (restMs / second) / nodes;

  const startMs = sim.nowMs();
  for (const node of sim.nodes.slice(0, slowNodes)) stumble(sim, node, chance);
  const crashed = sim.nodes.slice(slowNodes, slowNodes + crashes).map((node, number) => {
    const atMs = startMs + second + number * 300 + chance() * 300;
    sim.at(atMs, () => sim.crash(node.index));
    return { node, atMs };
  });
  const well = nodes - slowNodes - crashes;
  const firstMs = crashed.map(() => Number.POSITIVE_INFINITY);
  const allMs = crashed.map(() => Number.POSITIVE_INFINITY);
  traffic.reset();
  while (sim.nowMs() < startMs + slowMs && allMs.includes(Number.POSITIVE_INFINITY)) {
    sim.runTo(sim.nowMs() + 50);
    for (const [number, { node, atMs }] of crashed.entries()) {
      const holders = heldDead.get(node.id)?.size ?? 0;
      if (holders > 0) firstMs[number] = Math.min(firstMs[number] ?? 0, sim.nowMs() - atMs);
      if (holders >= well) allMs[number] = Math.min(allMs[number] ?? 0, sim.nowMs() - atMs);
    }
  }
  let wronglyBuried = 0;
  let slowBuried = 0;
  for (const [id, times] of burials) {
    const index = indices.get(id) ?? -1;
    if (isSlow(index)) slowBuried += times;
    else if (!crashed.some(({ node }) => node.index === index)) wronglyBuried += times;
  }
  const watchedMs = sim.nowMs() - startMs;
  const slowBytesPerSecond = traffic.bytes() / (watchedMs / second) / nodes;
  const nodeHours = (well * watchedMs) / 3_600_000;
  return { restBytesPerSecond, slowBytesPerSecond, firstMs, allMs, wronglyBuried, slowBuried, nodeHours };
}

/**
 * Stands still for 2 to 8 s, goes on for 0.5 to 2 s, and so on, as in the experiments of Lifeguard (Dadgar, Phillips,
 * Currey 2018, section V): a process without processor time, whose socket fills meanwhile.
 */
function stumble(sim: World, node: SimNode, chance: () => number): void {
  const stillMs = 2 * second + chance() * 6 * second;
  sim.pause(node.index, stillMs);
  sim.at(sim.nowMs() + stillMs + 500 + chance() * 1_500, () => stumble(sim, node, chance));
}

/** Counts packets by kind; encodes each so many for the mean size of its kind. */
function byteCounter() {
  let kinds = new Map<string, { packets: number; sampled: number; bytes: number }>();
  return {
    reset(): void {
      kinds = new Map();
    },
    count(from: SimNode, packet: Parameters<NonNullable<Parameters<typeof world>[0]['onSend']>>[1]): void {
      const { kind } = packet.message;
      const sums = kinds.get(kind) ?? { packets: 0, sampled: 0, bytes: 0 };
      kinds.set(kind, sums);
      if (sums.packets % sampleEvery === 0) {
        const encoded = encode({ sender: from.id, life: 1_764_000_000_000, counter: 100_000, packet });
        sums.sampled += 1;
        sums.bytes += sealBytes + (encoded.kind === 'body' ? encoded.body.length : encoded.bytes + sealBytes);
      }
      sums.packets += 1;
    },
    bytes: (): number =>
      [...kinds.values()].reduce((sum, { packets, sampled, bytes }) => sum + (packets * bytes) / sampled, 0),
  };
}

/** A crash among a thousand nodes, found by our numbers and by memberlist's, under the same faults. */
export async function measure(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  const cpu = process.cpuUsage();
  for (const loss of [0.01, 0.1]) {
    const [own, theirs] = [run({}, loss, 7), run(memberlistLan, loss, 7)];
    rows.push(...rowsOf(`${loss * 100} % loss`, own, theirs));
  }
  const { user, system } = process.cpuUsage(cpu);
  const took = { bench: 'gossip', figure: 'processor time of this bench', value: (user + system) / 1e6, unit: 's' };
  rows.push(benchRow(took));
  return rows;
}

function rowsOf(under: string, own: Figures, theirs: Figures): BenchRow[] {
  const bench = 'gossip';
  const peer = 'memberlist’s LAN numbers';
  const where = `${nodes} nodes, ${under}`;
  const slow = `${where}, 5 % stand still`;
  const seconds = (all: readonly number[]): number => median(all) / second;
  return [
    benchRow(
      {
        ...{ bench, figure: `crash to the first that calls it dead, median of ${crashes}, ${slow}`, unit: 's' },
        ...{ value: seconds(own.firstMs), peer, peerValue: seconds(theirs.firstMs) },
      },
      { maxRatio: 1 },
    ),
    benchRow(
      {
        ...{ bench, figure: `the same beside the published formula`, unit: 's' },
        ...{ value: seconds(own.firstMs), peer: 'SWIM and memberlist’s formulas', peerValue: formulaMs / second },
      },
      { maxRatio: 1 },
    ),
    benchRow(
      {
        ...{ bench, figure: `crash to all who are well knowing it, median of ${crashes}, ${slow}`, unit: 's' },
        ...{ value: seconds(own.allMs), peer, peerValue: seconds(theirs.allMs) },
      },
      { maxRatio: 1 },
    ),
    benchRow(
      {
        ...{ bench, figure: `wrongly called dead, ${slow}`, unit: 'per node-hour' },
        ...{ value: own.wronglyBuried / own.nodeHours, peer, peerValue: theirs.wronglyBuried / theirs.nodeHours },
      },
      { maxValue: theirs.wronglyBuried / theirs.nodeHours },
    ),
    benchRow({
      ...{ bench, figure: `of those that stand still, called dead, ${slow}`, unit: 'times' },
      ...{ value: own.slowBuried, peer, peerValue: theirs.slowBuried },
    }),
    benchRow(
      {
        ...{ bench, figure: `sent at rest, ${where}`, unit: 'bytes/s per node' },
        ...{ value: own.restBytesPerSecond, peer, peerValue: theirs.restBytesPerSecond },
      },
      // spec/cantal.md 6.3: 15 to 30 kB/s, whatever the size.
      { maxValue: 15_000 },
    ),
    benchRow(
      {
        ...{ bench, figure: `sent, ${slow}`, unit: 'bytes/s per node' },
        ...{ value: own.slowBytesPerSecond, peer, peerValue: theirs.slowBytesPerSecond },
      },
      { maxValue: 30_000 },
    ),
  ];
}
