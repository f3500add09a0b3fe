import { apartStep } from './apart.ts';
import { followFailed, followFetched, followStep, startFollowing } from './follow.ts';
import { gatherFailed, gatherFetched, gatherStep, startGathering } from './gather.ts';
import {
  decideHeld,
  dropAction,
  hurry,
  leadStep,
  newRuntime,
  queueAction,
  roundDone,
  roundFailed,
  startLeading,
} from './lead.ts';
import type { Leadership, Member } from './ports.ts';
import { stampOf } from './schedule.ts';
import { giveWay, schedulerLoaded, standAgain, standing } from './stand.ts';
import type { Effect, Env, Event, State, Step } from './state.ts';

/** One event in, the next state and what is to be done about it out. No clock, no disk, no network of its own. */
export const step = (state: State, event: Event, env: Env): Step => {
  const first = take(standAgain(state, env), event, env);
  const second = proceed(first.state, env);
  const { phase } = second.state;
  const led = phase.kind === 'leading' ? giveWay(second.state, phase, env) : second.state;
  const isNew = led.lastKnown !== null && led.lastKnown.hash !== state.lastKnown?.hash;
  const last = isNew ? { ...led, heldSince: led.lastKnown.timestamp } : led;
  return { state: last, effects: [...first.effects, ...second.effects, ...standing(state, last)] };
};

const nothing = (state: State): Step => ({ state, effects: [] });

const take = (state: State, event: Event, env: Env): Step => {
  const { phase } = state;
  switch (event.type) {
    case 'tick':
      return nothing(state);
    case 'cluster':
      return clusterChanged(state, event.leadership, event.members, env);
    case 'changed':
      return nothing(hurry(event.reason === 'runtime' ? newRuntime(state) : schedulerLoaded(state), event.reason, env));
    case 'action':
      return queueAction(state, event.ticket, event.value, env);
    case 'action-expired':
      return nothing(dropAction(state, event.id));
    case 'guard':
      return phase.kind === 'leading' ? decideHeld(state, phase, event, env) : nothing(state);
    case 'fetched':
      if (phase.kind === 'gathering' || phase.kind === 'leading') {
        return nothing(gatherFetched(state, phase, event.request, event.body, env));
      }
      if (phase.kind === 'following') return followFetched(state, phase, event.request, event.body, env);
      return nothing(state);
    case 'fetch-failed':
      if (phase.kind === 'gathering' || phase.kind === 'leading') {
        return nothing(gatherFailed(state, phase, event.request, event.error, env));
      }
      if (phase.kind === 'following') return followFailed(state, phase, event.request, event.error, env);
      return nothing(state);
    // A round of an earlier leadership finds no running round of its number and is thrown away.
    case 'round-done':
      return phase.kind === 'leading' ? roundDone(state, phase, event, env) : nothing(state);
    case 'round-failed':
      return phase.kind === 'leading' ? roundFailed(state, phase, event.round, event.error, env) : nothing(state);
    default:
      return event satisfies never;
  }
};

/** What is due by time or by what is known of the peers. */
const proceed = (state: State, env: Env): Step => {
  const { phase } = state;
  switch (phase.kind) {
    case 'unstable':
      return nothing(state);
    case 'gathering': {
      const gathered = gatherStep(state, phase, env);
      if (!gathered.finished || gathered.state.phase.kind !== 'gathering') return gathered;
      const { found } = gathered.state.phase;
      return proceed(startLeading(gathered.state, phase.epoch, found, env), env);
    }
    case 'leading': {
      const asked = apartStep(state, phase, env);
      if (asked.state.phase.kind !== 'leading') return asked;
      const led = leadStep(asked.state, asked.state.phase, env);
      return { state: led.state, effects: [...asked.effects, ...led.effects] };
    }
    case 'following':
      return followStep(state, phase, env);
    default:
      return phase satisfies never;
  }
};

const sameLeadership = (a: Leadership, b: Leadership): boolean =>
  a.role === b.role &&
  a.epoch === b.epoch &&
  (a.role !== 'follower' || b.role !== 'follower' || a.leaderId === b.leaderId);

/** What the scheduler would see differently; stamps and times of reports change all the while. */
const peersKey = (members: readonly Member[]): string =>
  members
    .map((member) => `${member.id} ${member.hostname} ${member.addr} ${member.liveness}`)
    .sort()
    .join('\n');

const clusterChanged = (before: State, leadership: Leadership, members: readonly Member[], env: Env): Step => {
  const state = { ...before, leadership, members };
  if (sameLeadership(before.leadership, leadership)) {
    return nothing(peersKey(before.members) === peersKey(members) ? state : hurry(state, 'peers', env));
  }
  const lost = before.leadership.role === 'leader';
  const effects: Effect[] = lost
    ? before.actions.map(({ id }) => ({
        type: 'action-answered',
        id,
        status: 503,
        value: { error: 'this node leads no longer; nothing was done' },
      }))
    : [];
  const clean: State = lost
    ? { ...state, actions: [], errors: { ...state.errors, scheduler: null, guard: null } }
    : state;
  const own = clean.lastKnown === null ? null : stampOf(clean.lastKnown);
  switch (leadership.role) {
    case 'leader':
      // Until its first round a leader tells of no schedule: followers would take it for its decision.
      return {
        state: startGathering(clean, leadership.epoch, env),
        effects: [...effects, { type: 'announce', stamp: null }],
      };
    case 'follower':
      return {
        state: startFollowing(clean, leadership.epoch, leadership.leaderId, env),
        effects: [...effects, { type: 'announce', stamp: own }],
      };
    case 'none':
      return {
        state: { ...clean, stable: null, phase: { kind: 'unstable' } },
        effects: [...effects, { type: 'announce', stamp: own }],
      };
    default:
      return leadership satisfies never;
  }
};
