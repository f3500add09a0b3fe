import { join } from 'node:path';
import type { Json, JsonObject } from './canonical.ts';
import { defaultMaxShrink } from './guard.ts';
import { schedulerInput } from './input.ts';
import { defaultLogKeep, type LogKeep } from './log/retention.ts';
import { type GoodValues, type Metadata, readMetadata } from './metadata.ts';
import { metricsCollector } from './metrics.ts';
import type { Leadership, MetricSource, PeerHttp, Peers, ScheduleStamp } from './ports.ts';
import { planRoles } from './render/plan.ts';
import { type Renderer, type RoleStatus, startRenderer } from './render/renderer.ts';
import { maxScheduleBytes, type Schedule } from './schedule.ts';
import type { SchedulerLimits } from './scheduler/engine.ts';
import { checkOutput } from './scheduler/output.ts';
import { startRunner } from './scheduler/runner.ts';
import { readSources, type SchedulerSources } from './scheduler/sources.ts';
import { type Effect, type Event, initialState, type QueuedAction, type State } from './state.ts';
import { step } from './step.ts';
import { loadSchedule, saveSchedule } from './storage.ts';
import { watchFolders } from './watch.ts';
import { problemText } from './yaml-text.ts';

export interface VerwalterOptions {
  readonly peers: Peers;
  readonly metrics: MetricSource;
  readonly peerHttp: PeerHttp;
  readonly configDir: string;
  readonly storageDir: string;
  readonly logDir: string;
  /** How much of the render logs stays; default: 30 days and 1 GiB. */
  readonly logKeep?: LogKeep;
  /** Renders, and runs nothing. */
  readonly dryRun?: boolean;
  /** Programs that rendering starts are started as root through sudo(8). */
  readonly useSudo?: boolean;
  readonly version: string;
  /** Started with SANDBOX and FILE added: [node, stellwerk.js, 'lithos', 'switch', '--master', FILE]. */
  readonly lithosSwitch: readonly [string, ...string[]];
  readonly roundIntervalMs?: number;
  readonly schedulerLimits?: SchedulerLimits;
  /** The scheduler may not write to globals. */
  readonly strictScheduler?: boolean;
  /** A schedule with warnings is refused. */
  readonly strictSchedule?: boolean;
  /** Part of all instances that one round may stop unasked, 0 to 1; by default a half. */
  readonly maxShrink?: number;
  /** The bundled scheduler/worker.ts, by default beside the program's own bundle. */
  readonly workerUrl?: URL;
  /** One line for the operator. */
  readonly log?: (line: string) => void;
}

export type ErrorKind =
  | 'scheduler_load'
  | 'scheduler'
  | 'runtime'
  | 'machine'
  | 'fetch'
  | 'storage'
  | 'metrics'
  | 'guard';

export interface VerwalterStatus {
  readonly leadership: Leadership;
  readonly phase: State['phase']['kind'];
  /** ok: the leader's schedule is held; fetching; waiting: the leader has none yet; unstable: no leader. */
  readonly scheduleStatus: 'ok' | 'fetching' | 'waiting' | 'unstable';
  readonly stamp: ScheduleStamp | null;
  /** Of the schedule whose render was last gone through, failed roles or not. */
  readonly renderedHash: string | null;
  readonly failedRoles: readonly string[];
  readonly roles: readonly RoleStatus[];
  readonly errors: Readonly<Partial<Record<ErrorKind, string>>>;
  readonly warnings: readonly string[];
  readonly schedulerHash: string | null;
  readonly lastRound: { readonly durationMs: number; readonly ok: boolean; readonly atMs: number } | null;
  readonly pendingActions: number;
  /** A schedule that the guard holds back. */
  readonly held: { readonly hash: string; readonly before: number; readonly after: number } | null;
}

/** Since the start of this process. */
export interface VerwalterCounts {
  /** That a round has seen. */
  readonly actionsExecuted: number;
  /** Errors that came up: a scheduler that fails, a file that cannot be read, …; the same one again is none. */
  readonly errorsOccurred: number;
  /** Renders of roles that failed, tries of the same one included. */
  readonly rolesFailed: number;
  readonly roundsSucceeded: number;
  readonly roundsFailed: number;
}

export type ActionReply =
  | { readonly status: 200 | 204 | 422 | 429 | 503 | 504; readonly value: unknown }
  | { readonly leader: string };

export interface Verwalter {
  status(): VerwalterStatus;
  counts(): VerwalterCounts;
  schedule(): Schedule | null;
  scheduleByHash(hash: string): Schedule | null;
  /** Input and log of the last round of this node; null where it has not led. */
  lastInput(): JsonObject | null;
  lastLog(): string | null;
  pendingActions(): readonly QueuedAction[];
  /** unknown: never queued on this node, or lost with its leadership, or refused by the scheduler. */
  actionState(id: number): 'pending' | 'done' | 'unknown';
  /** Queues an action; with `wait` the answer comes when a round has seen it, otherwise at once with its id. */
  act(value: Json, wait: boolean): Promise<ActionReply>;
  /** Applies or discards the schedule with this hash that the guard holds; null = done, else why not. */
  decideHeld(decision: 'apply' | 'discard', hash: string): string | null;
  rolesData(): { readonly to_render: JsonObject; readonly all_roles: readonly string[] };
  renderLog(role: string): readonly string[];
  renderLogNames(): readonly string[];
  forceRender(): void;
  /** After every change of schedule, leadership, render or errors. Returns the way to unsubscribe. */
  onChange(listener: () => void): () => void;
  stop(): Promise<void>;
}

/** Deadlines of the machine are at least this long; a tick costs microseconds. */
const tickMs = 100;
const fetchTimeoutMs = 3000;
const actionDeadlineMs = 60_000;
/** Of the debug log of a round that failed. */
const loggedLines = 100;
/** Somebody who asks what became of an action asks soon. */
const keptActions = 10_000;

export const startVerwalter = (options: VerwalterOptions): Verwalter => {
  const { peers, configDir, storageDir, logDir } = options;
  const log = options.log ?? (() => {});
  const runner = startRunner({
    ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
    ...(options.schedulerLimits === undefined ? {} : { limits: options.schedulerLimits }),
  });
  const collectMetrics = metricsCollector(options.metrics, () => Date.now());
  const listeners = new Set<() => void>();
  const errors = new Map<ErrorKind, string>();
  const tickets = new Map<number, { wait: boolean; resolve: (reply: ActionReply) => void }>();
  const waiters = new Map<number, (reply: ActionReply) => void>();
  /** Ids that were queued here and neither refused nor lost with the leadership. */
  const accepted = new Set<number>();
  let nextTicket = 1;
  let sources: SchedulerSources | null = null;
  let triedSources = '';
  let runtime: Metadata = { data: {}, problems: [] };
  let machine: Metadata = { data: {}, problems: [] };
  const goodRuntime: GoodValues = new Map();
  const goodMachine: GoodValues = new Map();
  let warnings: readonly string[] = [];
  let lastInput: JsonObject | null = null;
  let lastLog: string | null = null;
  let lastRound: VerwalterStatus['lastRound'] = null;
  let stamp: ScheduleStamp | null = null;
  let announced = '';
  const counts = { actionsExecuted: 0, errorsOccurred: 0, roundsSucceeded: 0, roundsFailed: 0 };
  let stopped = false;

  const setError = (kind: ErrorKind, text: string | null): void => {
    if (text === null) errors.delete(kind);
    else if (errors.get(kind) !== text) {
      errors.set(kind, text);
      counts.errorsOccurred += 1;
      log(`${kind}: ${text}`);
    }
  };

  const stored = loadSchedule(storageDir);
  if (stored !== null && 'error' in stored) setError('storage', stored.error);
  let state = initialState(
    {
      selfId: peers.self.id,
      roundIntervalMs: options.roundIntervalMs ?? 5000,
      maxShrink: options.maxShrink ?? defaultMaxShrink,
    },
    stored === null || 'error' in stored ? null : stored,
  );
  stamp = state.lastKnown;

  const renderer: Renderer = startRenderer({
    hostname: peers.self.hostname,
    version: options.version,
    configDir,
    storageDir,
    logDir,
    lithosSwitch: options.lithosSwitch,
    logKeep: options.logKeep ?? defaultLogKeep,
    ...(options.dryRun === undefined ? {} : { dryRun: options.dryRun }),
    ...(options.useSudo === undefined ? {} : { useSudo: options.useSudo }),
    machine: () => machine.data,
    onChange: () => changed(),
  });

  const changed = (): void => {
    const failed = renderer.status().failedRoles.length;
    const own = { schedule: stamp === null ? null : { ...stamp }, errors: errors.size + failed };
    const key = JSON.stringify(own);
    if (key !== announced) {
      announced = key;
      peers.announce(own);
    }
    for (const listener of listeners) listener();
  };

  const dispatch = (event: Event): void => {
    if (stopped) return;
    const before = state;
    const result = step(state, event, { nowMs: performance.now(), wallMs: Date.now(), random: Math.random });
    state = result.state;
    for (const kind of ['scheduler', 'fetch', 'guard'] as const) {
      if (before.errors[kind] !== state.errors[kind]) setError(kind, state.errors[kind]);
    }
    for (const effect of result.effects) perform(effect);
    if (before.phase.kind !== state.phase.kind || before.errors !== state.errors || result.effects.length > 0)
      changed();
  };

  const perform = (effect: Effect): void => {
    switch (effect.type) {
      case 'fetch':
        void fetchSchedule(effect);
        return;
      case 'start-round':
        void runRound(effect);
        return;
      case 'announce':
        stamp = effect.stamp;
        return;
      case 'persist':
        try {
          saveSchedule(storageDir, effect.schedule);
          setError('storage', null);
        } catch (error) {
          setError('storage', (error as Error).message);
        }
        return;
      case 'render':
        renderer.render(effect.schedule, effect.schedule.origin === peers.self.id ? (lastLog ?? '') : '');
        return;
      case 'action-queued': {
        const ticket = tickets.get(effect.ticket);
        tickets.delete(effect.ticket);
        remember(effect.id);
        if (ticket?.wait === true) await504(effect.id, ticket.resolve);
        else ticket?.resolve({ status: 200, value: { registered: effect.id } });
        return;
      }
      case 'action-refused':
        tickets.get(effect.ticket)?.resolve({ status: effect.status, value: { error: effect.error } });
        tickets.delete(effect.ticket);
        return;
      case 'action-answered':
        if (effect.status >= 400) accepted.delete(effect.id);
        else counts.actionsExecuted += 1;
        waiters.get(effect.id)?.({ status: effect.status, value: effect.value });
        waiters.delete(effect.id);
        return;
      default:
        effect satisfies never;
    }
  };

  const remember = (id: number): void => {
    accepted.add(id);
    const [oldest] = accepted;
    if (accepted.size > keptActions && oldest !== undefined) accepted.delete(oldest);
  };

  const await504 = (id: number, resolve: (reply: ActionReply) => void): void => {
    const timer = setTimeout(() => {
      waiters.delete(id);
      accepted.delete(id);
      dispatch({ type: 'action-expired', id });
      resolve({ status: 504, value: { error: `no round has taken the action within ${actionDeadlineMs / 1000} s` } });
    }, actionDeadlineMs);
    waiters.set(id, (reply) => {
      clearTimeout(timer);
      resolve(reply);
    });
  };

  const fetchSchedule = async ({ request, addr, hash }: Extract<Effect, { type: 'fetch' }>): Promise<void> => {
    const get = (path: string): Promise<unknown> =>
      options.peerHttp.getJson(addr, path, fetchTimeoutMs, maxScheduleBytes);
    try {
      // A peer that keeps no store of bodies may still have the one wanted as its last.
      const body = await get(`/v1/schedule/${hash}`).catch(() => get('/v1/schedule'));
      dispatch({ type: 'fetched', request, body });
    } catch (error) {
      dispatch({ type: 'fetch-failed', request, error: (error as Error).message });
    }
  };

  const runRound = async (effect: Extract<Effect, { type: 'start-round' }>): Promise<void> => {
    const { round } = effect;
    const atMs = Date.now();
    const fail = (error: string): void => {
      counts.roundsFailed += 1;
      dispatch({ type: 'round-failed', round, error });
    };
    if (sources === null) {
      fail(errors.get('scheduler_load') ?? 'no scheduler is loaded');
      return;
    }
    try {
      const collected = await collectMetrics(effect.parents[0]?.data ?? null).then(
        (value) => {
          setError('metrics', null);
          return value;
        },
        (error: Error) => {
          setError('metrics', error.message);
          return { metrics: {}, collectedAtMs: null, missing: [] };
        },
      );
      const members = peers.members();
      const previous = state.lastKnown;
      const input = schedulerInput({
        nowMs: Date.now(),
        self: peers.self,
        epoch: effect.epoch,
        reason: effect.reason,
        members,
        parents: effect.parents,
        parentsMeta: effect.parentsMeta,
        actions: effect.actions,
        runtime: runtime.data,
        metrics: collected.metrics,
        metricsCollectedAtMs: collected.collectedAtMs,
        metricsMissing: collected.missing,
        previous:
          previous === null || lastRound === null
            ? null
            : { hash: previous.hash, timestamp: previous.timestamp, durationMs: Math.round(lastRound.durationMs) },
      });
      lastInput = input;
      const run = await runner.run({
        sources: sources.files,
        input,
        seed: input.seed as number,
        strict: options.strictScheduler ?? false,
      });
      lastLog = run.ok ? run.log : `${run.log}\n${run.message}\n${run.traceback}`;
      lastRound = { durationMs: run.durationMs, ok: run.ok, atMs };
      if (!run.ok) {
        // Once for each error: it comes again every second.
        if (state.errors.scheduler !== run.message) {
          for (const line of run.log.split('\n').slice(-loggedLines)) if (line !== '') log(`scheduler log: ${line}`);
        }
        fail(run.message);
        return;
      }
      const hosts = new Set([peers.self.hostname, ...members.map((member) => member.hostname)]);
      const output = checkOutput(run.text ?? '', hosts, {
        warnings: run.warnings,
        strict: options.strictSchedule ?? false,
      });
      if (!output.ok) {
        lastRound = { ...lastRound, ok: false };
        fail(output.error);
        return;
      }
      warnings = output.warnings;
      counts.roundsSucceeded += 1;
      dispatch({ type: 'round-done', round, data: output.data, hash: output.hash, answers: run.answers });
    } catch (error) {
      fail((error as Error).message);
    }
  };

  const loadSources = async (): Promise<void> => {
    try {
      const read = readSources(configDir);
      if (read.hash === triedSources) return;
      triedSources = read.hash;
      const run = await runner.run({ sources: read.files, seed: 0, strict: options.strictScheduler ?? false });
      if (!run.ok) {
        setError('scheduler_load', run.message);
      } else {
        sources = read;
        setError('scheduler_load', null);
        dispatch({ type: 'changed', reason: 'scheduler' });
      }
    } catch (error) {
      triedSources = '';
      setError('scheduler_load', (error as Error).message);
    }
    if (!stopped) changed();
  };

  const problemsOf = ({ problems }: Metadata): string | null =>
    problems.length === 0 ? null : problems.map(problemText).join('\n');

  const loadMetadata = (): void => {
    const read = readMetadata(join(configDir, 'runtime'), goodRuntime);
    machine = readMetadata(join(configDir, 'machine'), goodMachine);
    setError('runtime', problemsOf(read));
    setError('machine', problemsOf(machine));
    const moved = JSON.stringify(read.data) !== JSON.stringify(runtime.data);
    runtime = read;
    if (moved) dispatch({ type: 'changed', reason: 'runtime' });
  };

  loadMetadata();
  void loadSources();
  const stopWatching = watchFolders(
    ['scheduler', 'runtime', 'machine', 'templates'].map((part) => join(configDir, part)),
    () => {
      if (stopped) return;
      void loadSources();
      loadMetadata();
      renderer.recheck();
      changed();
    },
  );
  const look = (): void => dispatch({ type: 'cluster', leadership: peers.leadership(), members: peers.members() });
  const unsubscribe = peers.onChange(look);
  const ticker = setInterval(() => {
    // That a peer was heard is no change worth telling, but a gathering leader waits for just that.
    if (state.phase.kind === 'gathering') look();
    dispatch({ type: 'tick' });
  }, tickMs);
  look();
  changed();

  const scheduleStatus = (): VerwalterStatus['scheduleStatus'] => {
    const { phase, stable } = state;
    switch (phase.kind) {
      case 'unstable':
        return 'unstable';
      case 'gathering':
        return 'waiting';
      case 'leading':
        return phase.made ? 'ok' : 'waiting';
      case 'following':
        if (phase.wanted === null) return 'waiting';
        return stable === phase.wanted.hash ? 'ok' : 'fetching';
      default:
        return phase satisfies never;
    }
  };

  return {
    status() {
      const rendered = renderer.status();
      const held = state.phase.kind === 'leading' ? state.phase.held : null;
      return {
        leadership: state.leadership,
        phase: state.phase.kind,
        scheduleStatus: scheduleStatus(),
        stamp,
        renderedHash: rendered.renderedHash,
        failedRoles: rendered.failedRoles,
        roles: rendered.roles,
        errors: Object.fromEntries(errors),
        warnings,
        schedulerHash: sources?.hash ?? null,
        lastRound,
        pendingActions: state.actions.length,
        held: held === null ? null : { hash: held.hash, before: held.before, after: held.after },
      };
    },
    counts: () => ({ ...counts, rolesFailed: renderer.status().failures }),
    schedule: () => state.lastKnown,
    scheduleByHash: (hash) => state.store.find((schedule) => schedule.hash === hash) ?? null,
    lastInput: () => (state.leadership.role === 'leader' ? lastInput : null),
    lastLog: () => (state.leadership.role === 'leader' ? lastLog : null),
    pendingActions: () => state.actions,
    actionState(id) {
      if (state.actions.some((action) => action.id === id)) return 'pending';
      return accepted.has(id) ? 'done' : 'unknown';
    },
    act(value, wait) {
      const { leadership } = state;
      if (leadership.role === 'follower') {
        const leader = peers.members().find((member) => member.id === leadership.leaderId);
        if (leader !== undefined) return Promise.resolve({ leader: leader.addr });
      }
      return new Promise((resolve) => {
        const ticket = nextTicket++;
        tickets.set(ticket, { wait, resolve });
        dispatch({ type: 'action', ticket, value });
      });
    },
    decideHeld(decision, hash) {
      const held = state.phase.kind === 'leading' ? state.phase.held : null;
      if (held === null) return 'the guard of this node holds no schedule';
      if (held.hash !== hash) return `the guard holds ${held.hash}`;
      dispatch({ type: 'guard', decision, hash });
      return null;
    },
    rolesData() {
      const schedule = state.lastKnown;
      const plans = schedule === null ? [] : planRoles(schedule.data, peers.self.hostname, []);
      const rendered = plans.flatMap((plan) => ('error' in plan ? [] : [[plan.role, plan.variables] as const]));
      return { to_render: Object.fromEntries(rendered), all_roles: plans.map((plan) => plan.role) };
    },
    renderLog: (role) => renderer.log(role),
    renderLogNames: () => renderer.logNames(),
    forceRender: () => renderer.force(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopped = true;
      clearInterval(ticker);
      unsubscribe();
      stopWatching();
      for (const resolve of waiters.values()) resolve({ status: 503, value: { error: 'this node stops' } });
      waiters.clear();
      await Promise.all([renderer.stop(), runner.stop()]);
    },
  };
};
