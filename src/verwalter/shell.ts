import { actionDesk } from './action-desk.ts';
import { settledText } from './action-text.ts';
import type { JsonObject } from './canonical.ts';
import { openConfiguration } from './configuration.ts';
import { counted, noCounts } from './counts.ts';
import { defaultMaxShrink } from './guard.ts';
import { defaultLogKeep } from './log/retention.ts';
import { type CollectedMetrics, metricsCollector } from './metrics.ts';
import type { ScheduleStamp } from './ports.ts';
import { queries, queryLimits } from './query.ts';
import { defaultRecordKeep } from './recording/record-keep.ts';
import { planRoles } from './render/plan.ts';
import { type Renderer, startRenderer } from './render/renderer.ts';
import { performRound, type RoundSummary } from './round.ts';
import { maxScheduleBytes } from './schedule.ts';
import { startRunner } from './scheduler/runner.ts';
import { type Effect, type Event, initialState, type State } from './state.ts';
import { step } from './step.ts';
import { loadSchedule, saveSchedule } from './storage.ts';
import { openTimeTravel, type TimeTravel } from './time-travel.ts';
import type { ErrorKind, Verwalter, VerwalterOptions, VerwalterStatus } from './verwalter.ts';

/** Deadlines of the machine are at least this long; a tick costs microseconds. */
const tickMs = 100;
const fetchTimeoutMs = 3000;
/** Of the debug log of a round that failed. */
const loggedLines = 100;

export const startVerwalter = (options: VerwalterOptions): Verwalter => {
  const { peers, configDir, storageDir, logDir } = options;
  const log = options.log ?? (() => {});
  const runner = startRunner({
    ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
    ...(options.schedulerLimits === undefined ? {} : { limits: options.schedulerLimits }),
  });
  // Of a thread of its own: a query does not wait for a round.
  const queryRunner = startRunner({
    ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
    limits: queryLimits,
  });
  const queriesOf = queries({
    runner: queryRunner,
    sources: () => configuration.sources(),
    hostname: peers.self.hostname,
  });
  const collectMetrics = metricsCollector(options.metrics, () => Date.now());
  const listeners = new Set<() => void>();
  const errors = new Map<ErrorKind, string>();
  let warnings: readonly string[] = [];
  let lastInput: JsonObject | null = null;
  let lastLog: string | null = null;
  let lastRound: RoundSummary | null = null;
  let stamp: ScheduleStamp | null = null;
  let announced = '';
  let counts = noCounts;
  let errorsOccurred = 0;
  let stopped = false;

  const setError = (kind: ErrorKind, text: string | null): void => {
    if (text === null) errors.delete(kind);
    else if (errors.get(kind) !== text) {
      errors.set(kind, text);
      errorsOccurred += 1;
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

  const timeTravel: TimeTravel = openTimeTravel({
    configDir,
    storageDir,
    keep: options.recordKeep ?? defaultRecordKeep,
    strictScheduler: options.strictScheduler ?? false,
    strictSchedule: options.strictSchedule ?? false,
    runtime: () => configuration.runtime(),
    live: () => configuration.sources(),
    ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
    ...(options.schedulerLimits === undefined ? {} : { limits: options.schedulerLimits }),
    setError: (text) => setError('recordings', text),
    log,
  });

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
    machine: () => configuration.machine(),
    rolesOf: (...asked) => queriesOf.renderRoles(...asked),
    onChange() {
      setError('query', renderer.status().rolesProblem);
      changed();
    },
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
    counts = counted(counts, event, result.effects);
    for (const kind of ['scheduler', 'fetch', 'guard'] as const) {
      if (before.errors[kind] !== state.errors[kind]) setError(kind, state.errors[kind]);
    }
    for (const effect of result.effects) perform(effect);
    if (before.phase.kind !== state.phase.kind || before.errors !== state.errors || result.effects.length > 0)
      changed();
  };

  const isUnderWay = (id: number): boolean =>
    state.phase.kind === 'leading' && state.phase.running?.actions.some((action) => action.id === id) === true;

  const desk = actionDesk({
    dispatch,
    isUnderWay,
    onSettled: (settled) => renderer.noteChange(state.lastKnown?.hash ?? '', settledText(settled)),
    nowMs: Date.now,
  });

  const perform = (effect: Effect): void => {
    switch (effect.type) {
      case 'fetch':
        void fetchSchedule(effect);
        return;
      case 'start-round':
        void runRound(effect);
        return;
      case 'may-lead':
        if (!effect.allowed && configuration.sources() !== null) {
          log('no round has gone well for five minutes: this node leads no longer, and lets others try for a minute');
        }
        peers.mayLead(effect.allowed);
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
      case 'action-queued':
      case 'action-refused':
      case 'action-answered':
        desk.perform(effect);
        return;
      default:
        effect satisfies never;
    }
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

  const collect = (parent: JsonObject | null): Promise<CollectedMetrics> =>
    collectMetrics(parent).then(
      (value) => {
        setError('metrics', null);
        return value;
      },
      (error: Error) => {
        setError('metrics', error.message);
        return { metrics: {}, collectedAtMs: null, missing: [] };
      },
    );

  const runRound = async (effect: Extract<Effect, { type: 'start-round' }>): Promise<void> => {
    const { round } = effect;
    const sources = configuration.sources();
    try {
      if (sources === null) throw new Error(errors.get('scheduler_load') ?? 'no scheduler is loaded');
      const result = await performRound({
        effect,
        sources,
        runner,
        self: peers.self,
        members: () => peers.members(),
        metrics: await collect(effect.parents[0]?.data ?? null),
        runtime: configuration.runtime(),
        lastKnown: state.lastKnown,
        lastRound,
        strictScheduler: options.strictScheduler ?? false,
        strictSchedule: options.strictSchedule ?? false,
      });
      const { durationMs, ok, atMs, outcome } = result;
      lastInput = result.input;
      lastLog = result.log;
      lastRound = { durationMs, ok, atMs };
      if (outcome.ok) {
        warnings = outcome.warnings;
        const asked = new Set(effect.actions.map(({ id }) => String(id)));
        const unasked = Object.keys(outcome.answers).filter((id) => !asked.has(id));
        if (unasked.length > 0)
          log(`scheduler: answers to actions that it was not given: ${unasked.slice(0, 10).join(', ')}`);
        dispatch({ type: 'round-done', round, data: outcome.data, hash: outcome.hash, answers: outcome.answers });
      } else {
        // Once for each error: it comes again every second.
        if (state.errors.scheduler !== outcome.error) logTail(result.log);
        dispatch({ type: 'round-failed', round, error: outcome.error });
      }
      timeTravel.roundEnded(effect, sources, result);
    } catch (error) {
      dispatch({ type: 'round-failed', round, error: (error as Error).message });
    }
  };

  const logTail = (text: string): void => {
    for (const line of text.split('\n').slice(-loggedLines)) if (line !== '') log(`scheduler log: ${line}`);
  };

  // Until a scheduler has been loaded.
  peers.mayLead(false);
  const configuration = openConfiguration({
    configDir,
    runner,
    strictScheduler: options.strictScheduler ?? false,
    setError(kind, text) {
      setError(kind, text);
      changed();
    },
    tryOut: (next) => timeTravel.tryOut(next),
    onChange(reason) {
      dispatch({ type: 'changed', reason });
      // query.lua may tell of other roles.
      if (reason === 'scheduler') renderer.recheck();
    },
    onFiles() {
      timeTravel.filesChanged();
      renderer.recheck();
      changed();
    },
  });
  const look = (): void => dispatch({ type: 'cluster', leadership: peers.leadership(), members: peers.members() });
  const unsubscribe = peers.onChange(look);
  const ticker = setInterval(() => {
    // That a peer was heard is no change worth telling, but a gathering leader waits for just that.
    if (state.phase.kind === 'gathering') look();
    dispatch({ type: 'tick' });
  }, tickMs);
  look();
  changed();

  return {
    timeTravel,
    status() {
      const rendered = renderer.status();
      const held = state.phase.kind === 'leading' ? state.phase.held : null;
      return {
        leadership: state.leadership,
        phase: state.phase.kind,
        scheduleStatus: scheduleStatus(state),
        stamp,
        renderedHash: rendered.renderedHash,
        failedRoles: rendered.failedRoles,
        roles: rendered.roles,
        errors: Object.fromEntries(errors),
        warnings,
        schedulerHash: configuration.sources()?.hash ?? null,
        lastRound,
        pendingActions: state.actions.length,
        held: held === null ? null : { hash: held.hash, before: held.before, after: held.after },
      };
    },
    counts: () => ({ ...counts, errorsOccurred, rolesFailed: renderer.status().failures }),
    schedule: () => state.lastKnown,
    scheduleByHash: (hash) => state.store.find((schedule) => schedule.hash === hash) ?? null,
    lastInput: () => (state.leadership.role === 'leader' ? lastInput : null),
    lastLog: () => (state.leadership.role === 'leader' ? lastLog : null),
    pendingActions: () => state.actions,
    actionState(id) {
      if (isUnderWay(id) || state.actions.some((action) => action.id === id)) return 'pending';
      return desk.wasAccepted(id) ? 'done' : 'unknown';
    },
    act(request) {
      const { leadership } = state;
      if (leadership.role === 'follower') {
        const leader = peers.members().find((member) => member.id === leadership.leaderId);
        if (leader !== undefined) return Promise.resolve({ leader: leader.addr });
      }
      return desk.act(request);
    },
    decideHeld(decision, hash) {
      const held = state.phase.kind === 'leading' ? state.phase.held : null;
      if (held === null) return 'the guard of this node holds no schedule';
      if (held.hash !== hash) return `the guard holds ${held.hash}`;
      dispatch({ type: 'guard', decision, hash });
      return null;
    },
    async rolesData() {
      const schedule = state.lastKnown;
      const told = schedule === null ? null : await queriesOf.renderRoles(schedule, '', schedule.data);
      const plans = schedule === null ? [] : planRoles(schedule.data, peers.self.hostname, [], told);
      const rendered = plans.flatMap((plan) => ('error' in plan ? [] : [[plan.role, plan.variables] as const]));
      const names = new Set([...plans.map((plan) => plan.role), ...(told?.kept ?? [])]);
      return { to_render: Object.fromEntries(rendered), all_roles: [...names].sort() };
    },
    query: (path, body) => queriesOf.query(state.lastKnown, path, body),
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
      configuration.stop();
      desk.close();
      await Promise.all([renderer.stop(), runner.stop(), queryRunner.stop(), timeTravel.stop()]);
    },
  };
};

const scheduleStatus = ({ phase, stable }: State): VerwalterStatus['scheduleStatus'] => {
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
