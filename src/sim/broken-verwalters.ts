import type { Schedule } from '../verwalter/schedule.ts';
import type { Effect, Event, State } from '../verwalter/state.ts';
import { step } from '../verwalter/step.ts';
import type { Decide } from './scheduler.ts';
import { mergeByStamp } from './scheduler.ts';
import type { StepVerwalter } from './verwalters.ts';

/** Copies of verwalter's machine with one mistake each, as in broken.ts. */

/** Renders whatever a leader's address answers. */
export const believesBodies: StepVerwalter = (state, event, env) => {
  const { phase } = state;
  if (event.type !== 'fetched' || phase.kind !== 'following' || phase.wanted === null) return step(state, event, env);
  const data = (event.body as Partial<Schedule>).data ?? {};
  const schedule: Schedule = { ...phase.wanted, data };
  return {
    state: { ...state, lastKnown: schedule, stable: schedule.hash, phase: { ...phase, fetch: null } },
    effects: [{ type: 'render', schedule }],
  };
};

/** Does not notice that its leader is lost. */
export const missesTheLoss: StepVerwalter = (state, event, env) =>
  event.type === 'cluster' && event.leadership.role === 'none'
    ? { state: { ...state, leadership: event.leadership, members: event.members }, effects: [] }
    : step(state, event, env);

/** Without a leader, goes back to an older schedule that it still has. */
export const goesBackAlone: StepVerwalter = (state, event, env) => {
  const result = step(state, event, env);
  const older = result.state.store.find(({ hash }) => hash !== result.state.lastKnown?.hash);
  if (event.type !== 'tick' || result.state.leadership.role !== 'none' || older === undefined) return result;
  return { ...result, state: { ...result.state, lastKnown: older } };
};

/** Gives each parent twice. */
export const doublesParents = withRounds((parents) => [...parents, ...parents]);

/** Gives the oldest parent first. */
export const oldestFirst = withRounds((parents) => [...parents].reverse());

function withRounds(change: (parents: readonly Schedule[]) => readonly Schedule[]): StepVerwalter {
  return (state, event, env) => {
    const result = step(state, event, env);
    const effects = result.effects.map(
      (effect): Effect => (effect.type === 'start-round' ? { ...effect, parents: change(effect.parents) } : effect),
    );
    return { ...result, effects };
  };
}

/** Stamps by its own clock, wherever that stands. */
export const stampsByTheClock: StepVerwalter = (state, event, env) => {
  const result = step(state, event, env);
  const { phase } = result.state;
  if (
    phase.kind !== 'leading' ||
    phase.running === null ||
    !result.effects.some(({ type }) => type === 'start-round')
  ) {
    return result;
  }
  const running = { ...phase.running, timestamp: Math.floor(env.wallMs) };
  return { ...result, state: { ...result.state, phase: { ...phase, running } } };
};

/** Answers the queue after a round that has not seen it. */
export const answersUnseen: StepVerwalter = (state, event, env) => {
  const result = step(state, event, env);
  const effects = result.effects.map(
    (effect): Effect => (effect.type === 'start-round' ? { ...effect, actions: [] } : effect),
  );
  return { ...result, effects };
};

/** Forgets the queue when it leads no longer. */
export const forgetsTheQueue: StepVerwalter = (state, event, env) =>
  step(losesLeadership(state, event) ? { ...state, actions: [] } : state, event, env);

const losesLeadership = (state: State, event: Event): boolean =>
  event.type === 'cluster' && state.leadership.role === 'leader' && event.leadership.role !== 'leader';

/** Never asks for a body. */
export const neverFetches: StepVerwalter = (state, event, env) => {
  const result = step(state, event, env);
  return { ...result, effects: result.effects.filter(({ type }) => type !== 'fetch') };
};

/** Leads on after a partition as if nothing had been made on the other side. */
export const seesNothingApart: StepVerwalter = (state, event, env) => {
  const { phase } = state;
  if (phase.kind !== 'leading') return step(state, event, env);
  return step({ ...state, phase: { ...phase, beganWith: Number.POSITIVE_INFINITY } }, event, env);
};

/** Takes what gossip tells of its leader's stamp for what that has made in this leadership. */
export const takesOldStamps: StepVerwalter = (state, event, env) => {
  if (event.type !== 'cluster' || event.leadership.role !== 'follower') return step(state, event, env);
  const { leaderId } = event.leadership;
  const schedule = event.members.find(({ id }) => id === leaderId)?.schedule ?? null;
  return step(state, { ...event, leadership: { ...event.leadership, schedule } }, env);
};

/** A scheduler that takes the first parent for the whole truth. */
export const takesTheFirstParent: Decide = (parents, actions, nowMs) =>
  mergeByStamp(parents.slice(0, 1), actions, nowMs);
