import type { ElectionConfig } from '../cluster/election/config.ts';
import { apply, calmDown, type PlannedFault, randomPlan } from './faults.ts';
import { InvariantBroken } from './invariants.ts';
import { rough } from './network.ts';
import { leaders, restProblem } from './quiet.ts';
import { seeded } from './random.ts';
import { type StepNode, world } from './world.ts';

export interface RunOptions {
  /** Fixed size; null: 3 to 7, drawn from the seed. */
  readonly nodes?: number | null;
  /** Virtual time under faults. */
  readonly faultsForMs?: number;
  /** Virtual time within which a healed cluster must be at rest. */
  readonly restWithinMs?: number;
  readonly election?: Partial<ElectionConfig>;
  readonly step?: StepNode;
}

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  /** Null: every invariant held at every step, and the cluster came to rest. */
  readonly failure: { readonly invariant: string; readonly message: string } | null;
  /** From the end of the faults; null if it never came. */
  readonly restMs: number | null;
  readonly epoch: number;
  readonly steps: number;
  /** Equal for equal runs. */
  readonly digest: string;
  readonly plan: readonly PlannedFault[];
  /** Pairs of leaders of one epoch that the specification allows, by reason. */
  readonly allowed: Readonly<Record<string, number>>;
}

/** One cluster through one random plan of faults. The same seed and options give the same run, step for step. */
export function runSeed(seed: number, options: RunOptions = {}): RunResult {
  const nodes = options.nodes ?? 3 + Math.floor(seeded(seed ^ 0x517e)() * 5);
  const faultsForMs = options.faultsForMs ?? 60_000;
  const sim = world({
    seed,
    nodes,
    ...(options.election === undefined ? {} : { election: options.election }),
    ...(options.step === undefined ? {} : { step: options.step }),
  });
  const plan = randomPlan(seed, nodes, 0, faultsForMs);
  let failure: RunResult['failure'] = null;
  let restMs: number | null = null;
  try {
    for (const node of sim.nodes) sim.start(node.index);
    apply(sim, plan);
    sim.runTo(faultsForMs);
    calmDown(sim, rough);
    restMs = sim.runUntil(() => restProblem(sim) === null, options.restWithinMs ?? 60_000);
    if (restMs === null) {
      failure = { invariant: 'a healed cluster comes to rest', message: `it did not: ${restProblem(sim) ?? ''}` };
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
    epoch: leaders(sim)[0]?.state?.election.epoch ?? 0,
    steps: sim.stats().steps,
    digest: sim.digest(),
    plan,
    allowed: Object.fromEntries(sim.checker.allowed),
  };
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

/** A failed run in words: what broke, how to see it again, and what was done to the cluster. */
export function describeFailure(result: RunResult): string {
  const lines = [
    `seed ${result.seed}, ${result.nodes} nodes: ${result.failure?.message ?? 'no failure'}`,
    `replay: runSeed(${result.seed}) → digest ${result.digest} after ${result.steps} steps`,
    ...result.plan.map(({ atMs, fault }) => `  ${(atMs / 1000).toFixed(3)} s ${JSON.stringify(fault)}`),
  ];
  return lines.join('\n');
}
