import { type Effect, type Env, noSuccessMs, type Phase, type State, sitOutMs } from './state.ts';

// Whether this node stands for election (spec/verwalter.md 3.6).

type Leading = Extract<Phase, { kind: 'leading' }>;

export const mayLead = ({ loaded, sitsOutUntilMs }: State): boolean => loaded && sitsOutUntilMs === null;

/** What the change from one state to the next means for the election. */
export const standing = (before: State, after: State): readonly Effect[] => {
  const allowed = mayLead(after);
  return allowed === mayLead(before) ? [] : [{ type: 'may-lead', allowed }];
};

/** A leader without a successful round for five minutes lets others try, if there are any. */
export const giveWay = (state: State, phase: Leading, env: Env): State => {
  if (env.nowMs - phase.wellMs < noSuccessMs) return state;
  if (!state.members.some(({ liveness }) => liveness !== 'dead')) return state;
  return { ...state, sitsOutUntilMs: env.nowMs + sitOutMs };
};

export const standAgain = (state: State, env: Env): State =>
  state.sitsOutUntilMs !== null && env.nowMs >= state.sitsOutUntilMs ? { ...state, sitsOutUntilMs: null } : state;

export const schedulerLoaded = (state: State): State => (state.loaded ? state : { ...state, loaded: true });
