import type { DesiredInstance, DesiredState } from '../desired.ts';
import type { KnotStatus } from '../knot-status.ts';
import type { ContainerEnd, ContainerPhase } from '../status.ts';

/** A knot that lives, as far as the tree knows. */
export interface LiveKnot {
  readonly pid: number;
  /** The byte-stable JSON of what it runs: equality with what is wanted means that it is left alone. */
  readonly instanceJson: string;
  /** From SIGTERM to SIGKILL of its container. */
  readonly killTimeoutMs: number;
  readonly normalExitCodes: readonly number[];
}

export interface Instance {
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  /** Null: it is to end and be forgotten, or runs on while its sandbox's config cannot be read. */
  readonly desired: DesiredInstance | null;
  readonly phase: ContainerPhase;
  readonly knot: LiveKnot | null;
  /** The program; null until the knot has reported it. */
  readonly program: { readonly pid: number; readonly startTime: number; readonly startedAtMs: number } | null;
  /** When the stop signal was sent; it is sent once. */
  readonly stopSentAtMs: number | null;
  readonly killSent: boolean;
  readonly adopted: boolean;
  readonly restarts: number;
  /** Of them, those that its present knot has done in place. */
  readonly inPlace: number;
  readonly lastStartMs: number | null;
  /** Least time between this start and the next; null: not ended yet. */
  readonly gapMs: number | null;
  readonly nextStartAtMs: number | null;
  readonly lastEnd: ContainerEnd | null;
}

export interface Counts {
  readonly started: number;
  readonly deaths: number;
  readonly failures: number;
  readonly oomKills: number;
}

export const noCounts: Counts = { started: 0, deaths: 0, failures: 0, oomKills: 0 };

/** What an earlier tree knew of an instance. */
export interface Remembered {
  readonly restarts: number;
  readonly lastStartMs: number | null;
  readonly gapMs: number | null;
  readonly lastEnd: ContainerEnd | null;
}

export interface State {
  readonly instances: ReadonlyMap<string, Instance>;
  readonly stopping: boolean;
  /** By `SANDBOX.PROCESS`. */
  readonly counts: ReadonlyMap<string, Counts>;
  /** By name, of instances that are not met again yet. */
  readonly remembered: ReadonlyMap<string, Remembered>;
}

export const initialState: State = {
  instances: new Map(),
  stopping: false,
  counts: new Map(),
  remembered: new Map(),
};

/** A living knot of an earlier tree, found in its state dir. */
export interface FoundKnot {
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  readonly knot: LiveKnot;
  readonly status: KnotStatus;
}

export type Event =
  | { readonly type: 'found'; readonly knots: readonly FoundKnot[]; readonly nowMs: number }
  | { readonly type: 'configured'; readonly desired: DesiredState; readonly nowMs: number }
  /** The knot was spawned. */
  | { readonly type: 'spawned'; readonly name: string; readonly knot: LiveKnot; readonly nowMs: number }
  /** It could not be: no state dir, no memory, no program. */
  | { readonly type: 'not-spawned'; readonly name: string; readonly end: ContainerEnd; readonly nowMs: number }
  /** Its status file says that the program runs, perhaps another one than before. */
  | { readonly type: 'running'; readonly name: string; readonly status: KnotStatus }
  | {
      readonly type: 'ended';
      readonly name: string;
      /** Its last words; null where it was killed before it could write any. */
      readonly status: KnotStatus | null;
      readonly nowMs: number;
    }
  | { readonly type: 'tick'; readonly nowMs: number }
  | { readonly type: 'shutdown'; readonly nowMs: number };

export type Effect =
  | { readonly type: 'start'; readonly instance: DesiredInstance }
  /** SIGTERM: the knot stops its container. */
  | { readonly type: 'stop'; readonly name: string }
  /** SIGKILL: the knot does not answer, and its container dies with it. */
  | { readonly type: 'kill'; readonly name: string }
  /** It will not run again: its state dir and cgroup go. */
  | { readonly type: 'forget'; readonly name: string }
  | { readonly type: 'say'; readonly level: 'info' | 'warn' | 'error'; readonly text: string };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}
