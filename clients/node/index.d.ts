/** At least `metric` (its name), and best `group`; `state` for states. All values are texts. */
export type Labels = Readonly<Record<string, string>>;

interface Metric {
  readonly labels: Labels;
}

/** A count that only grows; wraps at 2^64. */
export declare class Counter implements Metric {
  constructor(labels: Labels);
  readonly labels: Labels;
  readonly value: bigint;
  /** Throws RangeError below 0. Default: 1. */
  add(by?: number | bigint): void;
  set(value: number | bigint): void;
}

/** A whole number from -2^63 to 2^63 - 1; RangeError beyond. */
export declare class Integer implements Metric {
  constructor(labels: Labels);
  readonly labels: Labels;
  readonly value: bigint;
  add(by: number | bigint): void;
  set(value: number | bigint): void;
}

/** A number of double precision; NaN is shown as missing. */
export declare class Float implements Metric {
  constructor(labels: Labels);
  readonly labels: Labels;
  readonly value: number;
  add(by: number): void;
  set(value: number): void;
}

export interface StateOptions {
  /** Bytes, 8 of them for the time; default 64. */
  readonly size?: number;
  /** Grows by 1 at each state that is entered. */
  readonly count?: Counter;
  /** Grows by the milliseconds of each state that is left. */
  readonly duration?: Counter;
}

/** What the program does now, as text, and since when. */
export declare class State implements Metric {
  constructor(labels: Labels, options?: StateOptions);
  readonly labels: Labels;
  /** False where the text was cut. */
  enter(text: string, nowMs?: number): boolean;
  leave(nowMs?: number): void;
}

export interface Exported {
  /** Common path of the two files. */
  readonly path: string;
  /** Removes them; so does the end of the process. */
  close(): void;
}

/** Throws TypeError for labels that are no texts or repeat, RangeError for more than cantal reads. */
export declare function exportMetrics(
  metrics: readonly (Counter | Integer | Float | State)[],
  options?: { readonly path?: string },
): Exported;

/** CANTAL_PATH, else $XDG_RUNTIME_DIR/cantal.PID, else /tmp/cantal.UID.PID. */
export declare function defaultPath(env?: Readonly<Record<string, string | undefined>>): string;
