import { countMoves, type Move, type MoveCounts } from '../diff.ts';
import { movesKey, type ReplayedRound } from './replay-rounds.ts';

/** Rounds one after the other whose schedules differ from the recorded ones in the same way. */
export interface Stretch {
  readonly from: ReplayedRound;
  readonly to: ReplayedRound;
  readonly rounds: number;
  readonly moves: readonly Move[];
}

export interface ReplaySummary {
  readonly rounds: number;
  /** No schedule came out, or not as it was recorded. */
  readonly failed: readonly { readonly id: number; readonly timestamp: number; readonly error: string }[];
  /** Not byte for byte as recorded. */
  readonly different: readonly {
    readonly id: number;
    readonly timestamp: number;
    readonly what: string;
    readonly error: string | null;
  }[];
  /** Rounds with another schedule. */
  readonly differing: number;
  /** Of all stretches. */
  readonly moves: MoveCounts;
}

export interface Stretches {
  /** The stretch that ends with this round, if one does. */
  add(round: ReplayedRound): Stretch | null;
  /** The one that is still open. */
  end(): Stretch | null;
  summary(): ReplaySummary;
}

/** `ownScheduler`: the recorded scheduler runs again, so that an error that was recorded is no news. */
export const stretches = (ownScheduler: boolean): Stretches => {
  let open: (Stretch & { readonly key: string }) | null = null;
  let lastMoves: readonly Move[] = [];
  let rounds = 0;
  let differing = 0;
  const failed: ReplaySummary['failed'][number][] = [];
  const different: ReplaySummary['different'][number][] = [];
  const moves = { started: 0, stopped: 0, moved: 0, changed: 0 };

  const close = (): Stretch | null => {
    const ended = open;
    open = null;
    return ended;
  };
  return {
    add(round) {
      rounds++;
      lastMoves = round.moves ?? lastMoves;
      const { id, timestamp, error, differs } = round;
      if (error !== null && !(ownScheduler && differs === null)) failed.push({ id, timestamp, error });
      if (differs !== null) different.push({ id, timestamp, what: differs, error });
      if (differs === 'schedule') differing++;
      const key = lastMoves.length === 0 ? null : movesKey(lastMoves);
      if (open !== null && open.key === key) {
        open = { ...open, to: round, rounds: open.rounds + 1 };
        return null;
      }
      const ended = close();
      if (key !== null) {
        open = { from: round, to: round, rounds: 1, moves: lastMoves, key };
        const counts = countMoves(lastMoves);
        for (const kind of ['started', 'stopped', 'moved', 'changed'] as const) moves[kind] += counts[kind];
      }
      return ended;
    },
    end: close,
    summary: () => ({ rounds, failed, different, differing, moves }),
  };
};
