// Several children that live and end together: which of them is told what, and when (vagga 2.7 and "Supervise" in 6).
import type { JobSignal } from '../job-control.ts';

export type SuperviseMode = 'stop-on-failure' | 'wait-all-successful';

export interface SuperviseState {
  readonly mode: SuperviseMode;
  readonly killAfterMs: number;
  /** Children that are to be started, the next one first. */
  readonly waiting: readonly string[];
  /** Asked to be started, not answered yet. */
  readonly starting: string | null;
  /** Pid, on the host, of each child's program, which leads a process group. */
  readonly running: ReadonlyMap<string, number>;
  /** Those of `running` that are stopped. */
  readonly stopped: ReadonlySet<string>;
  /** Children that want to read or change the terminal while another has it, the first to come first. */
  readonly wantTerminal: readonly string[];
  /** `running`: until the first one decides how all ends; then `stopping`, and `killed` once patience is at its end. */
  readonly phase: 'running' | 'stopping' | 'killed' | 'ended';
  readonly exitCode: number;
}

export type SuperviseEvent =
  | { readonly kind: 'started'; readonly name: string; readonly pid: number }
  | { readonly kind: 'not-started'; readonly name: string; readonly problem: string }
  /** 0 to 255: its own code, or 128 + the signal that ended it. */
  | { readonly kind: 'exited'; readonly name: string; readonly exitCode: number }
  | { readonly kind: 'stopped'; readonly name: string; readonly by: 'terminal-access' | 'stop' }
  /** The supervisor got a signal. */
  | { readonly kind: 'signal'; readonly signal: JobSignal }
  /** `killAfterMs` have passed since the last `arm-timer`. */
  | { readonly kind: 'timeout' };

/** Who is in the foreground of the terminal at this moment; `none`: there is no terminal. */
export type Foreground =
  | { readonly kind: 'supervisor' }
  | { readonly kind: 'child'; readonly name: string }
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'none' };

export type SuperviseEffect =
  /** Answered by `started` or `not-started`. */
  | { readonly kind: 'start'; readonly name: string }
  | { readonly kind: 'signal-group'; readonly name: string; readonly signal: JobSignal }
  | { readonly kind: 'signal-child'; readonly name: string; readonly signal: JobSignal }
  /** SIGKILL for the child with all that it has started. */
  | { readonly kind: 'kill'; readonly name: string }
  | { readonly kind: 'arm-timer'; readonly ms: number }
  /** A line for stdout. */
  | { readonly kind: 'print'; readonly line: string }
  /** A line for stderr. */
  | { readonly kind: 'tell'; readonly line: string }
  | { readonly kind: 'hand-over-terminal'; readonly name: string }
  | { readonly kind: 'take-terminal' }
  /** SIGSTOP for the supervisor, so that the caller's shell sees a stopped job. */
  | { readonly kind: 'stop-self' }
  | { readonly kind: 'end'; readonly exitCode: number };

export interface SuperviseStep {
  readonly state: SuperviseState;
  readonly effects: readonly SuperviseEffect[];
}

const cannotStart = 127;
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Children are started in the order of `names`, each as soon as the one before it runs. */
export function beginSupervision(names: readonly string[], mode: SuperviseMode, killAfterMs: number): SuperviseStep {
  const state: SuperviseState = {
    ...{ mode, killAfterMs, waiting: names, starting: null },
    ...{ running: new Map(), stopped: new Set(), wantTerminal: [], phase: 'running', exitCode: 0 },
  };
  return goOn(state, []);
}

export function superviseStep(state: SuperviseState, event: SuperviseEvent, foreground: Foreground): SuperviseStep {
  if (state.phase === 'ended') return { state, effects: [] };
  switch (event.kind) {
    case 'started':
      return started(state, event);
    case 'not-started': {
      const known = { ...state, starting: null };
      const message: SuperviseEffect = {
        kind: 'tell',
        line: `child ${event.name} cannot be started: ${event.problem}`,
      };
      return shutDown(known, cannotStart, [message]);
    }
    case 'exited':
      return exited(state, event, foreground);
    case 'stopped':
      return stopped(state, event, foreground);
    case 'signal':
      return signalled(state, event.signal, foreground);
    case 'timeout':
      return state.phase === 'stopping' ? kill(state) : { state, effects: [] };
    default:
      return event satisfies never;
  }
}

function started(state: SuperviseState, { name, pid }: Extract<SuperviseEvent, { kind: 'started' }>): SuperviseStep {
  const known: SuperviseState = { ...state, starting: null, running: new Map([...state.running, [name, pid]]) };
  switch (state.phase) {
    case 'running':
    case 'ended':
      return goOn(known, []);
    case 'stopping':
      return goOn(known, [{ kind: 'signal-child', name, signal: 'SIGTERM' }, ...patience(known)]);
    case 'killed':
      return goOn(known, [{ kind: 'kill', name }]);
    default:
      return state.phase satisfies never;
  }
}

/** The next start where one is due; the end where nothing is left. */
function goOn(state: SuperviseState, effects: readonly SuperviseEffect[]): SuperviseStep {
  const [next, ...waiting] = state.waiting;
  if (state.starting !== null) return { state, effects };
  if (state.phase === 'running' && next !== undefined) {
    return { state: { ...state, starting: next, waiting }, effects: [...effects, { kind: 'start', name: next }] };
  }
  if (state.running.size > 0) return { state, effects };
  return { state: { ...state, phase: 'ended' }, effects: [...effects, { kind: 'end', exitCode: state.exitCode }] };
}

/** The first reason to end decides the exit code. */
function shutDown(state: SuperviseState, exitCode: number, effects: readonly SuperviseEffect[]): SuperviseStep {
  if (state.phase !== 'running') return goOn({ ...state, waiting: [] }, effects);
  const stopping: SuperviseState = { ...state, phase: 'stopping', exitCode, waiting: [] };
  return goOn(stopping, [...effects, ...terminate(state), ...patience(state)]);
}

const patience = ({ running, killAfterMs }: SuperviseState): readonly SuperviseEffect[] =>
  running.size === 0 ? [] : [{ kind: 'arm-timer', ms: killAfterMs }];

const terminate = (state: SuperviseState): readonly SuperviseEffect[] => [
  ...[...state.running.keys()].map((name): SuperviseEffect => ({ kind: 'signal-child', name, signal: 'SIGTERM' })),
  ...wake(state),
];

/** What is stopped gets no signal before it goes on. */
const wake = ({ stopped }: SuperviseState): readonly SuperviseEffect[] =>
  [...stopped].map((name) => ({ kind: 'signal-group', name, signal: 'SIGCONT' }));

function exited(
  state: SuperviseState,
  { name, exitCode }: Extract<SuperviseEvent, { kind: 'exited' }>,
  foreground: Foreground,
): SuperviseStep {
  const pid = state.running.get(name);
  if (pid === undefined) return { state, effects: [] };
  const running = new Map(state.running);
  running.delete(name);
  const left: SuperviseState = {
    ...state,
    running,
    stopped: new Set(without([...state.stopped], name)),
    wantTerminal: without(state.wantTerminal, name),
  };
  const had = foreground.kind === 'child' && foreground.name === name;
  const next = had && left.phase === 'running' ? passOn(left) : { state: left, effects: [] };
  const effects: readonly SuperviseEffect[] = [...(had ? [{ kind: 'take-terminal' } as const] : []), ...next.effects];
  if (state.phase !== 'running' || (state.mode === 'wait-all-successful' && exitCode === 0)) {
    return goOn(next.state, effects);
  }
  const line = `---------- Process ${name}:${pid} exited with code ${exitCode}. Shutting down -----------`;
  return shutDown(next.state, exitCode, [...effects, { kind: 'print', line }]);
}

/** The terminal for the child that has waited longest. */
function passOn(state: SuperviseState): SuperviseStep {
  const [name, ...wantTerminal] = state.wantTerminal;
  if (name === undefined) return { state, effects: [] };
  return {
    state: { ...state, wantTerminal, stopped: new Set(without([...state.stopped], name)) },
    effects: [
      { kind: 'hand-over-terminal', name },
      { kind: 'signal-group', name, signal: 'SIGCONT' },
    ],
  };
}

function stopped(
  state: SuperviseState,
  { name, by }: Extract<SuperviseEvent, { kind: 'stopped' }>,
  foreground: Foreground,
): SuperviseStep {
  if (!state.running.has(name)) return { state, effects: [] };
  const known: SuperviseState = { ...state, stopped: new Set([...state.stopped, name]) };
  // A child that is to end is not helped to wait; patience has an end.
  if (state.phase !== 'running' || foreground.kind === 'none') return { state: known, effects: [] };
  if (by === 'stop') {
    // Ctrl-Z reached the one that has the terminal alone; whoever else stops is somebody's wish.
    const isHolder = foreground.kind === 'child' && foreground.name === name;
    return isHolder ? suspend(first(known, name)) : unchanged(known);
  }
  const waits: SuperviseState = { ...known, wantTerminal: [...without(known.wantTerminal, name), name] };
  switch (foreground.kind) {
    case 'supervisor':
      return passOn(waits);
    case 'child':
      return unchanged(waits);
    case 'elsewhere':
      return suspend(waits);
    default:
      return foreground satisfies never;
  }
}

const unchanged = (state: SuperviseState): SuperviseStep => ({ state, effects: [] });

/** Whoever had the terminal gets it back before others do. */
const first = (state: SuperviseState, name: string): SuperviseState => ({
  ...state,
  wantTerminal: [name, ...without(state.wantTerminal, name)],
});

/** All stop, and the supervisor after them; SIGCONT is the way back. */
function suspend(state: SuperviseState): SuperviseStep {
  const goes = [...state.running.keys()].filter((name) => !state.stopped.has(name));
  return {
    state,
    effects: [
      ...goes.map((name): SuperviseEffect => ({ kind: 'signal-group', name, signal: 'SIGTSTP' })),
      { kind: 'stop-self' },
    ],
  };
}

function signalled(state: SuperviseState, signal: JobSignal, foreground: Foreground): SuperviseStep {
  const names = [...state.running.keys()];
  switch (signal) {
    case 'SIGINT':
    case 'SIGQUIT':
    case 'SIGTERM':
    case 'SIGHUP': {
      // The terminal's own signals are for groups; SIGTERM and SIGHUP for who leads them.
      const kind = signal === 'SIGINT' || signal === 'SIGQUIT' ? 'signal-group' : 'signal-child';
      const effects = [...names.map((name): SuperviseEffect => ({ kind, name, signal })), ...wake(state)];
      if (state.phase !== 'running') return { state, effects };
      const exitCode = 128 + signalNumbers[signal];
      return goOn({ ...state, phase: 'stopping', exitCode, waiting: [] }, [...effects, ...patience(state)]);
    }
    case 'SIGCONT': {
      const awake: SuperviseState = { ...state, stopped: new Set() };
      const passed = foreground.kind === 'supervisor' ? passOn(awake) : unchanged(awake);
      const others = names.map((name): SuperviseEffect => ({ kind: 'signal-group', name, signal: 'SIGCONT' }));
      return { state: passed.state, effects: [...passed.effects.slice(0, 1), ...others] };
    }
    case 'SIGTSTP':
    case 'SIGTTIN':
    case 'SIGTTOU': {
      const holder = foreground.kind === 'child' && state.running.has(foreground.name) ? foreground.name : null;
      return suspend(holder === null ? state : first(state, holder));
    }
    default:
      return signal satisfies never;
  }
}

function kill(state: SuperviseState): SuperviseStep {
  const names = [...state.running.keys()];
  const list = names.map((name) => JSON.stringify(name)).join(', ');
  return {
    state: { ...state, phase: 'killed' },
    effects: [
      { kind: 'print', line: `---------- Processes [${list}] are still alive. Killing ... -----------` },
      { kind: 'print', line: 'To let them end by themselves, set kill-unresponsive-after to a larger value' },
      ...names.map((name): SuperviseEffect => ({ kind: 'kill', name })),
    ],
  };
}

const without = (names: readonly string[], name: string): readonly string[] => names.filter((each) => each !== name);
