import { askHolders, isThere } from './gather.ts';
import { hurry } from './lead.ts';
import { type Env, type Phase, remember, type State, type Step } from './state.ts';

type Leading = Extract<Phase, { kind: 'leading' }>;

/**
 * A partition has healed, the other side had a leader too, and this one's epoch was the later: it leads on, and merges
 * what was made there (spec/verwalter.md 8). A stamp is always newer than those of its parents: what others hold that is
 * newer than all that this leadership began with, and not its own, was made apart. What is older is a memory of a node
 * that was away, which would bring back what was deleted since.
 */
export const apartStep = (before: State, phase: Leading, env: Env): Step => {
  const known = new Set([...before.store, ...phase.found, ...phase.parents].map(({ hash }) => hash));
  const holders = new Map<string, string[]>();
  for (const member of before.members) {
    const { schedule, addr } = member;
    if (schedule === null || schedule.origin === before.settings.selfId || known.has(schedule.hash)) continue;
    if (schedule.timestamp <= phase.beganWith || !isThere(member, env)) continue;
    holders.set(schedule.hash, [...(holders.get(schedule.hash) ?? []), addr]);
  }
  if (holders.size === 0 && phase.fetches.length === 0 && phase.found.length === 0)
    return { state: before, effects: [] };
  const { state, effects, fetches } = askHolders(before, phase, [...holders], known, env);
  // Once in the store it is no more asked for, after it was merged as well.
  const store = phase.found.reduce(
    (all, schedule) => (all.some(({ hash }) => hash === schedule.hash) ? all : remember(all, schedule)),
    state.store,
  );
  const next: State = { ...state, store, phase: { ...phase, fetches } };
  return { state: phase.found.length > 0 ? hurry(next, 'peers', env) : next, effects };
};
