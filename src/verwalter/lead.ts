import type { Json } from './canonical.ts';
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
    trial: null,
  },
});

/** A reason to decide anew: soon, but together with what comes right after, and not faster than once a second. */
export const hurry = (state: State, reason: RoundReason, env: Env): State => {
  const { phase } = state;
  if (phase.kind !== 'leading') return state;
  const soon = Math.max(env.nowMs + debounceMs, phase.lastStartMs + betweenRoundsMs);
  if (soon >= phase.dueMs) return state;
  return { ...state, phase: { ...phase, dueMs: soon, reason } };
};

export const leadStep = (state: State, phase: Leading, env: Env): Step => {
  if (phase.running !== null || env.nowMs < phase.dueMs) return { state, effects: [] };
  const round = state.counter + 1;
  const actions = state.actions.filter(({ id }) => phase.trial === null || !isLeftOut(phase.trial, id));
  // A stamp never goes back, even where the former leader's clock was ahead.
  const newest = Math.max(0, ...phase.parents.map((parent) => parent.timestamp));
  const running = { round, timestamp: Math.max(Math.floor(env.wallMs), newest + 1), actions };
  return {
    state: {
      ...state,
      counter: round,
      phase: { ...phase, running, lastStartMs: env.nowMs, dueMs: Number.POSITIVE_INFINITY, reason: 'timer' },
    },
    effects: [
      {
        type: 'start-round',
        round,
        epoch: phase.epoch,
        reason: phase.reason,
        parents: phase.parents,
        parentsMeta: phase.parents.map((parent) => ({ ...stampOf(parent), holders: holdersOf(state, parent.hash) })),
        actions,
      },
    ],
  };
};

const holdersOf = (state: State, hash: string): string[] => [
  ...(state.lastKnown?.hash === hash ? [state.settings.selfId] : []),
  ...state.members.filter((member) => member.schedule?.hash === hash).map((member) => member.id),
];

const isLeftOut = (trial: Exclude<Trial, null>, id: number): boolean => trial.leftOut === 'all' || trial.leftOut === id;

export const roundDone = (
  state: State,
  phase: Leading,
  event: Extract<Event, { type: 'round-done' }>,
  env: Env,
): Step => {
  const { running, trial } = phase;
  if (running?.round !== event.round) return { state, effects: [] };
  const schedule: Schedule = {
    timestamp: running.timestamp,
    hash: event.hash,
    origin: state.settings.selfId,
    data: event.data,
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
  const poisonous = trial === null ? [] : state.actions.filter(({ id }) => isLeftOut(trial, id));
  for (const { id } of poisonous) {
    seen.add(id);
    const error = `the scheduler failed ${poisonAfter} times with this action: ${state.errors.scheduler ?? ''}`;
    effects.push({ type: 'action-answered', id, status: 422, value: { error } });
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
      errors: { ...state.errors, scheduler: null },
      phase: {
        ...phase,
        parents: [schedule],
        made: true,
        running: null,
        dueMs: Math.min(phase.dueMs, env.nowMs + pause),
        failures: 0,
        trial: null,
      },
    },
    effects,
  };
};

export const roundFailed = (state: State, phase: Leading, round: number, error: string, env: Env): Step => {
  if (phase.running?.round !== round) return { state, effects: [] };
  const failures = phase.failures + 1;
  const trial = nextTrial(state.actions, phase.trial, failures);
  return {
    state: {
      ...state,
      errors: { ...state.errors, scheduler: error },
      phase: { ...phase, running: null, failures, trial, dueMs: env.nowMs + afterFailureMs },
    },
    effects: [],
  };
};

/** Without the first action, without the second …, without any; where even that fails, it is not the actions. */
const nextTrial = (actions: readonly QueuedAction[], trial: Trial, failures: number): Trial => {
  if (failures < poisonAfter || actions.length === 0) return null;
  if (trial === null) return { leftOut: actions[0]?.id ?? 'all' };
  if (trial.leftOut === 'all') return null;
  const index = actions.findIndex((action) => action.id === trial.leftOut);
  const next = actions[index + 1];
  if (next !== undefined) return { leftOut: next.id };
  return actions.length > 1 ? { leftOut: 'all' } : null;
};

/** Nobody waits for it any longer; a round that has begun with it goes on. */
export const dropAction = (state: State, id: number): State => {
  const { phase } = state;
  if (phase.kind === 'leading' && phase.running?.actions.some((action) => action.id === id) === true) return state;
  return { ...state, actions: state.actions.filter((action) => action.id !== id) };
};

/** Ids of one second. */
const idsPerSecond = 1000;

export const queueAction = (state: State, ticket: number, value: Json, env: Env): Step => {
  const refuse = (status: 429 | 503, error: string): Step => ({
    state,
    effects: [{ type: 'action-refused', ticket, status, error }],
  });
  if (state.leadership.role !== 'leader') return refuse(503, 'this node does not lead');
  const first = Math.floor(env.wallMs / 1000) * idsPerSecond;
  const used = new Set(state.actions.map((action) => action.id));
  let id = first;
  while (used.has(id)) id++;
  if (id >= first + idsPerSecond) return refuse(429, `${idsPerSecond} actions in one second are waiting already`);
  const queued = { ...state, actions: [...state.actions, { id, value }].sort((a, b) => a.id - b.id) };
  return { state: hurry(queued, 'action', env), effects: [{ type: 'action-queued', ticket, id }] };
};
