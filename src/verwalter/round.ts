import { isObject, type JsonObject } from './canonical.ts';
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
  const hosts = new Set([self.hostname, ...members.map((member) => member.hostname)]);
  const result = await runInput({ ...parts, sources: sources.files, input, hosts });
  return { ...result, atMs, ok: result.outcome.ok, schedulerHash: sources.hash };
};

export interface InputRun {
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly sources: SchedulerSources['files'];
  readonly input: JsonObject;
  /** Those that the schedule may name; by default the input's own and its peers. */
  readonly hosts?: ReadonlySet<string>;
  readonly strictScheduler: boolean;
  readonly strictSchedule: boolean;
  /** For one who checks the same text again and again. */
  readonly check?: typeof checkOutput;
}

/** The scheduler on an input, now or again: what a round is but for its clock. */
export const runInput = async (
  parts: InputRun,
): Promise<Pick<RoundResult, 'input' | 'durationMs' | 'log' | 'outcome'>> => {
  const { input, hosts = hostsOf(input), check = checkOutput } = parts;
  const run = await parts.runner.run({
    sources: parts.sources,
    input,
    seed: typeof input.seed === 'number' ? Math.trunc(input.seed) : 0,
    strict: parts.strictScheduler,
  });
  const done = { input, durationMs: run.durationMs };
  if (!run.ok) {
    const log = `${run.log}\n${run.message}\n${run.traceback}`;
    return { ...done, log, outcome: { ok: false, error: run.message } };
  }
  const output = check(run.text ?? '', hosts, { warnings: run.warnings, strict: parts.strictSchedule });
  return { ...done, log: run.log, outcome: output.ok ? { ...output, answers: run.answers } : output };
};

/** Short names of the leader and of its peers, as the input has them. */
export const hostsOf = (input: JsonObject): ReadonlySet<string> => {
  const hosts = new Set<string>();
  if (typeof input.current_host === 'string') hosts.add(input.current_host);
  for (const peer of Object.values(isObject(input.peers) ? input.peers : {})) {
    if (isObject(peer) && typeof peer.hostname === 'string') hosts.add(peer.hostname);
  }
  return hosts;
};
