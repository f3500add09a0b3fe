import type { JsonObject } from '../canonical.ts';
import { diffSchedules, type Move } from '../diff.ts';
import type { RecordedRound } from '../recording/recorded-round.ts';
import { runInput } from '../round.ts';
import type { SchedulerRequest, SchedulerRun } from '../scheduler/engine.ts';
import { type CheckedOutput, checkOutput, type OutputCheck } from '../scheduler/output.ts';
import type { SchedulerSources } from '../scheduler/sources.ts';

export interface ReplaySettings {
  /** Null: each round's own, as it was recorded. */
  readonly sources: SchedulerSources['files'] | null;
  /** Each round gets the schedule that the replay gave before, not the one that was recorded. */
  readonly chain: boolean;
  /** Moves are wanted, not only whether something differs. */
  readonly diff: boolean;
}

export interface ReplayedRound {
  readonly id: number;
  readonly timestamp: number;
  readonly hash: string | null;
  readonly recordedHash: string | null;
  /** Why the scheduler gave no schedule now. */
  readonly error: string | null;
  readonly recordedError: string | null;
  /** What is not byte for byte as recorded; null: all is, or nothing was recorded to compare with. */
  readonly differs: 'schedule' | 'answers' | 'warnings' | 'log' | 'error' | null;
  /** From the recorded schedule to this one; null: as in the round before of the same replay. */
  readonly moves: readonly Move[] | null;
}

type Run = (request: SchedulerRequest) => Promise<SchedulerRun>;

/** Runs rounds one after the other. The settings and the rounds alone decide the results, but for limits of time. */
export const replayer = (settings: ReplaySettings, run: Run): ((round: RecordedRound) => Promise<ReplayedRound>) => {
  const check = rememberingCheck();
  let chained: { hash: string; data: JsonObject } | null = null;
  let lastMoves: string | null = null;
  return async (round) => {
    const recorded = { id: round.id, timestamp: round.timestamp, recordedHash: round.hash, recordedError: round.error };
    const sources = settings.sources ?? round.scheduler;
    const input = settings.chain && chained !== null ? withParent(round.input, chained) : round.input;
    if (sources === null) {
      const error = 'its scheduler was not recorded; name one with --scheduler';
      return { ...recorded, hash: null, error, differs: 'error', moves: [] };
    }
    const result = await runInput({ ...round, runner: { run }, sources, input, check });
    const { outcome } = result;
    if (outcome.ok) chained = outcome;
    const moves =
      outcome.ok && settings.diff && outcome.hash !== round.hash && round.output !== null
        ? diffSchedules(round.output, outcome.data)
        : [];
    const key = movesKey(moves);
    const known = key === lastMoves;
    lastMoves = key;
    return {
      ...recorded,
      hash: outcome.ok ? outcome.hash : null,
      error: outcome.ok ? null : outcome.error,
      differs: difference(round, result),
      moves: known ? null : moves,
    };
  };
};

/** Reasons tell of metrics, which are never the same twice. */
export const movesKey = (moves: readonly Move[]): string => JSON.stringify(moves.map(({ why: _, ...move }) => move));

const difference = (
  round: RecordedRound,
  { outcome, log }: Awaited<ReturnType<typeof runInput>>,
): ReplayedRound['differs'] => {
  // An input alone, which nobody has run yet.
  if (round.ok && round.output === null) return null;
  if (!outcome.ok) return !round.ok && (outcome.error === round.error || isLimit(round.error)) ? null : 'error';
  if (!round.ok) return isLimit(round.error) ? null : 'error';
  if (outcome.hash !== round.hash) return 'schedule';
  if (!sameJson(outcome.answers, round.answers)) return 'answers';
  if (!sameJson(outcome.warnings, round.warnings)) return 'warnings';
  return log === round.log ? null : 'log';
};

/** How far a scheduler gets within a limit is no property of its input. */
const isLimit = (error: string | null): boolean =>
  error !== null && /(?:time|memory) limit of \d+ \w+ exceeded/.test(error);

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const withParent = (input: JsonObject, { hash, data }: { hash: string; data: JsonObject }): JsonObject => {
  const previous = input.previous;
  const isRecord = typeof previous === 'object' && previous !== null && !Array.isArray(previous);
  return {
    ...input,
    parents: [data],
    parents_meta: [
      { hash, timestamp: isRecord ? Number((previous as JsonObject).timestamp ?? 0) : 0, origin: '', holders: [] },
    ],
    previous: isRecord ? { ...(previous as JsonObject), hash } : null,
  };
};

/** Most rounds give the text of the round before: what was found out about it holds. */
const rememberingCheck = (): typeof checkOutput => {
  let last: { text: string; hosts: string; options: string; output: CheckedOutput } | null = null;
  return (text, knownHosts, options: OutputCheck = {}) => {
    const hosts = [...knownHosts].join(' ');
    const key = JSON.stringify(options);
    if (last?.text === text && last.hosts === hosts && last.options === key) return last.output;
    const output = checkOutput(text, knownHosts, options);
    last = { text, hosts, options: key, output };
    return output;
  };
};
