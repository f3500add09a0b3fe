import type { JsonObject } from './canonical.ts';
import { diffSchedules, type Move } from './diff.ts';
import type { RecordedRound, RoundHead } from './recording/recorded-round.ts';
import { type RoundResult, runInput } from './round.ts';
import type { SchedulerRunner } from './scheduler/runner.ts';
import type { SchedulerSources } from './scheduler/sources.ts';

// A scheduler runs over what its leader has recorded before it decides anything (spec/verwalter.md 10.2).

export interface DryRunResult {
  /** That were run: fewer than were given where the time was up. */
  readonly rounds: number;
  readonly failed: readonly { readonly id: number; readonly timestamp: number; readonly error: string }[];
  /** Rounds with another schedule than the recorded one. */
  readonly changedRounds: number;
  /** Of the newest round: what would move if this scheduler went live now. */
  readonly moves: readonly Move[];
}

export interface DryRunOptions {
  /** The newest first: where the time is up, what is oldest is left out. */
  readonly rounds: AsyncIterable<RecordedRound> | Iterable<RecordedRound>;
  readonly sources: SchedulerSources['files'];
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly strictScheduler: boolean;
  readonly strictSchedule: boolean;
  /** Metadata of today: a round that fails on what was recorded may still do with it. */
  readonly runtime?: JsonObject;
  /** No round begins later than this. */
  readonly budgetMs: number;
  readonly nowMs: () => number;
  /** Ends at the first round that fails. */
  readonly untilFailed?: boolean;
}

export const dryRun = async (options: DryRunOptions): Promise<DryRunResult> => {
  const started = options.nowMs();
  const failed: DryRunResult['failed'][number][] = [];
  let rounds = 0;
  let changedRounds = 0;
  let moves: readonly Move[] | null = null;
  for await (const round of options.rounds) {
    if (rounds > 0 && options.nowMs() - started > options.budgetMs) break;
    rounds++;
    const outcome = await runRecorded(options, round);
    if (!outcome.ok) {
      failed.push({ id: round.id, timestamp: round.timestamp, error: outcome.error });
      if (options.untilFailed === true) break;
      continue;
    }
    if (outcome.hash !== round.hash) changedRounds++;
    moves ??= diffSchedules(round.output ?? {}, outcome.data);
  }
  return { rounds, failed, changedRounds, moves: moves ?? [] };
};

const runRecorded = async (options: DryRunOptions, round: RecordedRound): Promise<RoundResult['outcome']> => {
  const { outcome } = await runInput({ ...options, input: round.input });
  if (outcome.ok || options.runtime === undefined) return outcome;
  if (JSON.stringify(options.runtime) === JSON.stringify(round.input.runtime)) return outcome;
  // Who brings new metadata for a new scheduler brings both at once.
  const again = await runInput({ ...options, input: { ...round.input, runtime: options.runtime } });
  return again.outcome.ok ? again.outcome : outcome;
};

/** How many of the last rounds, and of the last that changed something, a new scheduler has to get through. */
const trialRounds = 10;

/** Ids for the trial. A round that failed then need not succeed now. */
export const trialIds = (heads: readonly RoundHead[], sinceMs: number): readonly number[] => {
  const good = heads.filter(({ ok, timestamp }) => ok && timestamp >= sinceMs);
  const ids = new Set([...good.slice(-trialRounds), ...good.filter(({ changed }) => changed).slice(-trialRounds)]);
  return [...ids].map(({ id }) => id);
};

export const refusalText = ({ failed: [first] }: DryRunResult): string | null =>
  first === undefined
    ? null
    : `${first.error} (in a dry run over the recorded round ${first.id} of ${new Date(first.timestamp).toISOString()}; ` +
      'the scheduler before stays; `stellwerk verwalter replay` shows it)';
