import type { JsonObject } from './canonical.ts';
import { schedulerInput } from './input.ts';
import type { CollectedMetrics } from './metrics.ts';
import type { Member, Peers } from './ports.ts';
import type { Schedule } from './schedule.ts';
import { checkOutput } from './scheduler/output.ts';
import type { SchedulerRunner } from './scheduler/runner.ts';
import type { SchedulerSources } from './scheduler/sources.ts';
import type { Effect } from './state.ts';

/** As status and the next round's `previous` tell of it. */
export interface RoundSummary {
  readonly durationMs: number;
  readonly ok: boolean;
  /** Its start, since the epoch. */
  readonly atMs: number;
}

/** One run of the scheduler, from the metrics to the checked schedule. */
export interface RoundResult extends RoundSummary {
  readonly input: JsonObject;
  /** Debug log; of a run that failed with its error and traceback. */
  readonly log: string;
  readonly schedulerHash: string;
  readonly outcome:
    | {
        readonly ok: true;
        readonly data: JsonObject;
        readonly hash: string;
        readonly answers: Readonly<Record<string, unknown>>;
        readonly warnings: readonly string[];
      }
    | { readonly ok: false; readonly error: string };
}

export interface RoundParts {
  readonly effect: Extract<Effect, { type: 'start-round' }>;
  readonly sources: SchedulerSources;
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly self: Peers['self'];
  /** Read when the metrics have come. */
  readonly members: () => readonly Member[];
  readonly metrics: CollectedMetrics;
  readonly runtime: JsonObject;
  readonly lastKnown: Schedule | null;
  readonly lastRound: RoundSummary | null;
  readonly strictScheduler: boolean;
  readonly strictSchedule: boolean;
}

export const performRound = async (parts: RoundParts): Promise<RoundResult> => {
  const { effect, sources, self, metrics, lastKnown, lastRound } = parts;
  const members = parts.members();
  const atMs = Date.now();
  const input = schedulerInput({
    nowMs: atMs,
    self,
    epoch: effect.epoch,
    reason: effect.reason,
    members,
    parents: effect.parents,
    parentsMeta: effect.parentsMeta,
    actions: effect.actions,
    runtime: parts.runtime,
    metrics: metrics.metrics,
    metricsCollectedAtMs: metrics.collectedAtMs,
    metricsMissing: metrics.missing,
    previous:
      lastKnown === null || lastRound === null
        ? null
        : { hash: lastKnown.hash, timestamp: lastKnown.timestamp, durationMs: Math.round(lastRound.durationMs) },
  });
  const run = await parts.runner.run({
    sources: sources.files,
    input,
    seed: input.seed as number,
    strict: parts.strictScheduler,
  });
  const done = { input, atMs, durationMs: run.durationMs, schedulerHash: sources.hash };
  if (!run.ok) {
    const log = `${run.log}\n${run.message}\n${run.traceback}`;
    return { ...done, ok: false, log, outcome: { ok: false, error: run.message } };
  }
  const hosts = new Set([self.hostname, ...members.map((member) => member.hostname)]);
  const output = checkOutput(run.text ?? '', hosts, { warnings: run.warnings, strict: parts.strictSchedule });
  return { ...done, ok: output.ok, log: run.log, outcome: output.ok ? { ...output, answers: run.answers } : output };
};
