import { readFileSync } from 'node:fs';
import { type ContainerSpec, containerAddon, isFailure, type NativeFailure } from '../../../native/container.ts';
import { type JobSignal, jobSignals } from '../job-control.ts';
import { controllingTerminal, readStops, takeBack } from '../process.ts';
import {
  beginSupervision,
  type Foreground,
  type SuperviseEffect,
  type SuperviseEvent,
  type SuperviseMode,
  type SuperviseStep,
  superviseStep,
} from './step.ts';

/** A child that needs only to be started. */
export interface ReadyChild {
  readonly name: string;
  readonly spec: ContainerSpec;
  /** Says why it could not be started. */
  readonly problem: (failure: NativeFailure) => string;
}

export interface Supervision {
  /** Started in this order. */
  readonly children: readonly ReadyChild[];
  readonly mode: SuperviseMode;
  readonly killAfterMs: number;
  readonly print: (line: string) => void;
  readonly tell: (line: string) => void;
}

const killSignal = 9;

/** Runs all children until the last has ended; the exit code. Each leads a process group of its own. */
export async function supervise({ children, mode, killAfterMs, print, tell }: Supervision): Promise<number> {
  const addon = containerAddon();
  const terminal = controllingTerminal();
  const own = addon.ownGroup();
  const byName = new Map(children.map((child) => [child.name, child]));
  const groups = new Map<string, number>();
  const pidfds = new Map<string, number>();
  const queue: SuperviseEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  let end: (exitCode: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });

  const foreground = (): Foreground => {
    if (terminal < 0) return { kind: 'none' };
    const group = addon.foregroundGroup(terminal);
    if (group === own) return { kind: 'supervisor' };
    const child = [...groups].find(([, each]) => each === group);
    return child === undefined ? { kind: 'elsewhere' } : { kind: 'child', name: child[0] };
  };
  const start = ({ name, spec, problem }: ReadyChild): SuperviseEvent => {
    const started = addon.start({ ...spec, ownGroup: true, terminal: -1 });
    if (isFailure(started)) return { kind: 'not-started', name, problem: problem(started) };
    const { programPid, pidfd } = started;
    groups.set(name, programPid);
    pidfds.set(name, pidfd);
    const stops =
      started.stops === undefined
        ? undefined
        : readStops(started.stops, ({ by }) => {
            // What was said while this process itself was stopped may be over.
            if (isStopped(programPid)) happen({ kind: 'stopped', name, by });
          });
    void addon.waitPidfd(pidfd).then(({ exitCode, signal }) => {
      stops?.destroy();
      addon.closeFd(pidfd);
      pidfds.delete(name);
      happen({ kind: 'exited', name, exitCode: exitCode ?? 128 + (signal ?? 0) });
    });
    return { kind: 'started', name, pid: programPid };
  };
  const apply = (effect: SuperviseEffect): void => {
    switch (effect.kind) {
      case 'start': {
        const child = byName.get(effect.name);
        if (child !== undefined) queue.push(start(child));
        return;
      }
      case 'signal-group':
        send(-(groups.get(effect.name) ?? 0), effect.signal);
        return;
      case 'signal-child':
        send(groups.get(effect.name) ?? 0, effect.signal);
        return;
      case 'kill': {
        const pidfd = pidfds.get(effect.name);
        if (pidfd !== undefined) addon.pidfdSendSignal(pidfd, killSignal);
        return;
      }
      case 'arm-timer':
        clearTimeout(timer);
        timer = setTimeout(() => happen({ kind: 'timeout' }), effect.ms);
        return;
      case 'print':
        print(effect.line);
        return;
      case 'tell':
        tell(effect.line);
        return;
      case 'hand-over-terminal':
        addon.setForegroundGroup(terminal, groups.get(effect.name) ?? own);
        return;
      case 'take-terminal':
        addon.setForegroundGroup(terminal, own);
        return;
      case 'stop-self':
        process.kill(process.pid, 'SIGSTOP');
        return;
      case 'end':
        end(effect.exitCode);
        return;
      default:
        effect satisfies never;
    }
  };

  let { state, effects }: SuperviseStep = beginSupervision([...byName.keys()], mode, killAfterMs);
  const settle = (): void => {
    for (let pending = effects; ; pending = effects) {
      effects = [];
      pending.forEach(apply);
      const event = queue.shift();
      if (event === undefined) return;
      ({ state, effects } = superviseStep(state, event, foreground()));
    }
  };
  const happen = (event: SuperviseEvent): void => {
    queue.push(event);
    settle();
  };
  const handlers = jobSignals.map((signal) => [signal, () => happen({ kind: 'signal', signal })] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    settle();
    return await ended;
  } finally {
    clearTimeout(timer);
    for (const [signal, handler] of handlers) process.off(signal, handler);
    takeBack(terminal, own, -1);
  }
}

function send(to: number, signal: JobSignal): void {
  if (to === 0) return; // it would be this process's own group
  try {
    process.kill(to, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** proc_pid_stat(5): the state stands after the name, which may hold blanks and parentheses. */
function isStopped(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3) === 'T';
  } catch {
    return false;
  }
}
