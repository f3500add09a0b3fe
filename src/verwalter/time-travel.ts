import { join } from 'node:path';
import type { JsonObject } from './canonical.ts';
import { type DryRunResult, dryRun, refusalText, trialIds } from './dry-run.ts';
import type { RecordKeep } from './recording/record-keep.ts';
import type { RecordedRound } from './recording/recorded-round.ts';
import { openRecorder, type Recorder } from './recording/recorder.ts';
import { type RoundResult, runInput } from './round.ts';
import type { SchedulerLimits } from './scheduler/engine.ts';
import { startRunner } from './scheduler/runner.ts';
import type { SchedulerSources } from './scheduler/sources.ts';
import { openShadow, type ShadowStatus } from './shadow.ts';
import type { Effect } from './state.ts';

// What a leader remembers of its rounds, and what is done with it: recordings, trials of new schedulers, the shadow.

export interface TimeTravelOptions {
  readonly configDir: string;
  readonly storageDir: string;
  readonly keep: RecordKeep;
  readonly strictScheduler: boolean;
  readonly strictSchedule: boolean;
  readonly runtime: () => JsonObject;
  /** The scheduler that is live. */
  readonly live: () => SchedulerSources | null;
  readonly workerUrl?: URL;
  readonly limits?: SchedulerLimits;
  readonly setError: (text: string | null) => void;
  readonly log: (line: string) => void;
}

export interface TimeTravel {
  readonly recorder: Pick<Recorder, 'heads' | 'read' | 'rounds'>;
  /** Records the round, and lets the shadow run after it. Returns at once. */
  roundEnded(effect: Extract<Effect, { type: 'start-round' }>, sources: SchedulerSources, result: RoundResult): void;
  /** Why a new scheduler may not go live; null: it may. */
  tryOut(sources: SchedulerSources): Promise<string | null>;
  /** Of recorded rounds, by default the last; `files` null: the live scheduler's. */
  dryRun(files: SchedulerSources['files'] | null, fromMs: number, toMs: number): Promise<DryRunResult>;
  /** One round with another input or scheduler; null: there is no such round. */
  whatIf(
    id: number,
    files: SchedulerSources['files'] | null,
    change: (input: JsonObject) => JsonObject,
  ): Promise<{
    readonly round: RecordedRound;
    readonly result: Pick<RoundResult, 'log' | 'outcome' | 'durationMs'>;
  } | null>;
  shadow(): ShadowStatus | null;
  filesChanged(): void;
  stop(): Promise<void>;
}

/** Who saves a file waits this long at the most to see it live. */
const trialMs = 2000;
/** Who asks for a dry run sees a spinner. */
const dryRunMs = 10_000;
/** By default, and at the most. */
const dryRunRounds = 200;
/** A round of yesterday says little about today's cluster. */
const trialAgeMs = 86_400_000;
/** The threads of trials are rarely needed. */
const idleMs = 5000;

export const openTimeTravel = (options: TimeTravelOptions): TimeTravel => {
  const { configDir, storageDir, keep, strictScheduler, strictSchedule } = options;
  const recorder = openRecorder({
    dir: join(storageDir, 'recordings'),
    keep,
    nowMs: Date.now,
    setError: options.setError,
    log: options.log,
  });
  // Threads of their own: a round waits for none of them.
  const runnerOf = (threadMs?: number) =>
    startRunner({
      ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(threadMs === undefined ? {} : { idleMs: threadMs }),
    });
  const trials = runnerOf(idleMs);
  const shadowRunner = runnerOf();
  const shadow = openShadow({ configDir, runner: shadowRunner, strictScheduler, strictSchedule });

  const byId = (ids: readonly number[]): AsyncGenerator<RecordedRound> => {
    const wanted = new Set(ids);
    return recorder.newestFirst(({ id }) => wanted.has(id));
  };

  return {
    recorder,
    roundEnded(effect, { files }, { input, log, atMs, durationMs, schedulerHash, outcome }) {
      const [parent] = effect.parents;
      recorder.record({
        timestamp: atMs,
        epoch: effect.epoch,
        reason: effect.reason,
        ok: outcome.ok,
        changed: outcome.ok && (effect.parents.length !== 1 || outcome.hash !== parent?.hash),
        hash: outcome.ok ? outcome.hash : null,
        error: outcome.ok ? null : outcome.error,
        durationMs,
        schedulerHash,
        strictScheduler,
        strictSchedule,
        input,
        output: outcome.ok ? outcome.data : null,
        answers: outcome.ok ? outcome.answers : {},
        warnings: outcome.ok ? outcome.warnings : [],
        log,
        scheduler: files,
        parentHashes: effect.parents.map(({ hash }) => hash),
      });
      if (outcome.ok) shadow.roundEnded(input, outcome);
    },
    async tryOut({ files }) {
      try {
        const ids = trialIds(await recorder.heads(), Date.now() - trialAgeMs);
        const result = await dryRun({
          rounds: byId(ids),
          sources: files,
          runner: trials,
          strictScheduler,
          strictSchedule,
          runtime: options.runtime(),
          budgetMs: trialMs,
          nowMs: () => performance.now(),
          untilFailed: true,
        });
        return refusalText(result);
      } catch (error) {
        // What cannot be read says nothing about the scheduler.
        options.log(`no dry run: ${(error as Error).message}`);
        return null;
      }
    },
    async dryRun(files, fromMs, toMs) {
      const sources = files ?? options.live()?.files;
      if (sources === undefined) throw new Error('no scheduler is loaded');
      const heads = (await recorder.heads()).filter(({ timestamp }) => timestamp >= fromMs && timestamp <= toMs);
      const ids = heads.slice(-dryRunRounds).map(({ id }) => id);
      return dryRun({
        rounds: byId(ids),
        sources,
        runner: trials,
        strictScheduler,
        strictSchedule,
        budgetMs: dryRunMs,
        nowMs: () => performance.now(),
      });
    },
    async whatIf(id, files, change) {
      const round = await recorder.read(id);
      if (round === null) return null;
      const sources = files ?? round.scheduler ?? options.live()?.files;
      if (sources === undefined) throw new Error('no scheduler is loaded');
      const input = change(round.input);
      const result = await runInput({ runner: trials, sources, input, strictScheduler, strictSchedule });
      return { round, result };
    },
    shadow: () => shadow.status(),
    filesChanged: () => shadow.filesChanged(),
    async stop() {
      await Promise.all([recorder.stop(), trials.stop(), shadowRunner.stop()]);
    },
  };
};
