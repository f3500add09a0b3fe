import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runScheduler, type SchedulerLimits } from '../../src/verwalter/scheduler/engine.ts';
import { type SchedulerRunner, startRunner } from '../../src/verwalter/scheduler/runner.ts';
import { bundleWorker } from './worker-bundle.ts';

const lua = (body: string, more: Record<string, string> = {}) => ({
  'main.lua': `return { scheduler = function(input)\n${body}\nend }`,
  ...more,
});
const run = (sources: Record<string, string>, input: unknown = {}, limits?: SchedulerLimits) =>
  runScheduler({ sources, input, seed: 7 }, limits);
const textOf = async (body: string, input: unknown = {}, more: Record<string, string> = {}) => {
  const result = await run(lua(body, more), input);
  if (!result.ok) throw new Error(result.message);
  return JSON.parse(result.text ?? '') as Record<string, unknown>;
};
const short: SchedulerLimits = { timeLimitMs: 200, memoryLimitBytes: 64 * 1024 * 1024 };

describe('a round of Lua', () => {
  it('takes a JSON text and a log text', async () => {
    const result = await run(lua('return "{}", "thought about it"'));
    expect(result).toMatchObject({ ok: true, text: '{}', log: 'thought about it' });
  });

  it('takes one table with schedule, log and answers to actions', async () => {
    const result = await run(
      lua('print("a", 1) return { schedule = { x = { 1, 2 } }, log = "b", actions = { [5] = "done" } }'),
      {
        actions: { '5': {} },
      },
    );
    expect(result).toMatchObject({ ok: true, text: '{"x":[1,2]}', log: 'a\t1\nb', answers: { '5': 'done' } });
  });

  it('has neither files nor processes, neither bytecode nor addresses', async () => {
    const names = [
      'io',
      'os',
      'dofile',
      'loadfile',
      'package.loadlib',
      'package.cpath',
      'debug.getinfo',
      'string.dump',
    ];
    const body = `local function gone(path)
        local value = _G
        for part in path:gmatch('%w+') do value = value and value[part] end
        return value == nil
      end
      local out = {}
      for _, name in ipairs(input.names) do out[name] = gone(name) end
      out.bytecode = load('\\27Lua') == nil
      out.address = tostring({}) .. tostring(print) .. string.format('%s', {})
      out.collect = pcall(collectgarbage, 'collect')
      out.pointer = pcall(string.format, '%p', {})
      return { schedule = out }`;
    expect(await textOf(body, { names })).toEqual({
      ...Object.fromEntries(names.map((name) => [name, true])),
      bytecode: true,
      address: 'tablefunctiontable',
      collect: false,
      pointer: false,
    });
  });

  it('goes through a table in a defined order', async () => {
    const body = `local t = {}
      for i = 1, 300 do t['k' .. (i * 7919 % 1000)] = i end
      t[3], t[1], t[2.5], t[true], t[false] = 1, 1, 1, 1, 1
      local seen = {}
      for key in pairs(t) do seen[#seen + 1] = tostring(key) end
      local key, by_next = next(t), {}
      while key ~= nil do by_next[#by_next + 1] = tostring(key) key = next(t, key) end
      return { schedule = { seen = seen, by_next = by_next } }`;
    const { seen, by_next } = (await textOf(body)) as { seen: string[]; by_next: string[] };
    const strings = seen.slice(2, -3);
    expect(seen.slice(0, 2)).toEqual(['1', '3']);
    expect(strings).toEqual([...strings].sort());
    expect(seen.slice(-3)).toEqual(['2.5', 'false', 'true']);
    expect(by_next).toEqual(seen);
  });

  it('lets a table be emptied while it is gone through', async () => {
    expect(
      await textOf(
        'local t = {a=1,b=2,c=3} for k in pairs(t) do t[k] = nil end return { schedule = { n = next(t) == nil } }',
      ),
    ).toEqual({ n: true });
  });

  it('draws the same numbers from the same seed, and wants a seed for others', async () => {
    const body = 'return { schedule = { math.random(1000000), pcall(math.randomseed) } }';
    expect(await textOf(body)).toEqual(await textOf(body));
  });

  it('forgets its globals', async () => {
    const body = 'count = (count or 0) + 1 return { schedule = { count = count } }';
    expect([await textOf(body), await textOf(body)]).toEqual([{ count: 1 }, { count: 1 }]);
  });

  it('finds modules by slash and by dot, and nothing outside', async () => {
    const more = { 'a/b.lua': 'return { name = "a/b" }' };
    expect(await textOf('return { schedule = { require("a/b").name, require("a.b").name } }', {}, more)).toEqual([
      'a/b',
      'a/b',
    ]);
    for (const name of ['../x', '/etc/passwd', 'a..b', 'nothing', '']) {
      expect(await run(lua(`require '${name}'`))).toMatchObject({
        ok: false,
        kind: 'run',
        message: expect.stringContaining('require'),
      });
    }
  });

  it('compares versions by their numbers and folds lists', async () => {
    const body = `local version, func = require 'version', require 'func'
      assert(require 'version.compare' == version.compare)
      return { schedule = { version.compare('v1.10', '1.9'), version.compare('1.2', '1.2.0'), version.compare('v1.2rc10', '1.2rc9'), version.compare('1.02', 'v1.2'), func.fold({1,2,3}, 0, function(a, b) return a + b end) } }`;
    expect(await textOf(body)).toEqual([1, -1, 1, 0, 6]);
  });

  it('reads and writes JSON with holes, marks and every kind of string', async () => {
    const input = {
      list: [1, null, 'é"\\\u0001\u{1f600}'],
      empty: [],
      big: 2 ** 53,
      half: 0.1,
      whole: 1e3,
      gone: null,
    };
    const body = `local json = require 'json'
      assert(input.list[2] == json.null and input.gone == nil and math.type(input.whole) == 'integer')
      return { schedule = { list = input.list, empty = input.empty, big = input.big, half = input.half, a = json.array(), o = json.object(), again = json.decode(json.encode(input)).list[3] } }`;
    expect(await textOf(body, input)).toEqual({
      list: input.list,
      empty: [],
      big: 2 ** 53,
      half: 0.1,
      a: [],
      o: {},
      again: input.list[2],
    });
  });

  it('has ids of actions as whole numbers, in order, and whole numbers as integers', async () => {
    const input = { now: 1.8e12, half: 0.5, big: 2 ** 60, actions: { '20': 'b', '3': 'a', odd: 'c', '100': null } };
    const body = `local ids = {}
      for id in pairs(input.actions) do ids[#ids + 1] = math.type(id) and id or 'text ' .. id end
      return { schedule = { ids = ids, types = { math.type(input.now), math.type(input.half), math.type(input.big) } } }`;
    expect(await textOf(body, input)).toEqual({ ids: [3, 20, 'text odd'], types: ['integer', 'float', 'float'] });
  });

  it('writes null for a number that is not finite, and warns of its place', async () => {
    const result = await run(lua('return { schedule = { a = { b = 0/0, c = { 1, 1/0 } } } }'));
    expect(result).toMatchObject({
      ok: true,
      text: '{"a":{"b":null,"c":[1,null]}}',
      warnings: [
        'a.b: number is not finite; null is written instead',
        'a.c[2]: number is not finite; null is written instead',
      ],
    });
    expect(await run(lua("return require('json').encode({ a = 0/0 })"))).toMatchObject({
      ok: false,
      message: expect.stringContaining('value.a: number is not finite'),
    });
  });

  it('writes keys in the order of RFC 8785, whatever they are', async () => {
    const body =
      "return { schedule = { b = 1, [10] = 1, [9] = 1, ['é'] = 1, ['😀'] = 1, ['\u{e000}'] = 1, A = 1, [''] = 1 } }";
    const result = await run(lua(body));
    expect(result).toMatchObject({
      text: '{"":1,"10":1,"9":1,"A":1,"b":1,"é":1,"😀":1,"\ue000":1}',
    });
  });

  it('keeps what is a list a list when it becomes empty, and lets a scheduler give it a metatable', async () => {
    const body = `local json = require 'json'
      table.remove(input.one) table.remove(input.other)
      local plain = getmetatable(input.one) == nil and getmetatable(json.array {}) == nil
      setmetatable(input.other, { __index = { x = 5 } })
      return { schedule = { one = input.one, x = input.other.x, plain = plain, marked = json.array(input.object), object = json.object { 'a' } } }`;
    expect(await textOf(body, { one: [1], other: [1], object: {} })).toEqual({
      one: [],
      x: 5,
      plain: true,
      marked: [],
      object: { '1': 'a' },
    });
  });

  it('keeps modules read-only, with all that is in them', async () => {
    const more = {
      'm.lua': 'local m = { list = { 1, 2 }, deep = { a = { b = 1 } } } function m.set() m.count = 1 end return m',
    };
    const body = `local m, json = require 'm', require 'json'
      local out = {}
      for i, write in ipairs {
        function() m.x = 1 end, function() m.deep.a.b = 2 end, function() m.set() end, function() table.insert(m.list, 3) end,
        function() rawset(m, 'x', 1) end, function() json.encode = nil end, function() string.format = nil end,
        function() json.null.x = 1 end, function() setmetatable(m, {}) end, function() getmetatable('').__index = nil end,
      } do
        local ok, message = pcall(write)
        out[i] = ok and 'written' or message:gsub('^.-:%d+: ', ''):gsub(';.*', '')
      end
      local seen = {}
      for key, value in pairs(m.deep) do seen[key] = value end
      return { schedule = { out = out, list = m.list, seen = seen, count = #m.list, next = next(m.deep), raw = rawget(m.deep.a, 'b'), sum = select('#', table.unpack(m.list)) } }`;
    const { out, ...rest } = await textOf(body, {}, more);
    expect(rest).toEqual({
      list: [1, 2],
      seen: { a: { b: 1 } },
      count: 2,
      next: 'a',
      raw: 1,
      sum: 2,
    });
    expect(out).toEqual([
      "module 'm' is read-only: x cannot be set",
      "module 'm'.deep.a is read-only: b cannot be set",
      "module 'm' is read-only: count cannot be set",
      "module 'm'.list is read-only: 3 cannot be set",
      'rawset: the table is read-only',
      "module 'json' is read-only: encode cannot be set",
      'string is read-only: format cannot be set',
      'json.null cannot be changed',
      'cannot change a protected metatable',
      expect.stringContaining('index'),
    ]);
  });

  it('refuses writes to globals where it is strict, by request or by main.lua', async () => {
    const body = 'count = 1 return { schedule = {} }';
    const refused = {
      ok: false,
      message: expect.stringMatching(/^scheduler\/v1\/main.lua:\d: strict: .*count cannot be set; write 'local'/),
    };
    expect(await run(lua(body))).toMatchObject({ ok: true });
    expect(await runScheduler({ sources: lua(body), input: {}, seed: 1, strict: true })).toMatchObject(refused);
    const asked = `return { strict = true, scheduler = function(input)\n${body}\nend }`;
    expect(await run({ 'main.lua': asked })).toMatchObject(refused);
    const overwrites = { 'main.lua': 'return { strict = true, scheduler = function() print = nil end }' };
    expect(await run(overwrites)).toMatchObject({ ok: false, message: expect.stringContaining('print cannot be set') });
    expect(await runScheduler({ sources: { 'main.lua': 'x = 1 return {}' }, seed: 1, strict: true })).toMatchObject({
      ok: false,
      kind: 'load',
    });
  });

  it('tells in the log of a module that did not load, and fails the same way again', async () => {
    const main = `local errors
      pcall(require, 'bad')
      errors = #_VERWALTER_ERRORS
      local _, second = pcall(require, 'bad')
      return { scheduler = function() return { schedule = { errors = errors, second = second, after = _VERWALTER_ERRORS == nil, main = _VERWALTER_MAIN ~= nil } } end }`;
    const result = await run({ 'main.lua': main, 'bad.lua': '\n\nerror("broken")' });
    expect(result).toMatchObject({ ok: true, log: 'warning: a module did not load: scheduler/v1/bad.lua:3: broken' });
    expect(JSON.parse((result.ok && result.text) || '')).toEqual({
      errors: 1,
      second: 'scheduler/v1/bad.lua:3: broken',
      after: true,
      main: true,
    });
  });

  it('takes a module of its own before the one that comes with Stellwerk', async () => {
    const body = "return { schedule = { require('stellwerk/spread').mine or 'theirs' } }";
    expect(await textOf(body)).toEqual(['theirs']);
    expect(await textOf(body, {}, { 'stellwerk/spread.lua': "return { mine = 'mine' }" })).toEqual(['mine']);
  });

  it('prints values for people: on many lines, on one, without addresses', async () => {
    const body = `local repr, inspect = require 'repr', require 'inspect'
      local t = { 1, 'two', { a = true }, ['a-b'] = print, n = require('json').null }
      t.self = t
      return { schedule = { repr(t), inspect { { } }, repr { [2] = 1, [2.5] = {} } } }`;
    expect(await textOf(body)).toEqual([
      '{1, "two", {a = true}, ["a-b"] = function, n = null, self = (cycle)}',
      '{\n  [1] = {}\n}',
      '{[2] = 1, [2.5] = {}}',
    ]);
  });

  it('keeps the log of a round that was ended', async () => {
    const result = await run(lua('print("so far") while true do end'), {}, short);
    expect(result).toMatchObject({ kind: 'time', log: 'so far' });
  });

  it('lets coroutines yield within', async () => {
    const body =
      'local out = {} for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do out[i] = i end return { schedule = out }';
    expect(await textOf(body)).toEqual([1, 2, 3]);
  });

  it.each([
    ['an error', 'error("boom")', 'run', 'scheduler/v1/main.lua:2: boom'],
    ['a yield', 'coroutine.yield()', 'run', 'yielded'],
    ['nothing', 'return nil', 'output', 'scheduler returned nil'],
    ['a number', 'return 5', 'output', 'scheduler returned number'],
    [
      'nothing, for it calls itself in C',
      'local function f() return ("x"):gsub("x", f) end return f()',
      'run',
      'C stack overflow',
    ],
    [
      'nothing, for its coroutines nest',
      'local f f = function() return coroutine.wrap(f)() end f()',
      'run',
      'C stack overflow',
    ],
    [
      'nothing, for it sorts by no order',
      'table.sort({ 3, 1, 2, 5, 4 }, function() return true end)',
      'run',
      'invalid order',
    ],
    ['an error that is a table', 'error({ code = 5 })', 'run', 'error object: {'],
    ['a list', 'return { 1, 2 }', 'output', 'field schedule is a nil'],
    ['answers that are no table', 'return { schedule = {}, actions = 5 }', 'output', 'actions is a number'],
    ['a log that is no text', 'return "{}", 5', 'output', 'must be the log text'],
    ['a table without schedule', 'return {}', 'output', 'field schedule'],
    ['a function', 'return { schedule = { f = print } }', 'output', 'schedule.f: a function'],
    ['a cycle', 'local t = {} t.t = t return { schedule = t }', 'output', 'contains itself'],
    [
      'bytes that are no text',
      'return { schedule = { s = "\\xff" } }',
      'output',
      'schedule.s: the string is not UTF-8',
    ],
  ])('names the fault of a scheduler that returns %s', async (_what, body, kind, message) => {
    expect(await run(lua(body))).toMatchObject({ ok: false, kind, message: expect.stringContaining(message) });
  });

  it.each([
    ['a syntax error', 'x x', 'scheduler/v1/main.lua:1: syntax error'],
    ['no table', 'return 1', 'must return a table'],
    ['the wrong name', 'return { schedule = print }', "must be named 'scheduler'"],
  ])('names the fault of a main.lua with %s', async (_what, source, message) => {
    expect(await run({ 'main.lua': source })).toMatchObject({
      ok: false,
      kind: 'load',
      message: expect.stringContaining(message),
    });
  });

  it('is ended by the time limit, even where it catches errors', async () => {
    for (const body of [
      'while true do end',
      'while true do pcall(function() while true do end end) end',
      'coroutine.wrap(function() while true do end end)()',
    ]) {
      const result = await run(lua(body), {}, short);
      expect(result).toMatchObject({
        ok: false,
        kind: 'time',
        message: expect.stringMatching(/^scheduler\/v1\/main.lua:2: time limit/),
      });
    }
  });

  it('is ended by the memory limit, and the next round is well', async () => {
    const result = await run(
      lua('local t = {}\nwhile true do t[#t + 1] = { #t } end'),
      {},
      { ...short, timeLimitMs: 20_000 },
    );
    expect(result).toMatchObject({
      ok: false,
      kind: 'memory',
      message: expect.stringMatching(/^scheduler\/v1\/main.lua:\d: memory limit of 64 MiB/),
    });
    expect(await run(lua('local s = "x" while true do s = s .. s end'), {}, short)).toMatchObject({
      ok: false,
      kind: 'memory',
    });
    expect(await run(lua('return ("x"):rep(2^40)'), {}, short)).toMatchObject({
      ok: false,
      kind: 'run',
      message: expect.stringContaining('64 MiB'),
    });
    expect(await run(lua('return "{}"'))).toMatchObject({ ok: true });
  });

  it('keeps the last MiB of its log', async () => {
    const result = await run(lua('for i = 1, 30000 do print(i, ("x"):rep(100)) end return "{}"'));
    expect(result.log.length).toBeLessThanOrEqual(1024 * 1024);
    expect(result.log).toMatch(/30000\tx+$/);
  });
});

describe('the scheduler’s thread', () => {
  let worker: Awaited<ReturnType<typeof bundleWorker>>;
  let runner: SchedulerRunner;
  beforeAll(async () => {
    worker = await bundleWorker();
    runner = startRunner({ workerUrl: worker.url, limits: short });
  });
  afterAll(async () => {
    await runner.stop();
    worker.remove();
  });

  it('leaves the event loop alone while Lua loops, and serves the next round', async () => {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const looping = await runner.run({ sources: lua('while true do end'), input: {}, seed: 1 });
    clearInterval(timer);
    expect(looping).toMatchObject({ ok: false, kind: 'time' });
    expect(longest).toBeLessThan(100);
    expect(await runner.run({ sources: lua('return "{}"'), input: {}, seed: 1 })).toMatchObject({ ok: true });
  });

  it('ends a pattern match that no hook can interrupt', async () => {
    const body = 'return ("a"):rep(40):find(("a-"):rep(40) .. "b")';
    const result = await runner.run({ sources: lua(body), input: {}, seed: 1 });
    expect(result).toMatchObject({ ok: false, kind: 'time', message: expect.stringContaining('library call') });
    expect(await runner.run({ sources: lua('return "{}"'), input: {}, seed: 1 })).toMatchObject({ ok: true });
  });

  it('is ended when there is nothing to run for a while, and begun again for the next round', async () => {
    const seldom = startRunner({ workerUrl: worker.url, limits: short, idleMs: 20 });
    const begun: Worker[] = [];
    const note = (thread: Worker) => begun.push(thread);
    process.on('worker', note);
    try {
      for (let round = 1; round <= 2; round++) {
        expect(await seldom.run({ sources: lua('return "{}"'), input: {}, seed: 1 })).toMatchObject({ ok: true });
        expect(begun.length).toBe(round);
        // Of a thread that has ended there is no id.
        await expect.poll(() => begun.at(-1)?.threadId, { timeout: 10_000 }).toBe(-1);
      }
    } finally {
      process.off('worker', note);
      await seldom.stop();
    }
  });

  it('says what is wrong when its file is missing', async () => {
    const lost = startRunner({ workerUrl: pathToFileURL(join(tmpdir(), 'no-such-worker.js')), limits: short });
    expect(await lost.run({ sources: {}, seed: 1 })).toMatchObject({
      ok: false,
      message: expect.stringContaining('thread failed'),
    });
    await lost.stop();
  });
});
