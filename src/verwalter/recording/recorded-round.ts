import type { JsonObject } from '../canonical.ts';

/** What a list of rounds tells of each. */
export interface RoundHead {
  /** Milliseconds since the epoch where the clock ran forward; each larger than the one before. */
  readonly id: number;
  /** `now` of the input. */
  readonly timestamp: number;
  readonly epoch: number;
  readonly reason: string;
  readonly ok: boolean;
  /** The schedule is another than the round's parent. */
  readonly changed: boolean;
  /** Of the schedule; null: the round failed. */
  readonly hash: string | null;
  readonly error: string | null;
  readonly durationMs: number;
  /** Of the scheduler's tree with the modules that came with Stellwerk. */
  readonly schedulerHash: string;
  readonly strictScheduler: boolean;
  readonly strictSchedule: boolean;
}

/** A round as it can be run again. */
export interface RecordedRound extends RoundHead {
  readonly input: JsonObject;
  /** `data` of the schedule; null: the round failed. */
  readonly output: JsonObject | null;
  readonly answers: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly log: string;
  /** Path below scheduler/v1 → text; null where it was not known. */
  readonly scheduler: Readonly<Record<string, string>> | null;
}
