import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatProblem } from '../config/problem.ts';
import { version } from '../version.ts';
import { type Cgroups, openCgroups } from './cgroups.ts';
import type { ReloadAnswer } from './client.ts';
import { loadDesired } from './config/load-desired.ts';
import type { MasterConfig } from './config/master-config.ts';
import { configLog } from './config-log.ts';
import type { DesiredInstance, DesiredState } from './desired.ts';
import { encodeJournal, type Journal, writeJournal } from './journal.ts';
import { adoptKnot, alreadyRunning, type Knot, startKnot } from './knots.ts';
import type { Listeners } from './listeners.ts';
import { type Metric, type MetricsFile, metricsOf, openMetrics, type Totals } from './metrics.ts';
import { reapOrphans } from './orphans.ts';
import { readyInstance } from './start-instance.ts';
import {
  findKnot,
  findKnots,
  forgetInstance,
  knotHolds,
  normalExitCodesOf,
  readStatus,
  stateDirOf,
} from './state-dirs.ts';
import type { ContainerEnd, ContainerStatus, TreeStatus } from './status.ts';
import { type Effect, type Event, type Instance, initialState, type State } from './supervise/state.ts';
import { nextDeadlineMs, step } from './supervise/step.ts';
import type { TreeLog } from './tree-log.ts';

export interface SupervisorOptions {
  readonly master: MasterConfig;
  readonly log: TreeLog;
  readonly metrics: MetricsFile;
  readonly listeners: Listeners;
  /** Of the tree before this one; an empty one where there was none. */
  readonly journal: Journal;
  readonly node: string | null;
  readonly nowMs: () => number;
  /** After a shutdown: the last container has ended. */
  readonly stopped: () => void;
}

/** The shell around step(): clock, files, knots. */
export interface Supervisor {
  status(): TreeStatus;
  /** The master config and what the others come to. */
  config(): unknown;
  reload(): ReloadAnswer;
  /** Stops all containers; `stopped` tells when they have ended. */
  shutdown(): void;
  /** Adopts what runs, reads the configs and starts what is missing. */
  start(): void;
  /** Writes down what the next tree is to remember. */
  remember(): void;
  /** Opens all logs anew, the knots' included. */
  reopenLogs(): void;
  /** Buries orphans that have ended. */
  reap(): void;
  /** Removes what is left of cgroups and metrics; only after `stopped`. */
  clean(): void;
  /** Stops the clock. Containers are left alone. */
  close(): void;
}

/** A knot takes milliseconds from its start to its status; a cgroup is empty as soon after the end. */
const busyTickMs = 50;
const idleTickMs = 1_000;
/** How long a tree waits for knots that its predecessor has started in its last moment. */
const unclearMs = 1_000;

export function supervisor(options: SupervisorOptions): Supervisor {
  const { master, log, metrics, node, nowMs, listeners, journal } = options;
  const startTimeMs = nowMs();
  const knots = new Map<string, Knot>();
  /** Leaves whose processes have not gone yet. */
  const cgroupsToRemove = new Set<string>();
  const recordConfig = master.configLogDir === null ? null : configLog(master.configLogDir);
  let cgroups: Cgroups | null = null;
  let state: State = { ...initialState, counts: journal.counts, remembered: journal.instances };
  let desired: DesiredState = { instances: [], problems: [], brokenSandboxes: [] };
  let reloads = 0;
  let orphans = 0;
  let written = '';
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  /** What effects bring about waits until all effects of one step are done. */
  const waiting: Event[] = [];
  let stepping = false;
  const dispatch = (event: Event): void => {
    waiting.push(event);
    if (stepping) return;
    stepping = true;
    for (let next = waiting.shift(); next !== undefined && !closed; next = waiting.shift()) {
      const stepped = step(state, next);
      state = stepped.state;
      for (const effect of stepped.effects) attempt(effect);
    }
    stepping = false;
    if (state.stopping && state.instances.size === 0) options.stopped();
  };

  /** A full disk and the like hinder one effect, not the supervision of the others. */
  const attempt = (effect: Effect): void => {
    try {
      perform(effect);
    } catch (error) {
      log.error(`${effect.type}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  const perform = (effect: Effect): void => {
    switch (effect.type) {
      case 'start':
        start(effect.instance);
        return;
      case 'stop':
        knots.get(effect.name)?.signal('SIGTERM');
        return;
      case 'kill':
        knots.get(effect.name)?.signal('SIGKILL');
        return;
      case 'forget':
        forget(effect.name);
        return;
      case 'say':
        log[effect.level](effect.text);
        return;
      default:
        effect satisfies never;
    }
  };

  const dirOf = (name: string): string => stateDirOf(master.stateDir, name);

  const start = (instance: DesiredInstance): void => {
    const { name } = instance;
    const fail = (message: string, call = ''): void => {
      const failure = { step: 'start', call, subject: name, errno: 0, message };
      const end: ContainerEnd = {
        ...{ atMs: nowMs(), exitCode: null, signal: null, failure },
        ...{ oomKilled: false, memoryPressure: null },
      };
      dispatch({ type: 'not-spawned', name, end, nowMs: nowMs() });
    };
    // A knot that this tree knows nothing of holds the place: its files must stay as they are.
    if (knotHolds(dirOf(name))) {
      if (!adopt([name])) fail('another knot of this name is starting');
      return;
    }
    try {
      cgroupsToRemove.delete(instance.cgroupLeaf);
      const { stateDir, limitsRequired } = master;
      const ready = readyInstance({ stateDir, cgroups, listeners, limitsRequired }, instance);
      if ('message' in ready) {
        fail(ready.message);
        return;
      }
      const spawned = startKnot(ready.plan, instance.logFile, ready.fds, (exitCode) => ended(name, exitCode));
      if (spawned.kind === 'failed') {
        fail(spawned.message, 'spawn');
        return;
      }
      knots.set(name, spawned.knot);
      const knot = {
        pid: spawned.knot.pid,
        instanceJson: instance.instanceJson,
        killTimeoutMs: instance.killTimeoutMs,
        normalExitCodes: normalExitCodesOf(instance.planWords),
      };
      dispatch({ type: 'spawned', name, knot, nowMs: nowMs() });
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
  };

  const ended = (name: string, exitCode: number | null): void => {
    const pid = knots.get(name)?.pid;
    knots.delete(name);
    // A predecessor's knot has the place: its state dir tells about it.
    if (exitCode === alreadyRunning && adopt([name])) return;
    const status = readStatus(dirOf(name));
    dispatch({ type: 'ended', name, status: status?.knotPid === pid ? status : null, nowMs: nowMs() });
    schedule();
  };

  /** True where at least one of them was alive. */
  const adopt = (names: readonly string[]): boolean => {
    const found = findKnots(master.stateDir).knots.filter(({ name }) => names.includes(name));
    const held = found.filter(({ name, knot }) => {
      // Between the look and the pidfd the pid could go to another process: hence the second look.
      const isStill = (): boolean => findKnot(master.stateDir, name)?.knot.pid === knot.pid;
      const adopted = adoptKnot(knot.pid, isStill, () => ended(name, null));
      if (adopted === null) return false;
      knots.set(name, adopted.knot);
      listeners.adopt(adopted.sockets);
      return true;
    });
    dispatch({ type: 'found', knots: held, nowMs: nowMs() });
    return held.length > 0;
  };

  const forget = (name: string): void => {
    knots.delete(name);
    forgetInstance(master.stateDir, name);
    cgroupsToRemove.add(leafOf(name));
  };

  /** What a knot tells about itself reaches us through its state dir. */
  const readReports = (): void => {
    for (const instance of state.instances.values()) {
      const { program, knot, desired: wanted, inPlace } = instance;
      if (knot === null || (program !== null && wanted?.restartsInPlace !== true)) continue;
      const status = readStatus(dirOf(instance.name));
      if (status === null || status.knotPid !== knot.pid || status.pid === 0) continue;
      if (program !== null && status.restarts === inPlace) continue;
      if (status.phase !== 'starting') dispatch({ type: 'running', name: instance.name, status });
    }
  };

  const tick = (): void => {
    timer = null;
    if (closed) return;
    readReports();
    dispatch({ type: 'tick', nowMs: nowMs() });
    for (const leaf of cgroupsToRemove) if (cgroups?.remove(leaf) !== false) cgroupsToRemove.delete(leaf);
    reap();
    closeUnwanted();
    try {
      const numbers = metricsOf(state, totals(), node);
      metrics.write(numbers);
      writeOpenMetrics(numbers);
    } catch (error) {
      log.warn(`metrics: ${error instanceof Error ? error.message : String(error)}`);
    }
    remember();
    schedule();
  };

  let published = '';
  const writeOpenMetrics = (numbers: readonly Metric[]): void => {
    const text = openMetrics(numbers);
    if (text === published) return;
    published = text;
    const path = join(master.runtimeDir, 'metrics.prom');
    writeFileSync(`${path}.new`, text, { mode: 0o644 });
    renameSync(`${path}.new`, path);
  };

  const totals = (): Totals => ({
    sandboxes: countSandboxes(),
    containers: desired.instances.length,
    restarts: journal.treeStarts + reloads,
    unknown: orphans + [...state.instances.values()].filter((each) => each.desired === null).length,
  });

  const reap = (): void => {
    orphans = reapOrphans(new Set([...knots.values()].map(({ pid }) => pid)));
  };

  /** A socket is wanted as long as somebody may be started with it. */
  const closeUnwanted = (): void =>
    listeners.keepOnly([...state.instances.values()].flatMap((each) => each.desired?.sockets ?? []));

  const remember = (): void => {
    const text = encodeJournal(state, journal.treeStarts + reloads);
    if (text === written) return;
    try {
      writeJournal(join(master.runtimeDir, 'journal.json'), text);
      written = text;
    } catch (error) {
      log.warn(`journal: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  const countSandboxes = (): number => new Set(desired.instances.map(({ sandbox }) => sandbox)).size;

  const schedule = (): void => {
    if (closed) return;
    const now = nowMs();
    const unreported = [...state.instances.values()].some(({ program, knot }) => knot !== null && program === null);
    const busy = unreported || cgroupsToRemove.size > 0;
    const deadline = nextDeadlineMs(state);
    const wait = busy ? busyTickMs : Math.min(idleTickMs, Math.max(1, (deadline ?? Number.POSITIVE_INFINITY) - now));
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(tick, wait);
  };

  const configure = (): void => {
    desired = loadDesired(master);
    for (const problem of desired.problems) log.error(formatProblem(problem));
    try {
      recordConfig?.(desired.instances, new Date(nowMs()));
    } catch (error) {
      log.warn(`config log: ${error instanceof Error ? error.message : String(error)}`);
    }
    dispatch({ type: 'configured', desired, nowMs: nowMs() });
    closeUnwanted();
    schedule();
  };

  const statusOf = (instance: Instance): ContainerStatus => ({
    name: instance.name,
    sandbox: instance.sandbox,
    process: instance.process,
    instance: instance.instance,
    phase: instance.phase,
    pid: instance.program?.pid ?? null,
    knotPid: instance.knot?.pid ?? null,
    startTime: instance.program?.startTime ?? null,
    startedAtMs: instance.program?.startedAtMs ?? null,
    restarts: instance.restarts,
    adopted: instance.adopted,
    lastEnd: instance.lastEnd,
    nextStartAtMs: instance.nextStartAtMs,
    image: instance.desired?.image ?? '',
    cgroup: instance.knot === null ? null : (cgroups?.folderOf(leafOf(instance.name)) ?? null),
  });

  return {
    remember,
    reap,
    reopenLogs() {
      log.reopen();
      for (const knot of knots.values()) knot.signal('SIGUSR1');
    },
    start() {
      const warn = (text: string): void => log.warn(text);
      const { cgroupName: name, cgroupControllers: controllers } = master;
      cgroups = name === null ? null : openCgroups({ name, controllers, warn });
      let found = findKnots(master.stateDir);
      for (const until = Date.now() + unclearMs; found.unclear.length > 0 && Date.now() < until; ) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyTickMs);
        found = findKnots(master.stateDir);
      }
      adopt(found.knots.map((each) => each.name));
      for (const each of found.dead) if (!state.instances.has(each)) forget(each);
      configure();
      tick();
    },
    status: () => ({
      pid: process.pid,
      startTimeMs,
      version,
      containers: [...state.instances.values()].map(statusOf).sort(byName),
      problems: desired.problems,
      sockets: listeners.addresses(),
    }),
    config: () => ({ master, ...desired }),
    reload() {
      const before = snapshotOf(state);
      reloads += 1;
      configure();
      const after = snapshotOf(state);
      const names = new Set([...before.keys(), ...after.keys()]);
      const changed = [...names].filter((name) => before.get(name) !== after.get(name)).sort();
      log.info(`configs read again: ${changed.length} of ${names.size} instances changed`);
      return { changed, problems: desired.problems };
    },
    shutdown() {
      dispatch({ type: 'shutdown', nowMs: nowMs() });
      schedule();
    },
    clean() {
      for (const until = Date.now() + unclearMs; cgroupsToRemove.size > 0 && Date.now() < until; ) {
        for (const leaf of cgroupsToRemove) if (cgroups?.remove(leaf) !== false) cgroupsToRemove.delete(leaf);
        if (cgroupsToRemove.size > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyTickMs);
      }
      cgroups?.removeAll();
      metrics.remove();
    },
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** `SANDBOX/PROCESS.N` → lithos 4.9. */
const leafOf = (name: string): string => `${name.replace('/', ':')}.scope`;

const byName = (a: ContainerStatus, b: ContainerStatus): number =>
  a.sandbox.localeCompare(b.sandbox) || a.process.localeCompare(b.process) || a.instance - b.instance;

/** What is wanted of each instance, for telling what a reload has changed. */
const snapshotOf = (state: State): ReadonlyMap<string, string> =>
  new Map(
    [...state.instances.values()].map(({ name, desired, phase }) => [
      name,
      phase === 'stopping' ? 'stopping' : (desired?.instanceJson ?? ''),
    ]),
  );
