import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  beginSupervision,
  type Foreground,
  type SuperviseEffect,
  type SuperviseEvent,
  type SuperviseMode,
  type SuperviseState,
  superviseStep,
} from '../../src/vagga/run/supervise/step.ts';

const none: Foreground = { kind: 'none' };
const supervisor: Foreground = { kind: 'supervisor' };
const elsewhere: Foreground = { kind: 'elsewhere' };
const holds = (name: string): Foreground => ({ kind: 'child', name });

/** All children started; pids from 101 on. */
function running(names: readonly string[], mode: SuperviseMode = 'stop-on-failure'): SuperviseState {
  let { state } = beginSupervision(names, mode, 2000);
  names.forEach((name, index) => {
    ({ state } = superviseStep(state, { kind: 'started', name, pid: 101 + index }, none));
  });
  return state;
}

/** Effects of the last event. */
function effectsOf(state: SuperviseState, events: readonly (SuperviseEvent | [SuperviseEvent, Foreground])[]) {
  let effects: readonly SuperviseEffect[] = [];
  let now = state;
  for (const each of events) {
    const [event, foreground] = Array.isArray(each) ? each : [each, none];
    ({ state: now, effects } = superviseStep(now, event, foreground));
  }
  return effects;
}

const exited = (name: string, exitCode: number): SuperviseEvent => ({ kind: 'exited', name, exitCode });
const term = (name: string): SuperviseEffect => ({ kind: 'signal-child', name, signal: 'SIGTERM' });

describe('children of a supervise', () => {
  it('are started in their order, each once the one before it runs', () => {
    const first = beginSupervision(['a', 'b'], 'stop-on-failure', 2000);
    expect(first.effects).toEqual([{ kind: 'start', name: 'a' }]);
    const second = superviseStep(first.state, { kind: 'started', name: 'a', pid: 7 }, none);
    expect(second.effects).toEqual([{ kind: 'start', name: 'b' }]);
    expect(superviseStep(second.state, { kind: 'started', name: 'b', pid: 8 }, none).effects).toEqual([]);
  });

  it('end together: the first that exits decides the code, whatever it is', () => {
    const state = running(['a', 'b', 'c']);
    for (const code of [0, 3]) {
      expect(effectsOf(state, [exited('b', code)])).toEqual([
        { kind: 'print', line: `---------- Process b:102 exited with code ${code}. Shutting down -----------` },
        term('a'),
        term('c'),
        { kind: 'arm-timer', ms: 2000 },
      ]);
      expect(effectsOf(state, [exited('b', code), exited('a', 143), exited('c', 9)])).toEqual([
        { kind: 'end', exitCode: code },
      ]);
    }
  });

  it('may end well one after the other where all are waited for, and only failure ends all', () => {
    const state = running(['a', 'b'], 'wait-all-successful');
    expect(effectsOf(state, [exited('a', 0)])).toEqual([]);
    expect(effectsOf(state, [exited('a', 0), exited('b', 0)])).toEqual([{ kind: 'end', exitCode: 0 }]);
    expect(effectsOf(state, [exited('a', 5)])).toContainEqual(term('b'));
    expect(effectsOf(state, [exited('a', 5), exited('b', 0)])).toEqual([{ kind: 'end', exitCode: 5 }]);
  });

  it('are killed when they do not end in time, and named', () => {
    const state = running(['a', 'b', 'c']);
    expect(effectsOf(state, [exited('c', 1), { kind: 'timeout' }])).toEqual([
      { kind: 'print', line: '---------- Processes ["a", "b"] are still alive. Killing ... -----------' },
      { kind: 'print', line: expect.stringContaining('kill-unresponsive-after') },
      { kind: 'kill', name: 'a' },
      { kind: 'kill', name: 'b' },
    ]);
    expect(effectsOf(state, [{ kind: 'timeout' }])).toEqual([]);
  });

  it('get INT and QUIT as groups, TERM and HUP themselves, and the code is 128 and the first signal', () => {
    const state = running(['a']);
    const got = (signal: 'SIGINT' | 'SIGQUIT' | 'SIGTERM' | 'SIGHUP') =>
      effectsOf(state, [{ kind: 'signal', signal }])[0];
    expect(got('SIGINT')).toEqual({ kind: 'signal-group', name: 'a', signal: 'SIGINT' });
    expect(got('SIGQUIT')).toEqual({ kind: 'signal-group', name: 'a', signal: 'SIGQUIT' });
    expect(got('SIGTERM')).toEqual({ kind: 'signal-child', name: 'a', signal: 'SIGTERM' });
    expect(got('SIGHUP')).toEqual({ kind: 'signal-child', name: 'a', signal: 'SIGHUP' });
    const twice: readonly SuperviseEvent[] = [
      { kind: 'signal', signal: 'SIGINT' },
      { kind: 'signal', signal: 'SIGTERM' },
    ];
    expect(effectsOf(state, twice)).toEqual([term('a')]);
    expect(effectsOf(state, [...twice, exited('a', 0)])).toEqual([{ kind: 'end', exitCode: 130 }]);
  });

  it('end with 127 when one cannot be started, and no further one is', () => {
    const { state } = superviseStep(
      beginSupervision(['a', 'b', 'c'], 'stop-on-failure', 2000).state,
      { kind: 'started', name: 'a', pid: 7 },
      none,
    );
    const failed: SuperviseEvent = { kind: 'not-started', name: 'b', problem: 'x: no such program' };
    expect(effectsOf(state, [failed])).toEqual([
      { kind: 'tell', line: 'child b cannot be started: x: no such program' },
      term('a'),
      { kind: 'arm-timer', ms: 2000 },
    ]);
    expect(effectsOf(state, [failed, exited('a', 0)])).toEqual([{ kind: 'end', exitCode: 127 }]);
  });
});

describe('children at a terminal', () => {
  const stop = (name: string): SuperviseEvent => ({ kind: 'stopped', name, by: 'stop' });
  const wants = (name: string): SuperviseEvent => ({ kind: 'stopped', name, by: 'terminal-access' });
  const group = (name: string, signal: 'SIGCONT' | 'SIGTSTP'): SuperviseEffect => ({
    kind: 'signal-group',
    name,
    signal,
  });
  const cont: SuperviseEvent = { kind: 'signal', signal: 'SIGCONT' };

  it('have it one after the other, as each reads', () => {
    const state = running(['a', 'b', 'c'], 'wait-all-successful');
    expect(effectsOf(state, [[wants('b'), supervisor]])).toEqual([
      { kind: 'hand-over-terminal', name: 'b' },
      group('b', 'SIGCONT'),
    ]);
    expect(
      effectsOf(state, [
        [wants('b'), supervisor],
        [wants('a'), holds('b')],
      ]),
    ).toEqual([]);
    expect(
      effectsOf(state, [
        [wants('b'), supervisor],
        [wants('a'), holds('b')],
        [exited('b', 0), holds('b')],
      ]),
    ).toEqual([{ kind: 'take-terminal' }, { kind: 'hand-over-terminal', name: 'a' }, group('a', 'SIGCONT')]);
  });

  it('all stop at Ctrl-Z, the supervisor after them, and all go on', () => {
    const state = running(['a', 'b']);
    const suspend: SuperviseEvent = { kind: 'signal', signal: 'SIGTSTP' };
    expect(effectsOf(state, [[suspend, supervisor]])).toEqual([
      group('a', 'SIGTSTP'),
      group('b', 'SIGTSTP'),
      { kind: 'stop-self' },
    ]);
    expect(
      effectsOf(state, [
        [suspend, supervisor],
        [stop('a'), elsewhere],
      ]),
    ).toEqual([]);
    expect(
      effectsOf(state, [
        [suspend, supervisor],
        [cont, supervisor],
      ]),
    ).toEqual([group('a', 'SIGCONT'), group('b', 'SIGCONT')]);
  });

  it('stop with the one that has the terminal, which has it again afterwards', () => {
    const events: [SuperviseEvent, Foreground][] = [
      [wants('b'), supervisor],
      [stop('b'), holds('b')],
    ];
    const state = running(['a', 'b']);
    expect(effectsOf(state, events)).toEqual([group('a', 'SIGTSTP'), { kind: 'stop-self' }]);
    expect(effectsOf(state, [...events, [cont, supervisor]])).toEqual([
      { kind: 'hand-over-terminal', name: 'b' },
      group('a', 'SIGCONT'),
      group('b', 'SIGCONT'),
    ]);
    expect(effectsOf(state, [...events, [cont, elsewhere]])).toEqual([group('a', 'SIGCONT'), group('b', 'SIGCONT')]);
  });

  it('stop as a whole when one wants the terminal in the background', () => {
    expect(effectsOf(running(['a', 'b']), [[wants('a'), elsewhere]])).toEqual([
      group('b', 'SIGTSTP'),
      { kind: 'stop-self' },
    ]);
  });

  it('are woken to end: a stopped process gets no SIGTERM', () => {
    expect(effectsOf(running(['a', 'b']), [[stop('a'), supervisor], exited('b', 1)])).toContainEqual(
      group('a', 'SIGCONT'),
    );
  });
});

describe('any course of a supervise', () => {
  const names = ['a', 'b', 'c', 'd'];
  const someName = fc.constantFrom(...names);
  const anyForeground = fc.oneof(
    fc.constantFrom(none, supervisor, elsewhere),
    someName.map((name) => holds(name)),
  );
  /** What the world does next; what a child has to answer comes from the model. */
  const move = fc.tuple(
    fc.oneof(
      someName.chain((name) => fc.nat(255).map((exitCode): SuperviseEvent => ({ kind: 'exited', name, exitCode }))),
      someName.chain((name) =>
        fc
          .constantFrom('terminal-access', 'stop')
          .map((by): SuperviseEvent => ({ kind: 'stopped', name, by }) as SuperviseEvent),
      ),
      fc
        .constantFrom('SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGCONT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU')
        .map((signal): SuperviseEvent => ({ kind: 'signal', signal }) as SuperviseEvent),
      fc.constant<SuperviseEvent | 'answer'>('answer'),
    ),
    anyForeground,
  );

  it('ends once, with no child left, and leaves none untold', () => {
    fc.assert(
      fc.property(
        fc.subarray(names, { minLength: 1 }),
        fc.constantFrom<SuperviseMode>('stop-on-failure', 'wait-all-successful'),
        fc.array(move, { maxLength: 40 }),
        fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        (children, mode, moves, canStart) => {
          let { state, effects } = beginSupervision(children, mode, 2000);
          let starting: string | null = null;
          let pid = 100;
          let ends = 0;
          const alive = new Set<string>();
          const told = new Set<string>();
          const killed = new Set<string>();
          const everStarted = new Set<string>();
          let armed = false;
          const take = (): void => {
            for (const effect of effects) {
              if (effect.kind === 'start') {
                expect(everStarted.has(effect.name)).toBe(false);
                expect(starting).toBe(null);
                everStarted.add(effect.name);
                starting = effect.name;
              }
              if (effect.kind === 'arm-timer') armed = true;
              if (effect.kind === 'kill') killed.add(effect.name);
              if (
                (effect.kind === 'signal-child' || effect.kind === 'signal-group') &&
                ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'].includes(effect.signal)
              ) {
                expect(alive.has(effect.name)).toBe(true);
                told.add(effect.name);
              }
              if (effect.kind === 'hand-over-terminal') expect(alive.has(effect.name)).toBe(true);
              if (effect.kind === 'end') ends += 1;
            }
            if (state.phase === 'stopping') for (const name of alive) expect(told.has(name)).toBe(true);
            if (state.phase === 'killed') for (const name of alive) expect(killed.has(name)).toBe(true);
            expect(ends > 0).toBe(state.phase === 'ended');
            if (ends > 0) expect([alive.size, starting]).toEqual([0, null]);
          };
          const happen = (event: SuperviseEvent, foreground: Foreground): void => {
            if (event.kind === 'exited') {
              if (!alive.delete(event.name)) return;
            }
            if (event.kind === 'stopped' && !alive.has(event.name)) return;
            ({ state, effects } = superviseStep(state, event, foreground));
            take();
          };
          const answer = (): void => {
            if (starting === null) return;
            const name = starting;
            starting = null;
            if (canStart[names.indexOf(name)]) {
              alive.add(name);
              pid += 1;
              happen({ kind: 'started', name, pid }, none);
            } else happen({ kind: 'not-started', name, problem: 'no' }, none);
          };
          take();
          for (const [event, foreground] of moves) {
            if (event === 'answer') answer();
            else happen(event, foreground);
          }
          // From here on everybody does what he has to: all ends, by SIGKILL at the latest.
          while (starting !== null) answer();
          if (state.phase === 'running') happen({ kind: 'signal', signal: 'SIGTERM' }, none);
          while (starting !== null) answer();
          if (alive.size > 0 && state.phase === 'stopping') {
            expect(armed).toBe(true);
            happen({ kind: 'timeout' }, none);
          }
          for (const name of [...alive]) {
            expect(killed.has(name)).toBe(true);
            happen(exited(name, 137), none);
          }
          expect(ends).toBe(1);
        },
      ),
      { numRuns: Number(process.env.SUPERVISE_RUNS ?? 300) },
    );
  });
});
