import type { Member } from './ports.ts';
import { readSchedule, type Schedule } from './schedule.ts';
import {
  askAnotherMs,
  type Effect,
  type Env,
  type Fetch,
  gatherMostMs,
  gracefulLeastMs,
  gracefulMs,
  type Phase,
  type State,
  type Step,
} from './state.ts';

type Gathering = Extract<Phase, { kind: 'gathering' }>;
/** Both a leader that gathers and one that finds what was made apart ask others for bodies. */
type Asking = Extract<Phase, { kind: 'gathering' | 'leading' }>;

/** A failing address is left alone for a random time in this span. */
const restLeastMs = 100;
const restSpanMs = 200;

export const restMs = (env: Env): number => restLeastMs + env.random() * restSpanMs;

export const startGathering = (state: State, epoch: number, env: Env): State => ({
  ...state,
  stable: null,
  phase: {
    kind: 'gathering',
    epoch,
    sinceMs: env.nowMs,
    sinceWallMs: env.wallMs,
    found: state.lastKnown === null ? [] : [state.lastKnown],
    fetches: [],
    resting: {},
  },
});

/** Gossip may hold a node for dead for a while after it has come back. */
const heardLatelyMs = 5000;

export const isThere = ({ liveness, lastReportDirect }: Member, env: Env): boolean =>
  liveness !== 'dead' || (lastReportDirect !== null && env.wallMs - lastReportDirect < heardLatelyMs);

/** Every hash that a peer holds now, with its holders: one that nobody holds any longer is not waited for. */
const heldHashes = (state: State, env: Env): ReadonlyMap<string, readonly string[]> => {
  const held = new Map<string, string[]>();
  for (const member of state.members) {
    const { schedule, addr } = member;
    if (schedule === null || !isThere(member, env)) continue;
    held.set(schedule.hash, [...(held.get(schedule.hash) ?? []), addr]);
  }
  return held;
};

export const gatherStep = (before: State, phase: Gathering, env: Env): Step & { readonly finished: boolean } => {
  const state = before;
  const held = heldHashes(state, env);
  const have = new Set(phase.found.map((schedule) => schedule.hash));
  const fromStore = state.store.filter((schedule) => held.has(schedule.hash) && !have.has(schedule.hash));
  const found: readonly Schedule[] = [...phase.found, ...fromStore];
  for (const schedule of fromStore) have.add(schedule.hash);
  const missing = [...held].filter(([hash]) => !have.has(hash));

  const waited = env.nowMs - phase.sinceMs;
  const fresh = state.members.filter((member) => member.liveness === 'alive');
  const allReported = fresh.every(
    (member) => member.lastReportDirect !== null && member.lastReportDirect >= phase.sinceWallMs,
  );
  const graceful = allReported ? gracefulLeastMs : gracefulMs;
  if ((waited >= graceful && missing.length === 0) || waited >= gatherMostMs) {
    return { state: { ...state, phase: { ...phase, found, fetches: [] } }, effects: [], finished: true };
  }

  const asked = askHolders(state, phase, missing, have, env);
  return { ...asked, state: { ...asked.state, phase: { ...phase, found, fetches: asked.fetches } }, finished: false };
};

/** Asks a holder of each hash that nobody is being asked for, and another one where the first is slow. */
export const askHolders = (
  before: State,
  { fetches: running, resting }: Pick<Gathering, 'fetches' | 'resting'>,
  missing: readonly (readonly [hash: string, addresses: readonly string[]])[],
  have: ReadonlySet<string>,
  env: Env,
): Step & { readonly fetches: readonly Fetch[] } => {
  let state = before;
  const effects: Effect[] = [];
  let fetches = running.filter((fetch) => !have.has(fetch.hash));
  for (const [hash, addresses] of missing) {
    const asked = fetches.filter((fetch) => fetch.hash === hash);
    if (asked.some((fetch) => env.nowMs - fetch.sinceMs < askAnotherMs)) continue;
    const free = addresses.filter(
      (addr) => (resting[addr] ?? 0) <= env.nowMs && !asked.some((fetch) => fetch.addr === addr),
    );
    const addr = free[Math.floor(env.random() * free.length)];
    if (addr === undefined) continue;
    const request = state.counter + 1;
    state = { ...state, counter: request };
    fetches = [...fetches, { request, hash, addr, sinceMs: env.nowMs }];
    effects.push({ type: 'fetch', request, addr, hash });
  }
  return { state, effects, fetches };
};

export const gatherFetched = (state: State, phase: Asking, request: number, body: unknown, env: Env): State => {
  const fetch = phase.fetches.find((each) => each.request === request);
  if (fetch === undefined) return state;
  const schedule = readSchedule(body, fetch.hash);
  if ('error' in schedule) return gatherFailed(state, phase, request, schedule.error, env);
  const found = phase.found.some((each) => each.hash === schedule.hash) ? phase.found : [...phase.found, schedule];
  const fetches = phase.fetches.filter((each) => each.hash !== schedule.hash);
  return { ...state, errors: { ...state.errors, fetch: null }, phase: { ...phase, found, fetches } };
};

export const gatherFailed = (state: State, phase: Asking, request: number, error: string, env: Env): State => {
  const fetch = phase.fetches.find((each) => each.request === request);
  if (fetch === undefined) return state;
  return {
    ...state,
    errors: { ...state.errors, fetch: `schedule ${fetch.hash.slice(0, 8)} from ${fetch.addr}: ${error}` },
    phase: {
      ...phase,
      fetches: phase.fetches.filter((each) => each.request !== request),
      resting: { ...phase.resting, [fetch.addr]: env.nowMs + restMs(env) },
    },
  };
};
