import type { Json } from './canonical.ts';
import { heldBack, heldText } from './guard.ts';
import { type Schedule, stampOf } from './schedule.ts';
import {
  afterFailureMs,
  betweenRoundsMs,
  debounceMs,
  type Effect,
  type Env,
  type Event,
  type Phase,
  poisonAfter,
  type QueuedAction,
  type RoundReason,
  remember,
  type State,
  type Step,
  type Trial,
} from './state.ts';

type Leading = Extract<Phase, { kind: 'leading' }>;

const newestFirst = (a: Schedule, b: Schedule): number =>
  b.timestamp - a.timestamp || (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0);

export const startLeading = (state: State, epoch: number, found: readonly Schedule[], env: Env): State => ({
  ...state,
  phase: {
    kind: 'leading',
    epoch,
    parents: [...found].sort(newestFirst),
    made: false,
    running: null,
    dueMs: env.nowMs,
    reason: 'peers',
    lastStartMs: Number.NEGATIVE_INFINITY,
    failures: 0,
    wellMs: env.nowMs,
    trial: null,
    newRuntime: false,
    held: null,
    discarded: null,
    // All that went before what is held now is older than its first stamp.
    beganWith: Math.max(
      0,
      ...found.map(({ hash, timestamp }) =>
        hash === state.lastKnown?.hash ? Math.min(timestamp, state.heldSince) : timestamp,
      ),
    ),
    found: [],
    fetches: [],
    resting: {},
  },
});

export const newRuntime = (state: State): State =>
  state.phase.kind === 'leading' ? { ...state, phase: { ...state.phase, newRuntime: true } } : state;

/** A reason to decide anew: soon, but together with what comes right after, and not faster than once a second. */
export const hurry = (state: State, reason: RoundReason, env: Env): State => {
  const { phase } = state;
  if (phase.kind !== 'leading') return state;
  const soon = Math.max(env.nowMs + debounceMs, phase.lastStartMs + betweenRoundsMs);
  if (soon >= phase.dueMs) return state;
  return { ...state, phase: { ...phase, dueMs: soon, reason } };
};

export const leadStep = (state: State, phase: Leading, env: Env): Step => {
  const parents = [...phase.parents, ...phase.found].sort(newestFirst);
  if (phase.running !== null || env.nowMs < phase.dueMs) return { state, effects: [] };
  const round = state.counter + 1;
  const actions = state.actions.filter(({ id }) => !isLeftOut(phase.trial, id));
  // A stamp never goes back, even where the former leader's clock was ahead.
  const newest = Math.max(0, ...parents.map((parent) => parent.timestamp));
  const timestamp = Math.max(Math.floor(env.wallMs), newest + 1);
  const running = { round, timestamp, actions, newRuntime: phase.newRuntime };
  return {
    state: {
      ...state,
      counter: round,
      phase: {
        ...phase,
        parents,
        found: [],
        running,
        lastStartMs: env.nowMs,
        dueMs: Number.POSITIVE_INFINITY,
        reason: 'timer',
        newRuntime: false,
      },
    },
    effects: [
      {
        type: 'start-round',
        round,
        epoch: phase.epoch,
        reason: phase.reason,
        parents,
        parentsMeta: parents.map((parent) => ({ ...stampOf(parent), holders: holdersOf(state, parent.hash) })),
        actions,
      },
    ],
  };
};

const holdersOf = (state: State, hash: string): string[] => [
  ...(state.lastKnown?.hash === hash ? [state.settings.selfId] : []),
  ...state.members.filter((member) => member.schedule?.hash === hash).map((member) => member.id),
];

const isLeftOut = (trial: Trial, id: number): boolean => {
  if (trial === null) return false;
  return 'alone' in trial ? trial.alone[0] !== id : trial.leftOut === 'all' || trial.leftOut === id;
};

const nextAlone = (ids: readonly number[]): Trial => (ids.length === 0 ? null : { alone: ids });

const poisoned = (id: number, problem: string): Effect => {
  const error = `the scheduler failed ${poisonAfter} times with this action: ${problem}`;
  return { type: 'action-answered', id, status: 422, value: { error } };
};

export const roundDone = (
  state: State,
  phase: Leading,
  event: Extract<Event, { type: 'round-done' }>,
  env: Env,
): Step => {
  const { running, trial } = phase;
  if (running?.round !== event.round) return { state, effects: [] };
  const { lastKnown } = state;
  const { maxShrink } = state.settings;
  // An action or new metadata may stop what it likes.
  const explained = running.newRuntime || running.actions.length > 0;
  const held = explained ? null : heldBack(lastKnown, event, maxShrink);
  const discarded = held !== null && held.hash === phase.discarded;
  const schedule: Schedule = {
    timestamp: running.timestamp,
    hash: held === null || lastKnown === null ? event.hash : lastKnown.hash,
    origin: state.settings.selfId,
    data: held === null || lastKnown === null ? event.data : lastKnown.data,
  };
  const isNew = state.lastKnown?.hash !== schedule.hash || state.lastKnown.origin !== schedule.origin;
  const effects: Effect[] = [];
  if (isNew) effects.push({ type: 'persist', schedule });
  effects.push({ type: 'announce', stamp: stampOf(schedule) }, { type: 'render', schedule });
  const seen = new Set(running.actions.map((action) => action.id));
  for (const { id } of running.actions) {
    const value = event.answers[String(id)];
    effects.push({ type: 'action-answered', id, status: value === undefined ? 204 : 200, value: value ?? null });
  }
  // The round went well without what the trial left out: that was the poison.
  const culprit = trial !== null && 'leftOut' in trial && trial.leftOut !== 'all' ? trial.leftOut : null;
  if (culprit !== null && state.actions.some(({ id }) => id === culprit)) {
    seen.add(culprit);
    effects.push(poisoned(culprit, state.errors.scheduler ?? ''));
  }
  const left = state.actions.filter(({ id }) => !seen.has(id));
  const pause = left.length > 0 ? betweenRoundsMs : state.settings.roundIntervalMs;
  return {
    state: {
      ...state,
      lastKnown: schedule,
      stable: schedule.hash,
      store: remember(state.store, schedule),
      actions: left,
      errors: {
        ...state.errors,
        scheduler: null,
        guard: held === null || discarded ? null : heldText(held, maxShrink),
      },
      phase: {
        ...phase,
        // Schedules that are still to be merged wait with the one that is held.
        parents: held !== null && phase.parents.length > 1 ? phase.parents : [schedule],
        held: discarded ? null : held,
        discarded: held === null ? null : phase.discarded,
        made: true,
        wellMs: env.nowMs,
        running: null,
        dueMs: Math.min(phase.dueMs, env.nowMs + pause),
        failures: 0,
        trial: afterSuccess(
          trial,
          left.map(({ id }) => id),
        ),
      },
    },
    effects,
  };
};

const afterSuccess = (trial: Trial, left: readonly number[]): Trial => {
  if (trial === null) return null;
  if ('alone' in trial) return nextAlone(trial.alone.slice(1));
  return trial.leftOut === 'all' ? nextAlone(left) : null;
};

export const roundFailed = (state: State, phase: Leading, round: number, error: string, env: Env): Step => {
  if (phase.running?.round !== round) return { state, effects: [] };
  const expired = phase.running.actions
    .filter(({ id }) => !state.actions.some((action) => action.id === id))
    .map(({ id }): Effect => ({ type: 'action-answered', id, status: 504, value: { error: 'its time was up' } }));
  const failures = phase.failures + 1;
  const alone = phase.trial !== null && 'alone' in phase.trial ? phase.trial.alone : null;
  const culprit = alone === null ? undefined : state.actions.find(({ id }) => id === alone[0])?.id;
  const trial = alone === null ? nextTrial(state.actions, phase.trial, failures) : nextAlone(alone.slice(1));
  return {
    state: {
      ...state,
      actions: state.actions.filter(({ id }) => id !== culprit),
      errors: { ...state.errors, scheduler: error },
      phase: {
        ...phase,
        running: null,
        failures,
        trial,
        dueMs: env.nowMs + afterFailureMs,
        newRuntime: phase.newRuntime || phase.running.newRuntime,
      },
    },
    effects: [...(culprit === undefined ? [] : [poisoned(culprit, error)]), ...expired],
  };
};

/** Without the first action, without the second …, without any; where even that fails, it is not the actions. */
const nextTrial = (actions: readonly QueuedAction[], trial: Trial, failures: number): Trial => {
  if (failures < poisonAfter || actions.length === 0) return null;
  if (trial === null) return { leftOut: actions[0]?.id ?? 'all' };
  if ('alone' in trial || trial.leftOut === 'all') return null;
  const index = actions.findIndex((action) => action.id === trial.leftOut);
  const next = actions[index + 1];
  if (next !== undefined) return { leftOut: next.id };
  return actions.length > 1 ? { leftOut: 'all' } : null;
};

/** Somebody has looked at what the guard holds. */
export const decideHeld = (
  state: State,
  phase: Leading,
  { decision, hash }: Extract<Event, { type: 'guard' }>,
  env: Env,
): Step => {
  const { held } = phase;
  if (held === null || held.hash !== hash) return { state, effects: [] };
  const errors = { ...state.errors, guard: null };
  if (decision === 'discard') {
    return { state: { ...state, errors, phase: { ...phase, held: null, discarded: hash } }, effects: [] };
  }
  const newest = Math.max(0, ...phase.parents.map((parent) => parent.timestamp));
  const timestamp = Math.max(Math.floor(env.wallMs), newest + 1);
  const schedule: Schedule = { timestamp, hash, origin: state.settings.selfId, data: held.data };
  return {
    state: {
      ...state,
      lastKnown: schedule,
      stable: hash,
      store: remember(state.store, schedule),
      errors,
      // A round that runs began with the old schedule, and would bring it back.
      phase: {
        ...phase,
        parents: [schedule],
        held: null,
        discarded: null,
        running: null,
        dueMs: env.nowMs + betweenRoundsMs,
      },
    },
    effects: [
      { type: 'persist', schedule },
      { type: 'announce', stamp: stampOf(schedule) },
      { type: 'render', schedule },
    ],
  };
};

/** Nobody waits for it any longer. A round that has begun with it goes on, and is the last that may take it. */
export const dropAction = (state: State, id: number): State => ({
  ...state,
  actions: state.actions.filter((action) => action.id !== id),
});

/** Ids of one second. */
const idsPerSecond = 1000;
/** A round is given all of them: with the largest bodies these are 64 MiB. */
const mostWaiting = 1000;

export const queueAction = (state: State, ticket: number, value: Json, env: Env): Step => {
  const refuse = (status: 429 | 503, error: string): Step => ({
    state,
    effects: [{ type: 'action-refused', ticket, status, error }],
  });
  if (state.leadership.role !== 'leader') return refuse(503, 'this node does not lead');
  if (state.actions.length >= mostWaiting) return refuse(429, `${mostWaiting} actions wait for a round already`);
  const first = Math.floor(env.wallMs / 1000) * idsPerSecond;
  const used = new Set(state.actions.map((action) => action.id));
  // An id is not given again, or who asks for one action would hear of another.
  const isOfThisSecond = state.lastActionId >= first && state.lastActionId < first + idsPerSecond;
  let id = isOfThisSecond ? state.lastActionId + 1 : first;
  while (used.has(id)) id++;
  if (id >= first + idsPerSecond) return refuse(429, `more than ${idsPerSecond} actions came in one second`);
  const queued = { ...state, lastActionId: id, actions: [...state.actions, { id, value }].sort((a, b) => a.id - b.id) };
  return { state: hurry(queued, 'action', env), effects: [{ type: 'action-queued', ticket, id }] };
};
