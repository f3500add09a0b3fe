import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DesiredInstance, DesiredState, InstanceLimits } from '../../src/lithos/desired.ts';
import type { KnotStatus } from '../../src/lithos/knot-status.ts';
import { type Effect, type Event, initialState, type LiveKnot, type State } from '../../src/lithos/supervise/state.ts';
import { nextDeadlineMs, step } from '../../src/lithos/supervise/step.ts';

const noLimits: InstanceLimits = {
  memoryBytes: null,
  memoryHighBytes: null,
  cpuShares: null,
  cpuCores: null,
  pids: null,
  ioWeight: null,
  ioMax: [],
};
const restartTimeoutMs = 1_000;
const killTimeoutMs = 2_000;

function wanted(name: string, definition = 'a'): DesiredInstance {
  const [sandbox = '', leaf = ''] = name.split('/');
  const [process = '', instance = ''] = leaf.split('.');
  return {
    name,
    sandbox,
    process,
    instance: Number(instance),
    instanceJson: definition,
    planWords: [],
    preparations: [],
    image: 'app',
    logFile: '/log',
    sockets: [],
    secrets: null,
    restartsInPlace: false,
    restartTimeoutMaxMs: restartTimeoutMs,
    restartTimeoutMs,
    killTimeoutMs,
    limits: noLimits,
    cgroupLeaf: `${name.replace('/', ':')}.scope`,
  };
}

const desired = (instances: readonly DesiredInstance[], brokenSandboxes: readonly string[] = []): DesiredState => ({
  instances,
  problems: [],
  brokenSandboxes,
});

const knot = (pid: number, instanceJson = 'a'): LiveKnot => ({
  pid,
  instanceJson,
  killTimeoutMs,
  normalExitCodes: [0],
});

const knotStatus = (part: Partial<KnotStatus> = {}): KnotStatus => ({
  phase: 'running',
  knotPid: 100,
  knotStartTime: 1,
  pid: 101,
  startTime: 1,
  startedAtMs: 0,
  endedAtMs: 0,
  exitCode: null,
  signal: null,
  failure: null,
  restarts: 0,
  oomKills: 0,
  memoryPressure: null,
  ...part,
});

/** Plays events in a row; what the last one brought about. */
function play(...events: readonly Event[]): { state: State; effects: readonly Effect[] } {
  let played = { state: initialState, effects: [] as readonly Effect[] };
  for (const event of events) played = step(played.state, event);
  return played;
}

const acts = (effects: readonly Effect[]): readonly string[] =>
  effects.flatMap((effect) => {
    if (effect.type === 'say') return [];
    return [`${effect.type} ${effect.type === 'start' ? effect.instance.name : effect.name}`];
  });

const name = 'box/web.0';
const configured = (definition = 'a', nowMs = 0): Event => ({
  type: 'configured',
  desired: desired([wanted(name, definition)]),
  nowMs,
});
const spawned = (definition = 'a', nowMs = 0): Event => ({ type: 'spawned', name, knot: knot(100, definition), nowMs });
const reported: Event = { type: 'running', name, status: knotStatus() };
const ended = (nowMs: number, part: Partial<KnotStatus> | null = { exitCode: 1 }): Event => ({
  type: 'ended',
  name,
  status: part === null ? null : knotStatus({ phase: 'ended', ...part }),
  nowMs,
});
const found = (definition = 'a', part: Partial<KnotStatus> = {}): Event => ({
  type: 'found',
  knots: [
    {
      name,
      sandbox: 'box',
      process: 'web',
      instance: 0,
      knot: knot(100, definition),
      status: knotStatus(part),
    },
  ],
  nowMs: 0,
});
const empty = (nowMs = 0, broken: readonly string[] = []): Event => ({
  type: 'configured',
  desired: desired([], broken),
  nowMs,
});
const counts = (state: State) => state.counts.get('box.web');

describe('a wanted instance', () => {
  it('is started at once, and runs when its knot says so', () => {
    expect(acts(play(configured()).effects)).toEqual([`start ${name}`]);
    const { state } = play(configured(), spawned(), reported);
    expect(state.instances.get(name)).toMatchObject({ phase: 'running', program: { pid: 101 }, restarts: 0 });
    expect(counts(state)).toMatchObject({ started: 1, deaths: 0, failures: 0 });
  });

  it('that ran for long is started again at once; one that ended early waits for its restart-timeout', () => {
    expect(acts(play(configured(), spawned(), reported, ended(5_000)).effects)).toEqual([`start ${name}`]);
    const early = play(configured(), spawned(), reported, ended(300));
    expect(acts(early.effects)).toEqual([]);
    expect(nextDeadlineMs(early.state)).toBe(restartTimeoutMs);
    expect(acts(step(early.state, { type: 'tick', nowMs: 999 }).effects)).toEqual([]);
    const late = step(early.state, { type: 'tick', nowMs: 1_000 });
    expect(acts(late.effects)).toEqual([`start ${name}`]);
    expect(late.state.instances.get(name)).toMatchObject({ restarts: 1, lastEnd: { exitCode: 1 } });
  });

  it('is not held back by a clock that was set back', () => {
    const { state } = play(configured('a', 1e9), spawned('a', 1e9), ended(10));
    expect(nextDeadlineMs(state)).toBe(10 + restartTimeoutMs);
  });

  it('that cannot be spawned is tried again, and counts as a failure', () => {
    const end = { atMs: 0, exitCode: null, signal: null, failure: null, oomKilled: false, memoryPressure: null };
    const { state, effects } = play(configured(), { type: 'not-spawned', name, end, nowMs: 0 });
    expect(acts(effects)).toEqual([]);
    expect(nextDeadlineMs(state)).toBe(restartTimeoutMs);
    expect(counts(state)).toMatchObject({ started: 1, deaths: 1, failures: 1 });
  });
});

describe('an end is no failure', () => {
  const failures = (part: Partial<KnotStatus> | null) =>
    counts(play(configured(), spawned(), ended(5, part)).state)?.failures;

  it('by SIGTERM or with a normal exit code; any other is, and so is silence', () => {
    expect(failures({ signal: 15 })).toBe(0);
    expect(failures({ exitCode: 0 })).toBe(0);
    expect(failures({ exitCode: 1 })).toBe(1);
    expect(failures({ signal: 9 })).toBe(1);
    expect(failures(null)).toBe(1);
  });

  it('when it was asked for', () => {
    const { state } = play(configured(), spawned(), reported, configured('b', 10), ended(20, { signal: 9 }));
    expect(counts(state)?.failures).toBe(0);
  });
});

describe('a change of config', () => {
  it('replaces an instance whose definition has changed, with one signal', () => {
    const changed = play(configured(), spawned(), reported, configured('b', 10));
    expect(acts(changed.effects)).toEqual([`stop ${name}`]);
    const again = step(changed.state, configured('c', 20));
    expect(acts(again.effects)).toEqual([]);
    const replaced = step(again.state, ended(5_000, { signal: 15 }));
    expect(acts(replaced.effects)).toEqual([`start ${name}`]);
    expect(replaced.state.instances.get(name)?.desired?.instanceJson).toBe('c');
  });

  it('stops and forgets what is not wanted any more', () => {
    const stopped = play(configured(), spawned(), reported, empty(10));
    expect(acts(stopped.effects)).toEqual([`stop ${name}`]);
    const gone = step(stopped.state, ended(20));
    expect(acts(gone.effects)).toEqual([`forget ${name}`]);
    expect(gone.state.instances.size).toBe(0);
  });

  it('that cannot be read leaves the last good state, restarts included', () => {
    const broken = play(configured(), spawned(), reported, empty(10, ['box']));
    expect(acts(broken.effects)).toEqual([]);
    expect(acts(step(broken.state, ended(5_000)).effects)).toEqual([`start ${name}`]);
  });

  it('while a start is under way stops what was started for the old definition', () => {
    const { effects } = play(configured(), configured('b', 5), spawned('a', 6));
    expect(acts(effects)).toEqual([`stop ${name}`]);
    expect(acts(play(configured(), empty(5), spawned('a', 6)).effects)).toEqual([`stop ${name}`]);
  });
});

describe('a knot of an earlier tree', () => {
  it('that runs what is wanted is left alone', () => {
    const { state, effects } = play(found(), configured());
    expect(acts(effects)).toEqual([]);
    expect(state.instances.get(name)).toMatchObject({ phase: 'running', adopted: true });
  });

  it('that runs something else, or nothing that is wanted, is stopped', () => {
    expect(acts(play(found('old'), configured()).effects)).toEqual([`stop ${name}`]);
    expect(acts(play(found(), empty()).effects)).toEqual([`stop ${name}`]);
  });

  it('of a sandbox that cannot be read goes on', () => {
    expect(acts(play(found(), empty(0, ['box'])).effects)).toEqual([]);
  });

  it('met where a start was to be is taken, or stopped if it is another', () => {
    expect(play(configured(), found()).state.instances.get(name)).toMatchObject({ phase: 'running', adopted: true });
    expect(acts(play(configured(), found('old')).effects)).toEqual([`stop ${name}`]);
  });
});

describe('an end that does not come', () => {
  it('is brought about: the knot is killed some seconds after the kill-timeout, once', () => {
    const { state } = play(configured(), spawned(), reported, empty(0));
    const deadline = nextDeadlineMs(state) ?? 0;
    expect(deadline).toBeGreaterThan(killTimeoutMs);
    expect(acts(step(state, { type: 'tick', nowMs: deadline - 1 }).effects)).toEqual([]);
    const killed = step(state, { type: 'tick', nowMs: deadline });
    expect(acts(killed.effects)).toEqual([`kill ${name}`]);
    expect(acts(step(killed.state, { type: 'tick', nowMs: deadline + 1 }).effects)).toEqual([]);
  });
});

/**
 * Any order of events against a host that does what it is told: the promises of step() at each step, and what everything
 * comes to when the events end.
 */
describe('whatever happens', () => {
  const names = ['box/a.0', 'box/a.1', 'other/b.0'];
  const definition = fc.constantFrom('x', 'y');
  const config = fc.record({
    instances: fc.array(fc.record({ name: fc.constantFrom(...names), definition }), { maxLength: 4 }),
    broken: fc.subarray(['box', 'other']),
  });
  const happening = fc.oneof(
    fc.record({ kind: fc.constant('config' as const), config }),
    fc.record({ kind: fc.constant('dies' as const), name: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('stops' as const), name: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
    fc.record({ kind: fc.constant('cannot start' as const), name: fc.constantFrom(...names) }),
  );

  function run(happenings: readonly (typeof happening extends fc.Arbitrary<infer T> ? T : never)[], shutdown: boolean) {
    let state = initialState;
    let now = 0;
    let nextPid = 1;
    const live = new Map<string, { definition: string; signals: number; pid: number }>();
    const lastStart = new Map<string, number>();
    const refusesOnce = new Set<string>();
    const queue: Event[] = [];
    const dispatch = (event: Event): void => {
      queue.push(event);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const stepped = step(state, next);
        state = stepped.state;
        for (const effect of stepped.effects) perform(effect);
      }
    };
    const perform = (effect: Effect): void => {
      switch (effect.type) {
        case 'start': {
          const { name: started, instanceJson } = effect.instance;
          expect(live.has(started), `${started}: never two knots`).toBe(false);
          expect(now - (lastStart.get(started) ?? -restartTimeoutMs)).toBeGreaterThanOrEqual(restartTimeoutMs);
          lastStart.set(started, now);
          if (refusesOnce.delete(started)) {
            const end = {
              atMs: now,
              exitCode: null,
              signal: null,
              failure: null,
              oomKilled: false,
              memoryPressure: null,
            };
            queue.push({ type: 'not-spawned', name: started, end, nowMs: now });
            return;
          }
          const pid = nextPid++;
          live.set(started, { definition: instanceJson, signals: 0, pid });
          queue.push({ type: 'spawned', name: started, knot: knot(pid, instanceJson), nowMs: now });
          return;
        }
        case 'stop': {
          const stopped = live.get(effect.name);
          expect(stopped, `${effect.name}: only a living knot is stopped`).toBeDefined();
          if (stopped !== undefined) stopped.signals += 1;
          expect(stopped?.signals, `${effect.name}: one stop signal`).toBe(1);
          return;
        }
        case 'forget':
          expect(live.has(effect.name), `${effect.name}: forgotten while it lives`).toBe(false);
          // A new instance of the name knows nothing of the old one's times.
          lastStart.delete(effect.name);
          return;
        case 'kill':
        case 'say':
          return;
        default:
          effect satisfies never;
      }
    };
    const end = (which: string, part: Partial<KnotStatus>): void => {
      if (!live.delete(which)) return;
      dispatch({ type: 'ended', name: which, status: knotStatus({ phase: 'ended', ...part }), nowMs: now });
    };
    const configure = (instances: readonly { name: string; definition: string }[], broken: readonly string[]): void => {
      const unique = new Map(instances.map((each) => [each.name, wanted(each.name, each.definition)]));
      const before = new Map([...live].map(([each, { signals }]) => [each, signals]));
      dispatch({ type: 'configured', desired: desired([...unique.values()], broken), nowMs: now });
      for (const [each, { definition: runs, signals }] of live) {
        if (unique.get(each)?.instanceJson === runs) expect(signals, `${each}: unchanged`).toBe(before.get(each) ?? 0);
      }
    };

    for (const each of happenings) {
      if (each.kind === 'config') configure(each.config.instances, each.config.broken);
      else if (each.kind === 'dies') end(each.name, { signal: 9 });
      else if (each.kind === 'stops' && (live.get(each.name)?.signals ?? 0) > 0) end(each.name, { signal: 15 });
      else if (each.kind === 'cannot start') refusesOnce.add(each.name);
      else if (each.kind === 'time') {
        now += each.ms;
        dispatch({ type: 'tick', nowMs: now });
      }
    }
    if (shutdown) dispatch({ type: 'shutdown', nowMs: now });
    else
      configure(
        [
          { name: 'box/a.0', definition: 'x' },
          { name: 'other/b.0', definition: 'y' },
        ],
        [],
      );
    for (let round = 0; round < 10; round++) {
      for (const [each, { signals }] of [...live]) if (signals > 0) end(each, { signal: 15 });
      now += restartTimeoutMs;
      dispatch({ type: 'tick', nowMs: now });
    }
    return { state, live };
  }

  it('what runs comes to what is wanted', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
        const { state, live } = run(happenings, false);
        expect(new Map([...live].map(([each, { definition: runs }]) => [each, runs]))).toEqual(
          new Map([
            ['box/a.0', 'x'],
            ['other/b.0', 'y'],
          ]),
        );
        expect([...state.instances.keys()].sort()).toEqual(['box/a.0', 'other/b.0']);
      }),
      { numRuns: 500 },
    );
  });

  it('a shutdown leaves nothing', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
        const { state, live } = run(happenings, true);
        expect([live.size, state.instances.size]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('an instance that keeps ending', () => {
  const backingOff: DesiredInstance = { ...wanted('box/web.0'), restartTimeoutMs: 1_000, restartTimeoutMaxMs: 5_000 };

  /** Ends `livesMs` after each start; the times of the starts. */
  function starts(instance: DesiredInstance, livesMs: number, count: number): readonly number[] {
    let state = initialState;
    let nowMs = 0;
    const times: number[] = [];
    const feed = (event: Event): void => {
      const stepped = step(state, event);
      state = stepped.state;
      for (const effect of stepped.effects) if (effect.type === 'start') times.push(nowMs);
    };
    feed({ type: 'configured', desired: desired([instance]), nowMs });
    while (times.length < count) {
      feed({ type: 'spawned', name: instance.name, knot: knot(100), nowMs });
      nowMs += livesMs;
      const status = knotStatus({ phase: 'ended', exitCode: 3, endedAtMs: nowMs });
      feed({ type: 'ended', name: instance.name, status, nowMs });
      if (times.length >= count) break;
      const next = nextDeadlineMs(state);
      if (next !== null && next > nowMs) {
        nowMs = next;
        feed({ type: 'tick', nowMs });
      }
    }
    return times;
  }

  it('is started at a constant distance, unless a greatest one is given', () => {
    expect(starts(wanted('box/web.0'), 10, 5)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
  });

  it('is started at doubling distances up to the greatest, and at once when it has lived for longer', () => {
    expect(starts(backingOff, 10, 6)).toEqual([0, 1_000, 3_000, 7_000, 12_000, 17_000]);
    expect(starts(backingOff, 6_000, 3)).toEqual([0, 6_000, 12_000]);
  });

  it('keeps its distance and its numbers over a restart of the tree', () => {
    const lastEnd = {
      ...{ atMs: 400, exitCode: 1, signal: null, failure: null },
      ...{ oomKilled: true, memoryPressure: null },
    };
    const remembered = new Map([['box/web.0', { restarts: 7, lastStartMs: 300, gapMs: 4_000, lastEnd }]]);
    const { state, effects } = step(
      { ...initialState, remembered },
      { type: 'configured', desired: desired([backingOff]), nowMs: 500 },
    );
    expect(effects).toEqual([]);
    expect(nextDeadlineMs(state)).toBe(4_300);
    expect(state.instances.get('box/web.0')).toMatchObject({ restarts: 7, lastEnd });
  });
});

describe('what a knot tells', () => {
  const name = 'box/web.0';
  const running = (part: Partial<KnotStatus>): Event => ({ type: 'running', name, status: knotStatus(part) });

  it('of programs that it has started again in place counts as ends and starts', () => {
    const { state } = play(
      { type: 'configured', desired: desired([wanted(name)]), nowMs: 0 },
      { type: 'spawned', name, knot: knot(100), nowMs: 0 },
      running({}),
      running({ restarts: 2, pid: 105, exitCode: 9 }),
      running({ restarts: 2, pid: 105, exitCode: 9 }),
    );
    expect(counts(state)).toMatchObject({ started: 3, deaths: 2, failures: 2 });
    expect(state.instances.get(name)).toMatchObject({ restarts: 2, program: { pid: 105 }, lastEnd: { exitCode: 9 } });
  });

  it('of a kill for want of memory is told apart from any other end', () => {
    const { state, effects } = play(
      { type: 'configured', desired: desired([wanted(name)]), nowMs: 0 },
      { type: 'spawned', name, knot: knot(100), nowMs: 0 },
      {
        type: 'ended',
        name,
        status: knotStatus({ phase: 'ended', signal: 9, oomKills: 1, memoryPressure: 'some avg10=40.00' }),
        nowMs: 9_000,
      },
    );
    expect(counts(state)).toMatchObject({ oomKills: 1, failures: 1 });
    expect(state.instances.get(name)?.lastEnd).toMatchObject({ oomKilled: true, signal: 9 });
    const text = 'box/web.0: out of memory: killed by the kernel (some avg10=40.00)';
    expect(effects).toContainEqual({ type: 'say', level: 'error', text });
  });
});
