import { restMs } from './gather.ts';
import { readSchedule, type Schedule, stampOf } from './schedule.ts';
import { type Effect, type Env, type Phase, remember, type State, type Step, tellFirstMs } from './state.ts';

type Following = Extract<Phase, { kind: 'following' }>;

export const startFollowing = (state: State, epoch: number, leaderId: string, env: Env): State => ({
  ...state,
  stable: null,
  phase: { kind: 'following', epoch, leaderId, sinceMs: env.nowMs, wanted: null, fetch: null, retryMs: 0 },
});

export const followStep = (state: State, phase: Following, env: Env): Step => {
  const leader = state.members.find((member) => member.id === phase.leaderId);
  // Not what gossip tells of it: that may be of an earlier leadership, and older than what everybody holds.
  const wanted = state.leadership.role === 'follower' ? state.leadership.schedule : null;
  if (leader === undefined || wanted === null || wanted.origin !== phase.leaderId) return { state, effects: [] };
  const telling = state.lastKnown !== null && state.lastKnown.hash !== wanted.hash && state.stable === null;
  if (telling && env.nowMs - phase.sinceMs < tellFirstMs) {
    return { state: { ...state, phase: { ...phase, wanted } }, effects: [] };
  }
  const held = state.store.find((schedule) => schedule.hash === wanted.hash);
  if (held !== undefined) {
    const known = state.lastKnown;
    if (state.stable === wanted.hash && known?.timestamp === wanted.timestamp && known.origin === wanted.origin) {
      return { state: { ...state, phase: { ...phase, wanted } }, effects: [] };
    }
    return confirm({ ...state, phase: { ...phase, wanted, fetch: null } }, { ...wanted, data: held.data });
  }
  if (phase.fetch?.hash === wanted.hash || env.nowMs < phase.retryMs) {
    return { state: { ...state, phase: { ...phase, wanted } }, effects: [] };
  }
  const request = state.counter + 1;
  const fetch = { request, hash: wanted.hash, addr: leader.addr, sinceMs: env.nowMs };
  return {
    state: { ...state, counter: request, phase: { ...phase, wanted, fetch } },
    effects: [{ type: 'fetch', request, addr: leader.addr, hash: wanted.hash }],
  };
};

const confirm = (state: State, schedule: Schedule): Step => {
  const known = state.lastKnown;
  const effects: Effect[] = [];
  if (known?.hash !== schedule.hash || known.origin !== schedule.origin) effects.push({ type: 'persist', schedule });
  effects.push({ type: 'announce', stamp: stampOf(schedule) }, { type: 'render', schedule });
  const store = remember(state.store, schedule);
  const errors = { ...state.errors, fetch: null };
  return { state: { ...state, lastKnown: schedule, stable: schedule.hash, store, errors }, effects };
};

export const followFetched = (state: State, phase: Following, request: number, body: unknown, env: Env): Step => {
  if (phase.fetch?.request !== request) return { state, effects: [] };
  const schedule = readSchedule(body, phase.fetch.hash);
  if ('error' in schedule) return followFailed(state, phase, request, schedule.error, env);
  if (schedule.origin !== phase.leaderId) {
    return followFailed(state, phase, request, `origin: ${schedule.origin} does not lead`, env);
  }
  // A leader that has just restarted serves the same body with an older stamp than it told of.
  const told = phase.wanted?.hash === schedule.hash ? phase.wanted : stampOf(schedule);
  return confirm({ ...state, phase: { ...phase, fetch: null } }, { ...told, data: schedule.data });
};

export const followFailed = (state: State, phase: Following, request: number, error: string, env: Env): Step => {
  if (phase.fetch?.request !== request) return { state, effects: [] };
  const text = `schedule ${phase.fetch.hash.slice(0, 8)} from ${phase.fetch.addr}: ${error}`;
  return {
    state: {
      ...state,
      errors: { ...state.errors, fetch: text },
      phase: { ...phase, fetch: null, retryMs: env.nowMs + restMs(env) },
    },
    effects: [],
  };
};
