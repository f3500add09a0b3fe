import type { Json, JsonObject } from './canonical.ts';
import type { Held } from './guard.ts';
import type { Leadership, Member, ScheduleStamp } from './ports.ts';
import type { Schedule } from './schedule.ts';

// The decisions of verwalter as data: what a node is doing about the schedule (spec/verwalter.md 3.6, 4.6, 4.7, 6.4).

/** What the machine reads of the world at an event. */
export interface Env {
  /** Monotonic; all waiting is measured by it. */
  readonly nowMs: number;
  /** Since the epoch; goes into stamps and action ids only. */
  readonly wallMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface Settings {
  readonly selfId: string;
  /** 5 s from the end of a round to the next: services do not change faster than metrics tell. */
  readonly roundIntervalMs: number;
  /** Part of all instances that one round may stop unasked, 0 to 1. */
  readonly maxShrink: number;
}

/** A leader that makes no schedule for so long gives way to another, whose scheduler may fare better. */
export const noSuccessMs = 300_000;
/** So long it lets others try. */
export const sitOutMs = 60_000;
/** Changes come in groups: wait for the rest of them. */
export const debounceMs = 200;
export const betweenRoundsMs = 1000;
export const afterFailureMs = 1000;
/** A new leader waits this long for peers to tell which schedules exist, unless all have told earlier. */
export const gracefulMs = 15_000;
export const gracefulLeastMs = 2000;
export const gatherMostMs = 75_000;
/** Without an answer for this long, another holder is asked as well. */
export const askAnotherMs = 1000;
/** Three heartbeats: a new leader hears what a follower held, and may merge it, before the follower takes the leader's. */
export const tellFirstMs = 1500;
/** Bodies by hash that a node can still serve. */
export const storeSize = 8;
export const poisonAfter = 3;

export type RoundReason = 'timer' | 'action' | 'runtime' | 'scheduler' | 'peers';

export interface QueuedAction {
  readonly id: number;
  readonly value: Json;
}

export interface Fetch {
  readonly request: number;
  readonly hash: string;
  readonly addr: string;
  readonly sinceMs: number;
}

export interface ParentMeta {
  readonly hash: string;
  readonly timestamp: number;
  readonly origin: string;
  readonly holders: readonly string[];
}

export interface RunningRound {
  readonly round: number;
  readonly timestamp: number;
  readonly actions: readonly QueuedAction[];
  readonly newRuntime: boolean;
}

/**
 * After three failures with actions in the queue, rounds leave out one after the other to find the culprit. Where it takes
 * leaving out all of them, there are several: then each of `alone` gets a round of its own, the first one now.
 */
export type Trial = { readonly leftOut: number | 'all' } | { readonly alone: readonly number[] } | null;

export type Phase =
  | { readonly kind: 'unstable' }
  | {
      readonly kind: 'gathering';
      readonly epoch: number;
      readonly sinceMs: number;
      readonly sinceWallMs: number;
      readonly found: readonly Schedule[];
      readonly fetches: readonly Fetch[];
      /** Addresses that failed, and until when they are not asked again. */
      readonly resting: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: 'leading';
      readonly epoch: number;
      readonly parents: readonly Schedule[];
      /** It has made a schedule in this leadership. */
      readonly made: boolean;
      readonly running: RunningRound | null;
      readonly dueMs: number;
      readonly reason: RoundReason;
      readonly lastStartMs: number;
      readonly failures: number;
      /** When a round last went well; before the first, when this leadership began to decide. */
      readonly wellMs: number;
      readonly trial: Trial;
      /** Metadata came that no successful round has seen. */
      readonly newRuntime: boolean;
      readonly held: Held | null;
      /** Hash of a held schedule that somebody has discarded. */
      readonly discarded: string | null;
      /** When the newest of what this leadership began with was first made; 0: nothing. What is newer and not our own was made apart: apart.ts. */
      readonly beganWith: number;
      /** Made apart, for the next round to merge. */
      readonly found: readonly Schedule[];
      readonly fetches: readonly Fetch[];
      readonly resting: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: 'following';
      readonly epoch: number;
      readonly leaderId: string;
      readonly sinceMs: number;
      readonly wanted: ScheduleStamp | null;
      readonly fetch: Fetch | null;
      readonly retryMs: number;
    };

export interface State {
  readonly settings: Settings;
  readonly leadership: Leadership;
  readonly members: readonly Member[];
  readonly phase: Phase;
  readonly lastKnown: Schedule | null;
  /** False: a scheduler has not been loaded yet, and this node would not know what to do as a leader. */
  readonly loaded: boolean;
  /** It led without success, and stands for no election until then; null: it stands. */
  readonly sitsOutUntilMs: number | null;
  /** Stamp's time when this hash was first held: a decision that stays is stamped anew in each round. */
  readonly heldSince: number;
  /** Hash that the present leader has confirmed or made. */
  readonly stable: string | null;
  /** Newest first. */
  readonly store: readonly Schedule[];
  readonly actions: readonly QueuedAction[];
  /** Id that was given last; 0: none. */
  readonly lastActionId: number;
  /** Of the last rounds or fetches; null = fine. */
  readonly errors: Readonly<Record<'scheduler' | 'fetch' | 'guard', string | null>>;
  /** Number of the last request or round. */
  readonly counter: number;
}

export type Event =
  | { readonly type: 'tick' }
  | { readonly type: 'cluster'; readonly leadership: Leadership; readonly members: readonly Member[] }
  | { readonly type: 'changed'; readonly reason: 'runtime' | 'scheduler' }
  | { readonly type: 'action'; readonly ticket: number; readonly value: Json }
  | { readonly type: 'action-expired'; readonly id: number }
  | { readonly type: 'guard'; readonly decision: 'apply' | 'discard'; readonly hash: string }
  | { readonly type: 'fetched'; readonly request: number; readonly body: unknown }
  | { readonly type: 'fetch-failed'; readonly request: number; readonly error: string }
  | {
      readonly type: 'round-done';
      readonly round: number;
      readonly data: JsonObject;
      readonly hash: string;
      readonly answers: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'round-failed'; readonly round: number; readonly error: string };

export type Effect =
  | { readonly type: 'fetch'; readonly request: number; readonly addr: string; readonly hash: string }
  | {
      readonly type: 'start-round';
      readonly round: number;
      readonly epoch: number;
      readonly reason: RoundReason;
      readonly parents: readonly Schedule[];
      readonly parentsMeta: readonly ParentMeta[];
      readonly actions: readonly QueuedAction[];
    }
  | { readonly type: 'may-lead'; readonly allowed: boolean }
  | { readonly type: 'announce'; readonly stamp: ScheduleStamp | null }
  | { readonly type: 'persist'; readonly schedule: Schedule }
  | { readonly type: 'render'; readonly schedule: Schedule }
  | { readonly type: 'action-queued'; readonly ticket: number; readonly id: number }
  | { readonly type: 'action-refused'; readonly ticket: number; readonly status: 429 | 503; readonly error: string }
  | {
      readonly type: 'action-answered';
      readonly id: number;
      readonly status: 200 | 204 | 422 | 503 | 504;
      readonly value: unknown;
    };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const initialState = (settings: Settings, stored: Schedule | null): State => ({
  settings,
  leadership: { role: 'none', epoch: 0 },
  members: [],
  phase: { kind: 'unstable' },
  lastKnown: stored,
  heldSince: stored?.timestamp ?? 0,
  loaded: false,
  sitsOutUntilMs: null,
  stable: null,
  store: stored === null ? [] : [stored],
  actions: [],
  lastActionId: 0,
  errors: { scheduler: null, fetch: null, guard: null },
  counter: 0,
});

/** The newest wrapper of a hash takes the place of an older one. */
export const remember = (store: readonly Schedule[], schedule: Schedule): readonly Schedule[] =>
  [schedule, ...store.filter((other) => other.hash !== schedule.hash)].slice(0, storeSize);
