import type { ElectionConfig } from '../cluster/election/config.ts';
import { quorum } from '../cluster/election/quorum.ts';
import { apply, calmDown, type PlannedFault, randomPlan } from './faults.ts';
import { InvariantBroken } from './invariants.ts';
import { rough } from './network.ts';
import { leaders, leadershipProblem, restProblem, running } from './quiet.ts';
import { seeded } from './random.ts';
import { askAtRandom, awaitOneSchedule, mergeApart } from './schedule-runs.ts';
import type { Decide } from './scheduler.ts';
import { type Sizes, sizeOf } from './sizes.ts';
import { type StepVerwalter, type Verwalters, verwalters } from './verwalters.ts';
import { type SimNode, type StepNode, type World, world } from './world.ts';

export interface RunOptions {
  /** Fixed size, or the sizes of which each seed draws one; default: 3 to 7. */
  readonly nodes?: number | Sizes;
  /** Virtual time under faults. */
  readonly faultsForMs?: number;
  /** Virtual time within which a healed cluster must be at rest. */
  readonly restWithinMs?: number;
  readonly election?: Partial<ElectionConfig>;
  readonly step?: StepNode;
  /** Verwalter's machine beside the election: verwalters.ts; default false. Every other seed lets minorities lead. */
  readonly schedules?: boolean;
  readonly stepVerwalter?: StepVerwalter;
  readonly decide?: Decide;
}

const minuteMs = 60_000;

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  /** Null: every invariant held at every step, and the cluster came to rest. */
  readonly failure: { readonly invariant: string; readonly message: string } | null;
  /** From the end of the faults; null if it never came. */
  readonly restMs: number | null;
  /** From each moment at which a majority could talk again to its leader, followed by all of it. */
  readonly leaderMs: readonly number[];
  readonly epoch: number;
  readonly steps: number;
  /** Virtual time of all nodes together. */
  readonly nodeMs: number;
  /** Equal for equal runs. */
  readonly digest: string;
  readonly plan: readonly PlannedFault[];
  /** Pairs of leaders of one epoch that the specification allows, by reason. */
  readonly allowed: Readonly<Record<string, number>>;
}

/**
 * From the moment at which a majority can talk to its leader, followed by all that can. Nodes that have just started
 * wait 6.6 to 9 s before they ask for votes; then comes an election, with one packet in twenty lost and candidates that
 * tie. Three nodes that start together have theirs within 12 s (spec/verwalter.md 9, row 4).
 */
export const leaderWithinMs = 15_000;
/** A cut off leader holds out for 3 s, its followers for 4 s more; packets and slow clocks take their time. */
const aloneWithinMs = 12_000;

/** One cluster through one random plan of faults. The same seed and options give the same run, step for step. */
export function runSeed(seed: number, options: RunOptions = {}): RunResult {
  const nodes = typeof options.nodes === 'number' ? options.nodes : sizeOf(seed, options.nodes ?? { from: 3, to: 7 });
  const faultsForMs = options.faultsForMs ?? minuteMs;
  const beside =
    options.schedules === true
      ? verwalters({
          seed,
          ...(options.stepVerwalter === undefined ? {} : { step: options.stepVerwalter }),
          ...(options.decide === undefined ? {} : { decide: options.decide }),
        })
      : null;
  const election = { ...(beside === null ? {} : { allowMinority: seed % 2 === 0 }), ...options.election };
  const sim = world({
    seed,
    nodes,
    election,
    ...(beside === null ? {} : { companion: beside }),
    ...(options.step === undefined ? {} : { step: options.step }),
  });
  const plan = randomPlan(seed, nodes, 0, faultsForMs);
  let failure: RunResult['failure'] = null;
  let restMs: number | null = null;
  const leaderMs: number[] = [];
  try {
    for (const node of sim.nodes) sim.start(node.index);
    apply(sim, plan);
    if (beside !== null) askAtRandom(sim, beside, faultsForMs);
    sim.runTo(faultsForMs);
    calmDown(sim, rough);
    beside?.faults(false);
    const healedMs = sim.nowMs();
    leaderMs.push(awaitLeader(sim));
    const withinMs = (options.restWithinMs ?? 60_000) - (sim.nowMs() - healedMs);
    if (sim.runUntil(() => restProblem(sim) === null, withinMs) === null) {
      throw new InvariantBroken('a healed cluster comes to rest', sim.nowMs(), restProblem(sim) ?? '');
    }
    restMs = sim.nowMs() - healedMs;
    if (beside !== null) awaitOneSchedule(sim, beside, sim.nodes);
    leaderMs.push(...splitOnce(sim, election, beside));
    if (beside !== null) {
      awaitOneSchedule(sim, beside, sim.nodes);
      if (election.allowMinority === true) mergeApart(sim, beside);
      beside.checker.finish(sim);
    }
  } catch (error) {
    if (!(error instanceof InvariantBroken)) throw error;
    failure = { invariant: error.invariant, message: error.message };
  }
  return {
    seed,
    nodes,
    failure,
    restMs,
    leaderMs,
    epoch: leaders(sim)[0]?.state?.election.epoch ?? 0,
    steps: sim.stats().steps,
    nodeMs: nodes * sim.nowMs(),
    digest: sim.digest(),
    plan,
    allowed: Object.fromEntries(sim.checker.allowed),
  };
}

/**
 * Throws unless these nodes come to have one leader that they follow; by default all that know of a majority: who came
 * back alone first has to find the others. Returns how long it took.
 */
function awaitLeader(sim: World, group = (): readonly SimNode[] => acquainted(sim)): number {
  const took = sim.runUntil(() => leadershipProblem(group()) === null, leaderWithinMs);
  if (took !== null) return took;
  const problem = leadershipProblem(group()) ?? '';
  throw new InvariantBroken('a majority that can talk has a leader in time', sim.nowMs(), problem);
}

const acquainted = (sim: World): readonly SimNode[] =>
  running(sim).filter(({ state }) => (state?.gossip.peers.size ?? 0) + 1 >= quorum(sim.nodes.length));

/** The last act of each run, as the faults seldom leave a cluster in peace for long: few against many, and healed. */
function splitOnce(sim: World, config: Partial<ElectionConfig>, beside: Verwalters | null): number[] {
  const counts =
    config.forceLeader === true || config.allowMinority === true || (config.expectedPeers ?? null) !== null;
  if (counts || sim.nodes.length < 3) return [];
  const random = seeded(sim.options.seed ^ 0x59117);
  const few = 1 + Math.floor(random() * Math.floor((sim.nodes.length - 1) / 2));
  const order = sim.nodes.map(({ index }) => ({ index, at: random() })).sort((a, b) => a.at - b.at);
  const alone = new Set(order.slice(0, few).map(({ index }) => index));
  const many = sim.nodes.filter(({ index }) => !alone.has(index));
  const splitMs = sim.nowMs();
  sim.net.groups = sim.nodes.map(({ index }) => (alone.has(index) ? 1 : 0));
  const took = awaitLeader(sim, () => many);
  sim.runTo(Math.max(sim.nowMs(), splitMs + aloneWithinMs));
  for (const node of sim.nodes) {
    const role = node.state?.election.role.kind;
    if (alone.has(node.index) && (role === 'leader' || role === 'follower')) {
      throw new InvariantBroken('a minority has no leader', sim.nowMs(), `node ${node.index} is ${role}`);
    }
  }
  if (beside !== null)
    keepsSchedules(
      sim,
      beside,
      sim.nodes.filter(({ index }) => alone.has(index)),
    );
  sim.net.groups = null;
  return [took, awaitLeader(sim)];
}

/** Who is cut off keeps what it has rendered, and says that it has no leader. */
function keepsSchedules(sim: World, beside: Verwalters, alone: readonly SimNode[]): void {
  const before = alone.map((node) => beside.of(node)?.rendered?.hash);
  sim.runTo(sim.nowMs() + 5_000);
  for (const [index, node] of alone.entries()) {
    const own = beside.of(node);
    const { kind } = own?.state.phase ?? { kind: 'nothing' };
    if (kind !== 'unstable') {
      throw new InvariantBroken('without a leader a node says that it is unstable', sim.nowMs(), `is ${kind}`);
    }
    if (own?.rendered?.hash !== before[index]) {
      throw new InvariantBroken('without a leader a node keeps its schedule', sim.nowMs(), `node ${node.index}`);
    }
  }
}

export interface SeedsOptions extends RunOptions {
  readonly from: number;
  readonly count: number;
  /** Called after each run. */
  readonly progress?: (done: number, result: RunResult) => void;
}

export interface SeedsResult {
  readonly runs: number;
  readonly steps: number;
  readonly failures: readonly RunResult[];
  readonly slowestRest: { readonly seed: number; readonly restMs: number } | null;
  readonly allowed: Readonly<Record<string, number>>;
}

/** Many seeds in a row: what `npm run sim` calls. */
export function runSeeds(options: SeedsOptions): SeedsResult {
  const failures: RunResult[] = [];
  const allowed: Record<string, number> = {};
  let steps = 0;
  let slowest: SeedsResult['slowestRest'] = null;
  for (let index = 0; index < options.count; index += 1) {
    const result = runSeed(options.from + index, options);
    steps += result.steps;
    if (result.failure !== null) failures.push(result);
    if (result.restMs !== null && result.restMs > (slowest?.restMs ?? -1)) {
      slowest = { seed: result.seed, restMs: result.restMs };
    }
    for (const [reason, times] of Object.entries(result.allowed)) allowed[reason] = (allowed[reason] ?? 0) + times;
    options.progress?.(index + 1, result);
  }
  return { runs: options.count, steps, failures, slowestRest: slowest, allowed };
}

/** What `npm run sim` has to be told to play the same run again. */
export function replayCommand({ seed, nodes }: RunResult, { faultsForMs = minuteMs, schedules }: RunOptions): string {
  const minutes = faultsForMs === minuteMs ? '' : ` --minutes ${faultsForMs / minuteMs}`;
  return `npm run sim -- --replay ${seed} --nodes ${nodes}${minutes}${schedules === true ? ' --with-schedules' : ''}`;
}

/** A failed run in words: what broke, how to see it again, and what was done to the cluster. */
export function describeFailure(result: RunResult, options: RunOptions = {}): string {
  const lines = [
    `seed ${result.seed}, ${result.nodes} nodes: ${result.failure?.message ?? 'no failure'}`,
    `replay: ${replayCommand(result, options)} → digest ${result.digest} after ${result.steps} steps`,
    ...result.plan.map(({ atMs, fault }) => `  ${(atMs / 1000).toFixed(3)} s ${JSON.stringify(fault)}`),
  ];
  return lines.join('\n');
}
