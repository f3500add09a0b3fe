import type { JsonObject } from '../canonical.ts';
import { countMoves, diffSchedules, type Move, type MoveCounts } from '../diff.ts';
import { schedulerInput } from '../input.ts';
import type { RoundToRecord } from '../recording/body-of-round.ts';
import { runInput } from '../round.ts';
import type { Schedule } from '../schedule.ts';
import type { SchedulerRunner } from '../scheduler/runner.ts';
import type { SchedulerSources } from '../scheduler/sources.ts';
import type { QueuedAction } from '../state.ts';
import { metricsAt, rulesOf, viewAt, virtualNodes } from './cluster.ts';
import type { Plan, PlanEvent } from './plan.ts';

export interface SimulateOptions {
  readonly plan: Plan;
  readonly nodes: number;
  readonly durationMs: number;
  readonly seed: number;
  readonly sources: SchedulerSources;
  readonly runtime: JsonObject;
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly strictScheduler?: boolean;
  readonly strictSchedule?: boolean;
  /** Takes every round as a leader would record it; `nowMs` is the virtual clock. */
  readonly record?: (round: RoundToRecord) => Promise<void>;
  /** Called after each round. */
  readonly progress?: (done: number, all: number) => void;
}

export type Happening =
  | { readonly kind: 'event'; readonly atMs: number; readonly event: PlanEvent; readonly ends: boolean }
  | { readonly kind: 'leader'; readonly atMs: number; readonly hostname: string | null }
  | { readonly kind: 'moves'; readonly atMs: number; readonly round: number; readonly moves: readonly Move[] }
  | { readonly kind: 'failed'; readonly atMs: number; readonly round: number; readonly error: string };

export interface Simulated {
  readonly rounds: number;
  readonly failed: number;
  /** Rounds that gave another schedule. */
  readonly differing: number;
  readonly moves: MoveCounts;
  readonly elections: number;
  readonly schedulerMs: number;
  readonly warnings: readonly string[];
}

/** As a leader's pause between rounds; a virtual round takes no time. */
const roundMs = 5000;
/** Longer than any `delay` that makes sense. */
const historyLength = 64;

/** Runs the scheduler through the plan; what happens is told in order. The same options give the same story. */
export async function* simulate(options: SimulateOptions): AsyncGenerator<Happening, Simulated> {
  const { plan, durationMs, seed, sources } = options;
  const nodes = virtualNodes(options.nodes);
  const rounds = Math.floor(durationMs / roundMs);
  const counts = { started: 0, stopped: 0, moved: 0, changed: 0 };
  const warnings = new Set<string>();
  const asked = new Set<string>();
  let [failed, differing, elections, schedulerMs] = [0, 0, 0, 0];
  let last: Schedule | null = null;
  let lastLeader: string | null = null;
  let lastMs = 0;
  let waiting: readonly QueuedAction[] = [];
  let failure = '';
  const history: { sinceMs: number; data: JsonObject }[] = [];

  for (let round = 1; round <= rounds; round++) {
    const atMs = (round - 1) * roundMs;
    for (const event of plan.events) {
      const { at } = event.value;
      const end = event.tag === 'Action' ? null : at + event.value.for;
      if (at > atMs - roundMs && at <= atMs) yield { kind: 'event', atMs, event, ends: false };
      if (end !== null && end > atMs - roundMs && end <= atMs) yield { kind: 'event', atMs, event, ends: true };
      if (event.tag === 'Action' && at > atMs - roundMs && at <= atMs)
        waiting = [...waiting, { id: plan.start + atMs + waiting.length, value: event.value.action }];
    }
    options.progress?.(round, rounds);
    const view = viewAt(plan, nodes, atMs, lastLeader, last);
    if ((view?.leader.hostname ?? null) !== lastLeader) {
      lastLeader = view?.leader.hostname ?? null;
      if (lastLeader !== null) elections++;
      yield { kind: 'leader', atMs, hostname: lastLeader };
    }
    if (view === null) continue;
    const { leader, members, reached } = view;
    const parents: readonly Schedule[] = last === null ? [] : [last];
    const metrics = metricsAt({ plan, seed, atMs, reached, history });
    const timestamp = plan.start + atMs;
    const reason = waiting.length > 0 ? 'action' : 'timer';
    const input = schedulerInput({
      nowMs: timestamp,
      self: { id: leader.id, addr: `${leader.hostname}:8379`, hostname: leader.hostname, name: leader.hostname },
      epoch: elections,
      reason,
      members,
      parents,
      parentsMeta: parents.map(({ hash, timestamp: at, origin }) => ({ hash, timestamp: at, origin, holders: [] })),
      actions: waiting,
      runtime: options.runtime,
      metrics,
      metricsCollectedAtMs: Object.keys(metrics).length === 0 ? null : timestamp,
      metricsMissing: [],
      previous: last === null ? null : { hash: last.hash, timestamp: last.timestamp, durationMs: lastMs },
    });
    const [strictScheduler, strictSchedule] = [options.strictScheduler ?? false, options.strictSchedule ?? false];
    const run = await runInput({
      runner: options.runner,
      sources: sources.files,
      input,
      hosts: new Set(nodes.map(({ hostname }) => hostname)),
      strictScheduler,
      strictSchedule,
    });
    schedulerMs += run.durationMs;
    // The real time would make two runs differ.
    lastMs = 1;
    const { outcome } = run;
    const parent: Schedule | null = last;
    const isNew = outcome.ok && outcome.hash !== parent?.hash;
    await options.record?.({
      timestamp,
      epoch: elections,
      reason,
      ok: outcome.ok,
      changed: isNew,
      hash: outcome.ok ? outcome.hash : null,
      error: outcome.ok ? null : outcome.error,
      durationMs: run.durationMs,
      schedulerHash: sources.hash,
      strictScheduler,
      strictSchedule,
      input,
      output: outcome.ok ? outcome.data : null,
      answers: outcome.ok ? outcome.answers : {},
      warnings: outcome.ok ? outcome.warnings : [],
      log: run.log,
      scheduler: sources.files,
      parentHashes: parents.map(({ hash }) => hash),
    });
    if (!outcome.ok) {
      failed++;
      if (failure !== outcome.error) yield { kind: 'failed', atMs, round, error: outcome.error };
      failure = outcome.error;
      continue;
    }
    failure = '';
    waiting = [];
    for (const warning of outcome.warnings) if (warnings.size < 20) warnings.add(warning);
    // One object for a schedule as long as it stays: nothing of it is compared or stored twice.
    const data: JsonObject = isNew || parent === null ? outcome.data : parent.data;
    last = { timestamp, hash: outcome.hash, origin: leader.id, data };
    if (!isNew) continue;
    differing++;
    for (const rule of rulesOf(data)) asked.add(rule);
    history.unshift({ sinceMs: atMs, data });
    history.length = Math.min(history.length, historyLength);
    const moves = diffSchedules(parent?.data ?? {}, data);
    const own = countMoves(moves);
    for (const kind of ['started', 'stopped', 'moved', 'changed'] as const) counts[kind] += own[kind];
    if (moves.length > 0) yield { kind: 'moves', atMs, round, moves };
  }
  for (const rule of plan.metrics.keys())
    if (!asked.has(rule)) warnings.add(`the plan has metrics of ${rule}, but no schedule asked for such a rule`);
  for (const rule of asked)
    if (!plan.metrics.has(rule)) warnings.add(`the plan has no metrics of ${rule}: the scheduler got none`);
  return { rounds, failed, differing, moves: counts, elections, schedulerMs, warnings: [...warnings] };
}
