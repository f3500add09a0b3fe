import type { DesiredInstance } from '../desired.ts';
import type { KnotStatus } from '../knot-status.ts';
import type { ContainerEnd } from '../status.ts';
import {
  type Counts,
  type Effect,
  type Event,
  type FoundKnot,
  type Instance,
  type LiveKnot,
  noCounts,
  type Remembered,
  type State,
  type Step,
} from './state.ts';

/** A knot kills its container at the kill-timeout; one that is still there so much later hangs itself. */
const knotGraceMs = 5_000;
const sigterm = 15;

/**
 * What a tree decides, without clock, process or file. Invariants: at most one knot per name is asked for at a time; two
 * starts of a name are at least its restart-timeout apart; a knot that runs what is wanted gets no signal.
 */
export function step(state: State, event: Event): Step {
  switch (event.type) {
    case 'found':
      return found(state, event.knots, event.nowMs);
    case 'configured':
      return then(configured(state, event.desired.instances, event.desired.brokenSandboxes, event.nowMs), event.nowMs);
    case 'spawned':
      return spawned(state, event.name, event.knot, event.nowMs);
    case 'not-spawned':
      return notSpawned(state, event.name, event.end, event.nowMs);
    case 'running':
      return running(state, event.name, event.status);
    case 'ended':
      return then(ended(state, event.name, event.status, event.nowMs), event.nowMs);
    case 'tick':
      return due(state, event.nowMs);
    case 'shutdown':
      return shutdown(state, event.nowMs);
    default:
      return event satisfies never;
  }
}

/** When the next tick has something to do; null: not before another event. */
export function nextDeadlineMs(state: State): number | null {
  const deadlines = [...state.instances.values()].flatMap((instance) => {
    const kill = killAtMs(instance);
    if (kill !== null) return [kill];
    return instance.phase === 'waiting' && instance.nextStartAtMs !== null && !state.stopping
      ? [instance.nextStartAtMs]
      : [];
  });
  return deadlines.length === 0 ? null : Math.min(...deadlines);
}

const done = (state: State): Step => ({ state, effects: [] });

function then({ state, effects }: Step, nowMs: number): Step {
  const more = due(state, nowMs);
  return { state: more.state, effects: [...effects, ...more.effects] };
}

function put(state: State, instance: Instance): State {
  return { ...state, instances: new Map(state.instances).set(instance.name, instance) };
}

function drop(state: State, name: string): State {
  const instances = new Map(state.instances);
  instances.delete(name);
  return { ...state, instances };
}

/** What comes about a name that is forgotten is late, and of no interest. */
function running(state: State, name: string, status: KnotStatus): Step {
  const instance = state.instances.get(name);
  if (instance === undefined) return done(state);
  // What a knot starts again in the same container is an end and a start like any other.
  const again = Math.max(0, status.restarts - instance.inPlace);
  const counted = again === 0 ? state : count(state, instance, { started: again, deaths: again, failures: again });
  const next: Instance = {
    ...instance,
    phase: instance.phase === 'starting' ? 'running' : instance.phase,
    program: programOf(status),
    restarts: instance.restarts + again,
    inPlace: status.restarts,
    lastEnd: again === 0 ? instance.lastEnd : endOf(status, status.startedAtMs),
  };
  return done(put(counted, next));
}

const endOf = (status: KnotStatus | null, atMs: number): ContainerEnd => ({
  atMs,
  exitCode: status?.exitCode ?? null,
  signal: status?.signal ?? null,
  failure: status?.failure ?? null,
  oomKilled: (status?.oomKills ?? 0) > 0,
  memoryPressure: status?.memoryPressure ?? null,
});

const programOf = (status: KnotStatus): Instance['program'] =>
  status.pid > 0 ? { pid: status.pid, startTime: status.startTime, startedAtMs: status.startedAtMs } : null;

function found(state: State, knots: readonly FoundKnot[], nowMs: number): Step {
  let next = state;
  const effects: Effect[] = [];
  for (const { name, sandbox, process, instance, knot, status } of knots) {
    const known = state.instances.get(name);
    const before = known ?? state.remembered.get(name);
    const adopted: Instance = {
      name,
      sandbox,
      process,
      instance,
      desired: known?.desired ?? null,
      phase: status.phase === 'running' ? 'running' : status.phase === 'stopping' ? 'stopping' : 'starting',
      knot,
      program: programOf(status),
      stopSentAtMs: null,
      killSent: false,
      adopted: true,
      restarts: before?.restarts ?? 0,
      inPlace: status.restarts,
      gapMs: before?.gapMs ?? null,
      // A start of an earlier tree counts for the time between two starts.
      lastStartMs: status.startedAtMs,
      nextStartAtMs: null,
      lastEnd: before?.lastEnd ?? null,
    };
    // Met where it was not expected, when its place was to be taken.
    const unwanted = known !== undefined && (state.stopping || known.desired?.instanceJson !== knot.instanceJson);
    const settled = unwanted ? stop(adopted, nowMs) : { instance: adopted, effects: [] };
    next = put(next, settled.instance);
    effects.push(...settled.effects);
  }
  const text = `adopted ${knots.length} running container${knots.length === 1 ? '' : 's'}`;
  if (knots.length > 0) effects.push({ type: 'say', level: 'info', text });
  return { state: next, effects };
}

function configured(state: State, desired: readonly DesiredInstance[], broken: readonly string[], nowMs: number): Step {
  if (state.stopping) return done(state);
  let next = state;
  const effects: Effect[] = [];
  for (const wanted of desired) {
    const instance = state.instances.get(wanted.name);
    if (instance === undefined) {
      next = put(next, newInstance(wanted, state.remembered.get(wanted.name), nowMs));
    } else if (instance.knot === null || instance.knot.instanceJson === wanted.instanceJson) {
      next = put(next, { ...instance, desired: wanted });
    } else {
      effects.push({ type: 'say', level: 'info', text: `${wanted.name}: its definition has changed` });
      const stopped = stop({ ...instance, desired: wanted }, nowMs);
      next = put(next, stopped.instance);
      effects.push(...stopped.effects);
    }
  }
  const names = new Set(desired.map(({ name }) => name));
  for (const instance of state.instances.values()) {
    if (names.has(instance.name) || broken.includes(instance.sandbox)) continue;
    const retired = retire(next, { ...instance, desired: null }, nowMs);
    next = retired.state;
    effects.push(...retired.effects);
  }
  return { state: { ...next, remembered: new Map() }, effects };
}

const newInstance = (wanted: DesiredInstance, before: Remembered | undefined, nowMs: number): Instance => ({
  name: wanted.name,
  sandbox: wanted.sandbox,
  process: wanted.process,
  instance: wanted.instance,
  desired: wanted,
  phase: 'waiting',
  knot: null,
  program: null,
  stopSentAtMs: null,
  killSent: false,
  adopted: false,
  restarts: before?.restarts ?? 0,
  inPlace: 0,
  lastStartMs: before?.lastStartMs ?? null,
  gapMs: before?.gapMs ?? null,
  // It has ended while no tree ran: its gap holds all the same.
  nextStartAtMs: earliestStart(wanted, before?.lastStartMs ?? null, before?.gapMs ?? null, nowMs),
  lastEnd: before?.lastEnd ?? null,
});

/** A clock that was set back must not keep it down for longer than the gap. */
function earliestStart(
  wanted: DesiredInstance,
  lastStartMs: number | null,
  gapMs: number | null,
  nowMs: number,
): number {
  if (lastStartMs === null) return nowMs;
  const gap = Math.max(gapMs ?? 0, wanted.restartTimeoutMs);
  return Math.max(nowMs, Math.min(lastStartMs, nowMs) + Math.min(gap, wanted.restartTimeoutMaxMs));
}

/**
 * From start to start. It doubles from restart-timeout to restart-timeout-max while a program lives for less than the
 * latter, and begins anew once it has lived longer. The two are equal unless somebody wants it otherwise (lithos 4.3).
 */
function nextGapMs({ gapMs, lastStartMs }: Instance, wanted: DesiredInstance, nowMs: number): number {
  const { restartTimeoutMs, restartTimeoutMaxMs } = wanted;
  if (gapMs === null || nowMs - (lastStartMs ?? 0) >= restartTimeoutMaxMs) return restartTimeoutMs;
  return Math.min(Math.max(gapMs * 2, restartTimeoutMs), restartTimeoutMaxMs);
}

function stop(instance: Instance, nowMs: number): { readonly instance: Instance; readonly effects: readonly Effect[] } {
  if (instance.knot === null || instance.stopSentAtMs !== null) return { instance, effects: [] };
  return {
    instance: { ...instance, phase: 'stopping', stopSentAtMs: nowMs },
    effects: [{ type: 'stop', name: instance.name }],
  };
}

/** A start that is under way (asked for, not yet spawned) ends with `spawned` or `not-spawned` first. */
function retire(state: State, instance: Instance, nowMs: number): Step {
  if (instance.knot !== null) {
    const stopped = stop(instance, nowMs);
    return { state: put(state, stopped.instance), effects: stopped.effects };
  }
  if (instance.phase === 'starting') return done(put(state, instance));
  return { state: drop(state, instance.name), effects: [{ type: 'forget', name: instance.name }] };
}

/** What is wanted may have changed since the start was asked for. */
function spawned(state: State, name: string, knot: LiveKnot, nowMs: number): Step {
  const instance = state.instances.get(name);
  if (instance === undefined) return done(state);
  const running: Instance = { ...instance, knot, adopted: false };
  if (!state.stopping && instance.desired?.instanceJson === knot.instanceJson) return done(put(state, running));
  const stopped = stop(running, nowMs);
  return { state: put(state, stopped.instance), effects: stopped.effects };
}

function notSpawned(state: State, name: string, end: ContainerEnd, nowMs: number): Step {
  const instance = state.instances.get(name);
  if (instance === undefined) return done(state);
  const text = `${name}: cannot be started: ${end.failure?.message ?? 'unknown reason'}`;
  const after = afterEnd(count(state, instance, { deaths: 1, failures: 1 }), { ...instance, lastEnd: end }, nowMs);
  return { ...after, effects: [{ type: 'say', level: 'error', text }, ...after.effects] };
}

function ended(state: State, name: string, status: KnotStatus | null, nowMs: number): Step {
  const instance = state.instances.get(name);
  if (instance === undefined) return done(state);
  const end = endOf(status, status !== null && status.endedAtMs > 0 ? status.endedAtMs : nowMs);
  const failed = isFailure(instance, status);
  const counted = count(state, instance, {
    deaths: 1,
    failures: failed ? 1 : 0,
    oomKills: (status?.oomKills ?? 0) > 0 ? 1 : 0,
  });
  const after = afterEnd(counted, { ...instance, lastEnd: end }, nowMs);
  const text = `${name}: ${describeEnd(end, status)}`;
  return { ...after, effects: [{ type: 'say', level: failed ? 'error' : 'info', text }, ...after.effects] };
}

/** Not a failure (lithos 6): ended because we asked, died of SIGTERM, or ended with one of its normal exit codes. */
function isFailure(instance: Instance, status: KnotStatus | null): boolean {
  if (instance.stopSentAtMs !== null) return false;
  if (status === null || status.failure !== null) return true;
  if (status.signal === sigterm) return false;
  return status.exitCode === null || instance.knot?.normalExitCodes.includes(status.exitCode) !== true;
}

function describeEnd(end: ContainerEnd, status: KnotStatus | null): string {
  const { exitCode, signal, failure, oomKilled, memoryPressure } = end;
  if (oomKilled) return `out of memory: killed by the kernel${memoryPressure === null ? '' : ` (${memoryPressure})`}`;
  if (failure !== null) return `cannot be started: ${failure.message}`;
  if (signal !== null) return `ended by signal ${signal}`;
  if (exitCode !== null) return `ended with exit code ${exitCode}`;
  return status === null ? 'its knot left no status' : 'its knot was killed, and the container with it';
}

function afterEnd(state: State, instance: Instance, nowMs: number): Step {
  const { desired } = instance;
  if (desired === null || state.stopping) {
    return { state: drop(state, instance.name), effects: [{ type: 'forget', name: instance.name }] };
  }
  const gapMs = nextGapMs(instance, desired, nowMs);
  return done(
    put(state, {
      ...instance,
      phase: 'waiting',
      knot: null,
      program: null,
      stopSentAtMs: null,
      killSent: false,
      adopted: false,
      inPlace: 0,
      gapMs,
      nextStartAtMs: earliestStart(desired, instance.lastStartMs ?? 0, gapMs, nowMs),
    }),
  );
}

function count(state: State, { sandbox, process }: Instance, more: Partial<Counts>): State {
  const key = `${sandbox}.${process}`;
  const { started, deaths, failures, oomKills } = state.counts.get(key) ?? noCounts;
  const next = {
    started: started + (more.started ?? 0),
    deaths: deaths + (more.deaths ?? 0),
    failures: failures + (more.failures ?? 0),
    oomKills: oomKills + (more.oomKills ?? 0),
  };
  return { ...state, counts: new Map(state.counts).set(key, next) };
}

function killAtMs({ knot, stopSentAtMs, killSent }: Instance): number | null {
  return knot === null || stopSentAtMs === null || killSent ? null : stopSentAtMs + knot.killTimeoutMs + knotGraceMs;
}

function due(state: State, nowMs: number): Step {
  let next = state;
  const effects: Effect[] = [];
  for (const instance of state.instances.values()) {
    const kill = killAtMs(instance);
    if (kill !== null && kill <= nowMs) {
      next = put(next, { ...instance, killSent: true });
      effects.push(
        { type: 'say', level: 'warn', text: `${instance.name}: its knot does not stop, killed` },
        { type: 'kill', name: instance.name },
      );
    }
    const { desired, nextStartAtMs } = instance;
    const starts = instance.phase === 'waiting' && nextStartAtMs !== null && nextStartAtMs <= nowMs;
    if (!starts || desired === null || state.stopping) continue;
    next = count(next, instance, { started: 1 });
    next = put(next, {
      ...instance,
      phase: 'starting',
      lastStartMs: nowMs,
      nextStartAtMs: null,
      restarts: instance.lastStartMs === null ? 0 : instance.restarts + 1,
    });
    effects.push({ type: 'start', instance: desired });
  }
  return { state: next, effects };
}

function shutdown(state: State, nowMs: number): Step {
  let next: State = { ...state, stopping: true };
  const effects: Effect[] = [];
  for (const instance of state.instances.values()) {
    const retired = retire(next, instance, nowMs);
    next = retired.state;
    effects.push(...retired.effects);
  }
  return { state: next, effects };
}
