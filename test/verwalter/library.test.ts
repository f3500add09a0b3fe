import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forEachCase, result, samples } from './in-sandbox.ts';

// The modules of `require "stellwerk/…"` beside those that place (placement.test.ts).

describe('hold', () => {
  it('counts what is known to have held, and stops the clock while it is not known', async () => {
    const verdicts = [true, true, null, null, true, true, false, true];
    const { held } = await result<{ held: number[] }>(
      `local hold, timer, held = require 'stellwerk/hold', nil, {}
       for i = 1, 8 do
         local verdict = input.verdicts[i]
         if verdict == require('json').null then verdict = nil end
         timer, held[i] = hold.step(timer, verdict, i * 1000)
       end
       return { schedule = { held = held } }`,
      { verdicts },
    );
    expect(held).toEqual([0, 1000, 0, 0, 2000, 3000, 0, 0]);
  });
});

describe('threshold', () => {
  const levels = (values: readonly (number | null)[], secondsApart = 1) =>
    result<{ levels: string[] }>(
      `local threshold, state, levels = require 'stellwerk/threshold', nil, {}
       local rule = { { name = 'low' }, { name = 'high', up = 100, down = 90, hold_ms = 3000 }, { name = 'top', up = 200, down = 150, hold_ms = 2000 } }
       for i, value in ipairs(input.values) do
         if value == require('json').null then value = nil end
         state = threshold.step(state, value, rule, i * 1000 * input.apart)
         levels[i] = state.level
       end
       return { schedule = { levels = levels } }`,
      { values, apart: secondsApart },
    ).then((value) => value.levels.join(' '));

  it('takes the boundary as high, and goes up several levels at once', async () => {
    expect(await levels([99, 100])).toBe('low high');
    expect(await levels([200])).toBe('top');
  });

  it('goes down only below, only after the time, and one level at a time', async () => {
    expect(await levels([100, 90, 90, 90, 90, 90, 90])).toBe('high high high high high high high');
    expect(await levels([100, 89, 89, 89, 89])).toBe('high high high high low');
    expect(await levels([100, 89, 89, 95, 89, 89, 89, 89])).toBe('high high high high high high high low');
    expect(await levels([250, 50, 50, 50, 50, 50, 50, 50])).toBe('top top top high high high high low');
  });

  it('stays where it is without a value', async () => {
    expect(await levels([null, 100, null, null, null, null, null])).toBe('low high high high high high high');
  });

  it('never changes twice within the time of a level, whatever the values', async () => {
    for (const values of samples(fc.array(fc.integer({ min: 80, max: 110 }), { minLength: 20, maxLength: 40 }), 20)) {
      const seen = (await levels(values)).split(' ');
      const falls = seen.flatMap((level, at) => (at > 0 && level === 'low' && seen[at - 1] === 'high' ? [at] : []));
      for (const at of falls) expect(values.slice(at - 3, at + 1).every((value) => value < 90)).toBe(true);
    }
  });

  it('says what is wrong with a rule', async () => {
    const bad = (rule: string) => result(`require 'stellwerk/threshold'.step(nil, 1, ${rule}, 1)`);
    await expect(bad('{}')).rejects.toThrow('a rule is a list of levels');
    await expect(bad("{ { name = 'a' }, { name = 'b' } }")).rejects.toThrow("level 'b' has no number up");
    await expect(bad("{ { name = 'a' }, { name = 'b', up = 1, down = 2 } }")).rejects.toThrow('down is above up');
  });
});

describe('ramp', () => {
  it('goes quickly up and slowly down, and never stands still', async () => {
    const cases = [
      [10, 20, 1000],
      [10, 20, 5000],
      [20, 10, 1000],
      [20, 10, 5000],
      [20, 10, 10],
      [7, 7, 1000],
    ];
    const body = "return require 'stellwerk/ramp'.step(case[1], case[2], case[3], { up = 5, down = 1 })";
    expect(await forEachCase(body, cases)).toEqual([15, 20, 19, 15, 19, 7]);
  });
});

describe('daily', () => {
  // Friday, 2027-01-15.
  const at = (time: string) => Date.parse(`2027-01-15T${time}Z`);
  it('knows the time and the day, by UTC and by an offset', async () => {
    const body = "return { require 'stellwerk/daily'.clock(case[1], case[2]) }";
    const cases = [[at('08:30:59'), 0], [at('23:30:00'), 60], [at('00:10:00'), -60], [0]];
    expect(await forEachCase(body, cases)).toEqual([
      [510, 'fri'],
      [30, 'sat'],
      [1390, 'thu'],
      [0, 'thu'],
    ]);
  });

  it('counts the beginning, not the end, and goes over midnight', async () => {
    const body = `local rule = require 'stellwerk/daily'.pick(case, {
        { name = 'day', from = '08:00', to = '20:00', days = { 'fri' } },
        { name = 'night', from = '22:00', to = '06:00', days = { 'thu' } },
      })
      return rule and rule.name or 'none'`;
    const times = ['07:59:59', '08:00:00', '19:59:59', '20:00:00', '05:59:00', '06:00:00', '23:00:00'];
    expect(await forEachCase(body, times.map(at))).toEqual(['none', 'day', 'day', 'none', 'night', 'none', 'none']);
  });

  it('names what is no time of day', async () => {
    const bad = result("require 'stellwerk/daily'.pick(1, { { from = '25:00' } })");
    await expect(bad).rejects.toThrow("'25:00' is no time of day");
  });
});

describe('health', () => {
  it('knows bad, good and unknown', async () => {
    const cases = [
      { wanted: 10, running: 5, errors: 77 },
      { wanted: 10, running: 5, errors: 76 },
      { wanted: 10, running: 10, errors: 100 },
      { wanted: 10, errors: 100 },
      { wanted: 10, running: 0 },
    ];
    const body = "case.threshold = 77 return tostring(require 'stellwerk/health'.verdict(case))";
    expect(await forEachCase(body, cases)).toEqual(['true', 'false', 'false', 'nil', 'nil']);
  });

  it('never leaves out more than a third, nor the last node, whatever the verdicts', async () => {
    const histories = samples(
      fc.record({
        count: fc.integer({ min: 1, max: 9 }),
        rounds: fc.array(fc.array(fc.constantFrom(true, true, false, 'unknown'), { minLength: 9, maxLength: 9 }), {
          minLength: 10,
          maxLength: 40,
        }),
      }),
      30,
    );
    const body = `local health, state, most = require 'stellwerk/health', nil, 0
      local nodes = {}
      for i = 1, case.count do nodes[i] = 'n' .. i end
      for round, verdicts in ipairs(case.rounds) do
        local by_host = {}
        for i, host in ipairs(nodes) do
          local verdict = verdicts[i]
          if verdict ~= 'unknown' then by_host[host] = verdict end
        end
        local limits
        state, limits = health.step { nodes = nodes, verdicts = by_host, state = state, now = round * 30000 }
        local out = 0
        for _ in pairs(limits) do out = out + 1 end
        most = math.max(most, out)
      end
      return most`;
    const most = await forEachCase<number>(body, histories);
    for (const [index, out] of most.entries())
      expect(out).toBeLessThanOrEqual(Math.floor((histories[index]?.count ?? 0) / 3));
    expect(Math.max(...most)).toBeGreaterThan(0);
  });

  it('doubles the pause up to two hours', async () => {
    const { pauses } = await result<{ pauses: number[] }>(
      `local health, state, pauses, now = require 'stellwerk/health', nil, {}, 0
       local nodes = { 'a', 'b', 'c' }
       for _ = 1, 2000 do
         now = now + 20000
         local before = state and state.a and state.a['until']
         state = health.step { nodes = nodes, verdicts = { a = true, b = false, c = false }, state = state, now = now }
         local after = state.a and state.a['until']
         if after and after ~= before then pauses[#pauses + 1] = (after - now) // 60000 end
       end
       return { schedule = { pauses = pauses } }`,
    );
    expect(pauses.slice(0, 6)).toEqual([10, 20, 40, 80, 120, 120]);
  });
});

describe('rollout', () => {
  it('splits so that nothing is lost, and never goes below what was reached while it goes forward', async () => {
    const pipelines = samples(
      fc.record({
        total: fc.nat(20),
        percents: fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 }),
        substeps: fc.integer({ min: 1, max: 4 }),
      }),
      40,
    );
    const body = `local rollout = require 'stellwerk/rollout'
      table.sort(case.percents)
      local pipeline = {}
      for i, percent in ipairs(case.percents) do
        pipeline[i] = { name = 's' .. i, forward_mode = i % 2 == 0 and 'smooth' or 'time', forward_time = 4, substeps = case.substeps, percent = percent }
      end
      local state, shares = nil, {}
      for now = 0, 60000, 1000 do
        state = rollout.step { state = state, version = 'a', target = 'b', auto = true, pipeline = pipeline, now = now, verdict = true }
        local split = rollout.split(state, case.total)
        assert((split.a or 0) + (split.b or 0) == case.total)
        shares[#shares + 1] = split.b or 0
      end
      return { shares = shares, version = state.version }`;
    const runs = await forEachCase<{ shares: number[]; version: string }>(body, pipelines);
    for (const [index, { shares, version }] of runs.entries()) {
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
      expect(version).toBe('b');
      expect(shares.at(-1)).toBe(pipelines[index]?.total);
    }
  });

  it('goes on at an ack of its own step only, and back at a program’s error when told to', async () => {
    const { log } = await result<{ log: unknown[] }>(
      `local rollout, state, log = require 'stellwerk/rollout', nil, {}
       local pipeline = { { name = 'migrate', forward_mode = 'ack', count = 0 }, { name = 'all', forward_mode = 'time', forward_time = 9, percent = 100 } }
       local function round(now, button)
         local _, answers
         state, _, answers = rollout.step { state = state, version = 'a', target = 'b', auto = true, pipeline = pipeline, now = now, verdict = true, actions = button and { { id = 1, button = button } } }
         log[#log + 1] = { state.update and state.update.step or state.version, state.update and state.update.direction or '-', answers[1] or '-' }
       end
       round(0)
       round(1000, { update_action = 'proceed' })
       round(2000, { update_action = 'ack', step = 'all' })
       round(3000, { update_action = 'ack', step = 'migrate' })
       round(4000, { update_action = 'error', error_message = 'disk full' })
       round(5000, { update_action = 'revert' })
       round(6000)
       round(7000)
       round(8000)
       return { schedule = { log = log } }`,
    );
    expect(log).toEqual([
      ['migrate', 'forward', '-'],
      ['migrate', 'forward', { error: 'step migrate waits for ack, not for proceed' }],
      ['migrate', 'forward', { error: 'the update is at step migrate, not all' }],
      ['all', 'forward', { step: 'all' }],
      ['all', 'error', { step: 'all' }],
      ['migrate', 'backward', { step: 'all' }],
      ['a', '-', '-'],
      ['a', '-', '-'],
      ['a', '-', '-'],
    ]);
  });

  it('says what is wrong with a pipeline', async () => {
    const check = (pipeline: string) => result(`require 'stellwerk/rollout'.check(${pipeline})`);
    await expect(check('{}')).rejects.toThrow('a pipeline is a list of steps');
    await expect(check("{ { name = 'done' } }")).rejects.toThrow('missing or reserved: done');
    await expect(check("{ { name = 'a', forward_mode = 'x' } }")).rejects.toThrow('time, smooth, manual or ack, not x');
    await expect(check("{ { name = 'a', forward_mode = 'manual' } }")).rejects.toThrow('either count or percent');
  });
});

describe('metrics', () => {
  const float = (values: readonly (number | null)[]) => ['Float', values];
  it('reads series and tips by labels, and takes nothing for zero', async () => {
    const multi = [
      [{ node: 'a' }, float([null, 4, 2]), []],
      [{ node: 'b' }, float([10]), []],
    ];
    const cases = [
      ['MultiSeries', multi],
      ['SingleSeries', {}, float([7, 1]), []],
      ['SingleTip', {}, ['Integer', 3], []],
      ['Empty'],
      ['Incompatible', 'CantDerive'],
      ['SingleSeries', {}, float([null]), []],
      ['SingleTip', {}, ['Integer', 0], []],
      5,
    ];
    const body = `local metrics = require 'stellwerk/metrics'
      local function shown(value) return value == nil and 'nil' or value end
      return { shown(metrics.newest(case)), shown(metrics.average(case)), shown(metrics.newest(case, { node = 'a' })), shown(metrics.count(case)) }`;
    expect(await forEachCase(body, cases)).toEqual([
      [14, 13, 4, 2],
      [7, 4, 'nil', 1],
      [3, 3, 'nil', 1],
      ['nil', 'nil', 'nil', 0],
      ['nil', 'nil', 'nil', 'nil'],
      ['nil', 'nil', 'nil', 0],
      [0, 0, 'nil', 0],
      ['nil', 'nil', 'nil', 'nil'],
    ]);
  });
});

describe('toolbox', () => {
  it('takes of each role the state that was changed last, and a person’s choice before a default', async () => {
    const parents = [
      { state: { a: { changed: 5, is: 'newer' }, b: { changed: 0, is: 'default' } } },
      { state: { a: { changed: 4, is: 'older' }, b: { changed: 1, is: 'chosen' }, c: { is: 'only' } } },
    ];
    const states = await result<Record<string, { is: string }>>(
      "return { schedule = require 'stellwerk/toolbox'.states(input.parents) }",
      { parents },
    );
    expect(Object.values(states).map(({ is }) => is)).toEqual(['newer', 'chosen', 'only']);
  });

  it('gives each role its buttons in order, and the rest apart', async () => {
    const actions = {
      '12': { button: { role: 'a', n: 2 } },
      '3': { button: { role: 'a', n: 1 } },
      '20': 'odd',
      '21': { button: 5 },
    };
    const split = await result<{ by: { a: { id: number }[] }; others: { id: number }[] }>(
      "local by, others = require 'stellwerk/toolbox'.split_actions(input.actions) return { schedule = { by = by, others = others } }",
      { actions },
    );
    expect(split.by.a.map(({ id }) => id)).toEqual([3, 12]);
    expect(split.others.map(({ id }) => id)).toEqual([20, 21]);
  });

  it('merges the outputs of several roles', async () => {
    expect(
      await result(
        `return require 'stellwerk/toolbox'.merge {
          { schedule = { changes = { 'a' }, nodes = { n = { roles = { a = { x = 1 } } } } } },
          { schedule = { changes = { 'b' }, nodes = { n = { roles = { b = { x = 2 } } } } } },
        }`,
      ),
    ).toEqual({ changes: ['a', 'b'], nodes: { n: { roles: { a: { x: 1 }, b: { x: 2 } } } } });
  });
});
