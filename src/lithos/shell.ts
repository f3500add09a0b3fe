import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { formatProblem } from '../config/problem.ts';
import { containerAddon, isFailure } from '../native/container.ts';
import { version } from '../version.ts';
import { type Cgroups, openCgroups } from './cgroups.ts';
import type { ReloadAnswer } from './client.ts';
import { loadDesired } from './config/load-desired.ts';
import { loadMaster, type MasterConfig } from './config/master.ts';
import type { DesiredInstance, DesiredState } from './desired.ts';
import { adoptKnot, alreadyRunning, type Knot, knotMissing, startKnot } from './knots.ts';
import { prepareInstance } from './prepare.ts';
import { serveSocket } from './socket.ts';
import { findKnots, forgetInstance, normalExitCodesOf, readStatus, stateDirOf, writeInstance } from './state-dirs.ts';
import type { ContainerEnd, ContainerStatus, TreeStatus } from './status.ts';
import { type Effect, type Event, initialState, type State } from './supervise/state.ts';
import { nextDeadlineMs, step } from './supervise/step.ts';

export interface TreeOptions {
  readonly config: string;
  readonly logStderr: boolean;
  readonly logLevel: string | null;
}

/** How often the status of knots that set up their containers is looked at; a set-up takes a few ms. */
const startingPollMs = 50;
/** A new knot takes the lock some µs before it writes its status: an adoption waits that out. */
const unclearPollMs = 20;
const unclearPolls = 100;
/** setTimeout takes no longer one. */
const longestTimerMs = 2 ** 31 - 1;

class Fatal extends Error {}

/** Runs a tree until its end; resolves to the exit code. What prevents it from starting is told on standard error. */
export async function runTree(options: TreeOptions): Promise<number> {
  try {
    return await run(options);
  } catch (error) {
    const { code, syscall, path } = error as NodeJS.ErrnoException;
    const message = syscall === undefined ? (error as Error).message : `${syscall}: ${path ?? ''}: ${code}`;
    process.stderr.write(`Fatal error: ${message}\n`);
    return 1;
  }
}

async function run(options: TreeOptions): Promise<number> {
  const loaded = loadMaster(options.config);
  if (loaded.kind === 'refused') {
    throw new Fatal(`Error reading master config:\n${loaded.problems.map(formatProblem).join('\n')}`);
  }
  const { master } = loaded;
  const missing = knotMissing();
  if (missing !== null) throw new Fatal(missing);
  for (const dir of [master.runtimeDir, master.stateDir, master.logDir, master.stdioLogDir]) {
    mkdirSync(dir, { recursive: true });
  }
  lockOrThrow(master);
  const log = openLog(master, options);
  const messages = openSync(options.logStderr ? '/dev/null' : join(master.logDir, 'knots.log'), 'a', 0o640);
  const cgroups = cgroupsOf(master, (text) => log.warn(text));
  return supervise(master, log, messages, cgroups);
}

/** The lock is flock(2)'s, held by a descriptor that is never closed and that no knot inherits. */
function lockOrThrow(master: MasterConfig): void {
  const pidFile = join(master.runtimeDir, 'master.pid');
  const lock = containerAddon().tryLock(join(master.runtimeDir, 'tree.lock'));
  if (isFailure(lock)) throw new Fatal(lock.message);
  if (lock === null) {
    throw new Fatal(`Master pid is ${readFileSync(pidFile, 'utf8').trim()}. And there is alive process with that pid.`);
  }
  writeFileSync(pidFile, `${process.pid}\n`);
}

function openLog(master: MasterConfig, options: TreeOptions): pino.Logger {
  const level = options.logLevel ?? master.logLevel;
  const destination = pino.destination({ dest: options.logStderr ? 2 : master.logFile, sync: true });
  // A full disk costs the log, not the supervision.
  destination.on('error', () => {});
  return pino({ level, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

function cgroupsOf(master: MasterConfig, warn: (text: string) => void): Cgroups | null {
  if (master.cgroupName !== null) {
    return openCgroups({ name: master.cgroupName, controllers: master.cgroupControllers, warn });
  }
  warn('cgroup-name is null: limits do not hold');
  return null;
}

function supervise(master: MasterConfig, log: pino.Logger, messages: number, cgroups: Cgroups | null): Promise<number> {
  const startTimeMs = Date.now();
  const knots = new Map<string, Knot>();
  let state: State = initialState;
  let desired: DesiredState = { instances: [], problems: [], brokenSandboxes: [] };
  let timer: NodeJS.Timeout | null = null;
  let finish: (code: number) => void = () => {};
  const queue: Event[] = [];
  let busy = false;

  /** Effects give events of their own; these wait until the effects before them are done. */
  function dispatch(event: Event): void {
    queue.push(event);
    if (busy) return;
    busy = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const made = step(state, next);
      state = made.state;
      for (const effect of made.effects) perform(effect);
    }
    busy = false;
    if (state.stopping && state.instances.size === 0) return finish(0);
    arm();
  }

  function arm(): void {
    if (timer !== null) clearTimeout(timer);
    const deadline = nextDeadlineMs(state);
    const starting = [...state.instances.values()].some(({ phase, knot }) => phase === 'starting' && knot !== null);
    const wait = Math.min(
      deadline === null ? longestTimerMs : Math.max(0, deadline - Date.now()),
      starting ? startingPollMs : longestTimerMs,
    );
    timer = wait === longestTimerMs ? null : setTimeout(tick, wait);
  }

  function tick(): void {
    for (const { name, phase, knot } of state.instances.values()) {
      if (phase !== 'starting' || knot === null) continue;
      const status = readStatus(stateDirOf(master.stateDir, name));
      if (status?.phase === 'running') queue.push({ type: 'running', name, status });
    }
    dispatch({ type: 'tick', nowMs: Date.now() });
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case 'start':
        return start(effect.instance);
      case 'stop':
        return knots.get(effect.name)?.signal('SIGTERM');
      case 'kill':
        return knots.get(effect.name)?.signal('SIGKILL');
      case 'forget':
        forgetInstance(master.stateDir, effect.name);
        cgroups?.remove(leafOf(effect.name));
        return;
      case 'say':
        return log[effect.level](effect.text);
      default:
        return effect satisfies never;
    }
  }

  function start(instance: DesiredInstance): void {
    const { name } = instance;
    const refuse = (message: string): void => {
      const failure = { step: 'start', call: '', subject: name, errno: 0, message };
      const end: ContainerEnd = { atMs: Date.now(), exitCode: null, signal: null, failure };
      queue.push({ type: 'not-spawned', name, end, nowMs: Date.now() });
    };
    try {
      const leaf = cgroups?.create(instance.cgroupLeaf, instance.limits) ?? [];
      const plan = writeInstance(stateDirOf(master.stateDir, name), instance, leaf);
      const problem = prepareInstance(instance);
      if (problem !== null) return refuse(problem.message);
      const spawned = startKnot(plan, messages, (exitCode) => {
        knots.delete(name);
        const held = exitCode === alreadyRunning;
        if (held) log.error(`${name}: another knot has its state dir`);
        dispatch({ type: 'ended', name, status: held ? null : statusOf(name), nowMs: Date.now() });
      });
      if (spawned.kind === 'failed') return refuse(spawned.message);
      knots.set(name, spawned.knot);
      const { instanceJson, killTimeoutMs, planWords } = instance;
      const knot = {
        pid: spawned.knot.pid,
        instanceJson,
        killTimeoutMs,
        normalExitCodes: normalExitCodesOf(planWords),
      };
      queue.push({ type: 'spawned', name, knot, nowMs: Date.now() });
    } catch (error) {
      refuse((error as Error).message);
    }
  }

  const statusOf = (name: string) => readStatus(stateDirOf(master.stateDir, name));

  function reload(): ReloadAnswer {
    const before = state;
    desired = loadDesired(master);
    for (const problem of desired.problems) log.error(formatProblem(problem));
    dispatch({ type: 'configured', desired, nowMs: Date.now() });
    const names = new Set([...before.instances.keys(), ...state.instances.keys()]);
    const changed = [...names].filter((name) => {
      const [was, is] = [before.instances.get(name), state.instances.get(name)];
      return was === undefined || is === undefined || was.phase !== is.phase;
    });
    return { changed: changed.sort(), problems: desired.problems };
  }

  async function adopt(): Promise<void> {
    let found = findKnots(master.stateDir);
    for (let polls = 0; found.unclear.length > 0 && polls < unclearPolls; polls++) {
      await new Promise((resolve) => setTimeout(resolve, unclearPollMs));
      found = findKnots(master.stateDir);
    }
    for (const name of found.dead) {
      forgetInstance(master.stateDir, name);
      cgroups?.remove(leafOf(name));
    }
    const adopted = found.knots.filter(({ name, knot: { pid } }) => {
      const knot = adoptKnot(pid, () => {
        knots.delete(name);
        dispatch({ type: 'ended', name, status: statusOf(name), nowMs: Date.now() });
      });
      if (knot !== null) knots.set(name, knot);
      return knot !== null;
    });
    dispatch({ type: 'found', knots: adopted });
  }

  const status = (): TreeStatus => ({
    pid: process.pid,
    startTimeMs,
    version,
    containers: [...state.instances.values()]
      .map(
        (each): ContainerStatus => ({
          name: each.name,
          sandbox: each.sandbox,
          process: each.process,
          instance: each.instance,
          phase: each.phase,
          pid: each.program?.pid ?? null,
          knotPid: each.knot?.pid ?? null,
          startTime: each.program?.startTime ?? null,
          startedAtMs: each.program?.startedAtMs ?? null,
          restarts: each.restarts,
          adopted: each.adopted,
          lastEnd: each.lastEnd,
          nextStartAtMs: each.nextStartAtMs,
          image: each.desired?.image ?? '',
          cgroup: cgroups?.folderOf(leafOf(each.name)) ?? null,
        }),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    problems: desired.problems,
  });

  const shutdown = (): object => {
    dispatch({ type: 'shutdown', nowMs: Date.now() });
    return { stopping: true };
  };

  return new Promise((resolve, reject) => {
    const socket = join(master.runtimeDir, 'tree.sock');
    const handlers = { status, reload, shutdown, config: () => master };
    const begin = async (): Promise<void> => {
      await adopt();
      const server = await serveSocket(socket, master.controlUsers, handlers);
      finish = (code) => {
        server.close();
        server.closeIdleConnections();
        for (const path of [socket, join(master.runtimeDir, 'master.pid')]) rmSync(path, { force: true });
        cgroups?.removeAll();
        resolve(code);
      };
      // lithos 4.3: a tree that is asked to end takes its containers along; only a killed one leaves them running.
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, shutdown);
      for (const name of ['SIGHUP', 'SIGQUIT'] as const) process.on(name, reload);
      reload();
    };
    begin().catch(reject);
  });
}

const leafOf = (name: string): string => `${name.replace('/', ':')}.scope`;
