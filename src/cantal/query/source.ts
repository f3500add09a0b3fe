import type { StateValue } from '../../native/scanner.ts';
import type { LabelIndex } from './label-index.ts';
import type { NumberKind, Sample } from './sample.ts';

/** What a query reads. One object stands for one moment: the newest scan does not change under it. */
export interface SeriesSource {
  readonly index: LabelIndex;
  /** Of all kept scans, milliseconds since the epoch, newest first. */
  readonly scanTimes: readonly number[];
  /** Of a number series; undefined where the id is of no number series (any more). */
  kind(id: number): NumberKind | undefined;
  /** The value in the newest scan; null where the series was not seen in it. */
  tip(id: number): Sample;
  /** `values[i]` belongs to `scanTimes[i]`, for the newest `samples` scans; null = missing. */
  history(id: number, samples: number): readonly Sample[];
  /**
   * The same as plain numbers, NaN = missing; null where one of them is beyond what a number holds exactly. Good until
   * the next call of floats() or history(), and not to be changed.
   */
  floats(id: number, samples: number): Float64Array | null;
  states(): readonly StateValue[];
}
