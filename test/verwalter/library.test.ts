import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runScheduler } from '../../src/verwalter/scheduler/engine.ts';

// The modules of `require "stellwerk/…"`, each in the real sandbox: a body of Lua gets `input` and returns a table.

const result = async <T>(body: string, input: unknown = {}): Promise<T> => {
  const main = `return { strict = true, scheduler = function(input)\n${body}\nend }`;
  const run = await runScheduler({ sources: { 'main.lua': main }, input, seed: 1 });
  if (!run.ok) throw new Error(`${run.message}${run.traceback}`);
  return JSON.parse(run.text ?? '') as T;
};

/** Many cases cost one VM: the body is a function of one `case`. */
const forEachCase = <T>(body: string, cases: readonly unknown[]): Promise<readonly T[]> =>
  result(
    `local function one(case)\n${body}\nend
    local out = {}
    for i, case in ipairs(input.cases) do out[i] = one(case) end
    return { schedule = { out = require('json').array(out) } }`,
    { cases },
  ).then((value) => (value as { out: readonly T[] }).out);

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);
const samples = <T>(arbitrary: fc.Arbitrary<T>, count: number): readonly T[] => fc.sample(arbitrary, count);

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

describe('spread', () => {
  interface Plan {
    readonly total: number;
    readonly nodes: readonly string[];
    readonly previous: Readonly<Record<string, number>>;
    readonly max: Readonly<Record<string, number>>;
    readonly zone?: Readonly<Record<string, string>>;
  }
  interface Placed {
    readonly counts: Readonly<Record<string, number>>;
    readonly report: { readonly unplaced: number; readonly started: number; readonly stopped: number };
  }
  const place = (plans: readonly unknown[]): Promise<readonly Placed[]> =>
    forEachCase(
      "local counts, report = require 'stellwerk/spread'.place(case) return { counts = counts, report = report }",
      plans,
    );
  const names = ['a', 'b', 'c', 'd', 'e'];
  const plan = fc
    .record({
      total: fc.nat(14),
      nodes: fc.subarray(names, { minLength: 1 }),
      previous: fc.dictionary(fc.constantFrom(...names), fc.nat(6), { maxKeys: 5 }),
      max: fc.dictionary(fc.constantFrom(...names), fc.nat(5), { maxKeys: 2 }),
    })
    .map((value): Plan => JSON.parse(JSON.stringify(value)));

  /** All even placements: no node could give one to another without making it less even. */
  const best = ({ total, nodes, previous, max }: Plan): number => {
    const most = (node: string) => max[node] ?? Number.POSITIVE_INFINITY;
    let fewest = Number.POSITIVE_INFINITY;
    const walk = (at: number, left: number, counts: number[]): void => {
      if (at === nodes.length) {
        const even = nodes.every((_, i) =>
          nodes.every((other, j) => (counts[j] ?? 0) >= most(other) || (counts[i] ?? 0) - (counts[j] ?? 0) <= 1),
        );
        const room = nodes.every((node, i) => (counts[i] ?? 0) >= most(node));
        if (!even || (left > 0 && !room)) return;
        fewest = Math.min(
          fewest,
          sum(
            Object.fromEntries(nodes.map((node, i) => [node, Math.max(0, (counts[i] ?? 0) - (previous[node] ?? 0))])),
          ),
        );
        return;
      }
      for (let count = 0; count <= Math.min(left, most(nodes[at] ?? '')); count++)
        walk(at + 1, left - count, [...counts, count]);
    };
    walk(0, total, []);
    return fewest;
  };

  it('places all that fits, evenly, never above a limit, with as few moves as evenness allows', async () => {
    const plans = samples(plan, 150);
    for (const [index, { counts, report }] of (await place(plans)).entries()) {
      const given = plans[index] as Plan;
      expect(sum(counts) + report.unplaced).toBe(given.total);
      for (const [node, count] of Object.entries(counts)) expect(count).toBeLessThanOrEqual(given.max[node] ?? 99);
      expect(report.started, JSON.stringify([given, counts])).toBe(best(given));
    }
  });

  it('moves only what was on a node that left, and a node that comes takes no more than its share', async () => {
    const [left, back] = await place([
      { total: 9, nodes: ['a', 'c'], previous: { a: 3, b: 3, c: 3 } },
      { total: 9, nodes: ['a', 'b', 'c'], previous: { a: 5, c: 4 } },
    ]);
    expect(left).toMatchObject({ counts: { a: 5, c: 4 }, report: { started: 3, stopped: 0 } });
    expect(back).toMatchObject({ counts: { a: 3, b: 3, c: 3 }, report: { started: 3, stopped: 3 } });
  });

  it('spreads over zones before nodes, by weights, and to what is preferred among equals', async () => {
    const zone = { a: 'x', b: 'x', c: 'x', d: 'y' };
    const placed = await place([
      { total: 6, nodes: ['a', 'b', 'c', 'd'], zone },
      { total: 6, nodes: ['a', 'b'], weight: { a: 2 } },
      { total: 1, nodes: ['a', 'b', 'c'], affinity: { c: 1 } },
      { total: 4, nodes: ['a', 'd'], zone, max: { d: 1 } },
      { total: 0, nodes: [] },
      { total: 3, nodes: [] },
    ]);
    expect(placed.map(({ counts }) => counts)).toEqual([
      { a: 1, b: 1, c: 1, d: 3 },
      { a: 4, b: 2 },
      { a: 0, b: 0, c: 1 },
      { a: 3, d: 1 },
      {},
      {},
    ]);
    expect(placed[5]?.report.unplaced).toBe(3);
  });

  it('gives each node a reason', async () => {
    const { why } = await result<{ why: Record<string, Record<string, { placed: boolean; reasons: string[] }>> }>(
      `local explain, spread = require 'stellwerk/explain', require 'stellwerk/spread'
       local why = explain.new()
       spread.place { total = 5, nodes = { 'a', 'b', 'c', 'd' }, max = { a = 0, b = 1, c = 2, d = 1 }, role = 'r', explain = why }
       spread.place { total = 1, nodes = { 'a', 'b' }, role = 's', explain = why }
       return { schedule = { why = why:result() } }`,
    );
    expect(why.r?.a).toEqual({ placed: false, reasons: ['no room: at most 0 here'] });
    expect(why.r?.b?.reasons).toEqual(['1 of 5, spread over 4 nodes; not more than 1 here']);
    expect(why.r?.['*']?.reasons).toEqual(['1 of 5 have no place: every node is at its most']);
    expect(why.s?.b).toEqual({ placed: false, reasons: ['all 1 are on other nodes'] });
  });
});

describe('pack', () => {
  interface Task {
    readonly name: string;
    readonly count: number;
    readonly cpu: number;
    readonly memory: number;
    readonly ports: readonly number[];
    readonly image: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly max_per_node?: number;
  }
  interface Node {
    readonly name: string;
    readonly cpu: number;
    readonly memory: number;
    readonly taken_ports: readonly number[];
    readonly images: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
  }
  type Counts = Readonly<Record<string, Readonly<Record<string, number>>>>;
  interface Packed {
    readonly placed: Counts;
    readonly unplaced: Readonly<Record<string, number>>;
    readonly explain: Readonly<Record<string, Readonly<Record<string, { placed: boolean; reasons: string[] }>>>>;
  }
  const body = `local pack, explain = require 'stellwerk/pack', require 'stellwerk/explain'
    case.explain = explain.new()
    local placed, unplaced = pack.place(case)
    return { placed = placed, unplaced = unplaced, explain = case.explain:result() }`;
  const pack = (plans: readonly unknown[]): Promise<readonly Packed[]> => forEachCase(body, plans);

  const task = fc.record({
    count: fc.nat(6),
    cpu: fc.nat(50),
    memory: fc.nat(50),
    ports: fc.subarray([80, 443]),
    image: fc.constantFrom('i1', 'i2'),
    labels: fc.constantFrom<Record<string, string>>({}, { disk: 'ssd' }),
  });
  const node = fc.record({
    cpu: fc.integer({ min: 0, max: 200 }),
    memory: fc.integer({ min: 0, max: 200 }),
    taken_ports: fc.subarray([80]),
    images: fc.subarray(['i1', 'i2']),
    labels: fc.constantFrom<Record<string, string>>({}, { disk: 'ssd' }),
  });
  const numbered = <T>(prefix: string, items: readonly T[]): (T & { name: string })[] =>
    items.map((item, index) => ({ ...item, name: `${prefix}${index}` }));
  const plan = fc.record({
    tasks: fc.array(task, { minLength: 1, maxLength: 5 }).map((tasks): Task[] => numbered('t', tasks)),
    nodes: fc.array(node, { minLength: 1, maxLength: 5 }).map((nodes): Node[] => numbered('n', nodes)),
    strategy: fc.constantFrom('binpack', 'spread'),
  });

  /** Why the placement breaks a rule, or null. */
  const broken = (tasks: readonly Task[], nodes: readonly Node[], placed: Counts): string | null => {
    for (const room of nodes) {
      let { cpu, memory } = room;
      const ports = new Set(room.taken_ports);
      for (const each of tasks) {
        const count = placed[each.name]?.[room.name] ?? 0;
        if (count === 0) continue;
        cpu -= count * each.cpu;
        memory -= count * each.memory;
        if (!room.images.includes(each.image)) return `${each.name} on ${room.name}: image`;
        for (const [label, value] of Object.entries(each.labels)) if (room.labels[label] !== value) return 'label';
        for (const port of each.ports) {
          if (count > 1 || ports.has(port)) return `${each.name} on ${room.name}: port`;
          ports.add(port);
        }
      }
      if (cpu < 0 || memory < 0) return `${room.name} is over its capacity`;
    }
    return null;
  };

  it('is never more than a node has, leaves nothing out that has room, and tells why of every pair', async () => {
    const plans = samples(plan, 120);
    for (const [index, { placed, unplaced, explain }] of (await pack(plans)).entries()) {
      const { tasks, nodes } = plans[index] as { tasks: Task[]; nodes: Node[] };
      expect(broken(tasks, nodes, placed)).toBeNull();
      for (const each of tasks) {
        const counts = placed[each.name] ?? {};
        expect(sum(counts) + (unplaced[each.name] ?? 0)).toBe(each.count);
        if (unplaced[each.name] !== undefined) {
          for (const { name } of nodes) {
            const more = { ...placed, [each.name]: { ...counts, [name]: (counts[name] ?? 0) + 1 } };
            expect(broken(tasks, nodes, more)).not.toBeNull();
          }
        }
        for (const { name } of nodes) {
          const why = explain[each.name]?.[name];
          expect(why?.placed).toBe((counts[name] ?? 0) > 0);
          expect(why?.reasons.length).toBeGreaterThan(0);
        }
      }
    }
  });

  it('leaves everything where it is when nothing changes, and moves only what was on a node that is lost', async () => {
    const plans = samples(plan, 60);
    const first = await pack(plans);
    const again = await pack(plans.map((each, index) => ({ ...each, previous: first[index]?.placed })));
    expect(again.map(({ placed }) => placed)).toEqual(first.map(({ placed }) => placed));
    const without = plans.map((each, index) => ({
      ...each,
      nodes: each.nodes.slice(1),
      previous: first[index]?.placed,
    }));
    for (const [index, { placed }] of (await pack(without)).entries()) {
      for (const { name: taskName } of plans[index]?.tasks ?? []) {
        for (const { name } of without[index]?.nodes ?? []) {
          const before = first[index]?.placed[taskName]?.[name] ?? 0;
          expect(placed[taskName]?.[name] ?? 0).toBeGreaterThanOrEqual(before);
        }
      }
    }
  });

  it('fills one node before the next, or spreads, as it is told', async () => {
    const nodes = [
      { name: 'a', cpu: 100 },
      { name: 'b', cpu: 100 },
    ];
    const tasks = [{ name: 't', count: 4, cpu: 20 }];
    const packed = await pack([
      { tasks, nodes },
      { tasks, nodes, strategy: 'spread' },
    ]);
    expect(packed.map(({ placed }) => placed.t)).toEqual([{ a: 4 }, { a: 2, b: 2 }]);
  });

  it('says with numbers why something has no place', async () => {
    const nodes = [
      { name: 'small', cpu: 100, memory: 10, labels: { disk: 'ssd' } },
      { name: 'wrong', cpu: 900, memory: 900, labels: { disk: 'hdd' } },
      { name: 'old', cpu: 900, memory: 900, labels: { disk: 'ssd' }, images: ['v1'] },
      { name: 'busy', cpu: 900, memory: 900, labels: { disk: 'ssd' }, taken_ports: [80] },
      { name: 'good', cpu: 900, memory: 900, labels: { disk: 'ssd' }, images: ['v2'] },
    ];
    const tasks = [
      { name: 'web', count: 3, cpu: 50, memory: 64, image: 'v2', labels: { disk: 'ssd' }, ports: [80] },
      { name: 'other', count: 1, cpu: 1, memory: 1, apart: ['web'], affinity: { good: 5 }, priority: -1 },
    ];
    const [packed] = await pack([{ tasks, nodes }]);
    const reasons = (of: string) =>
      Object.fromEntries(Object.entries(packed?.explain[of] ?? {}).map(([name, why]) => [name, why.reasons.join()]));
    expect(reasons('web')).toEqual({
      small: 'memory: needs 64, 10 of 10 free',
      wrong: 'label disk is hdd, not ssd',
      old: 'image v2 is not there',
      busy: 'port 80 is taken by something else',
      good: '1 of 3, binpack; no more: port 80 is taken by web',
      '*': '2 of 3 have no place',
    });
    expect(reasons('other').good).toBe('apart from web, which is there');
    expect(packed?.unplaced).toEqual({ web: 2 });
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

describe('explain', () => {
  it('joins nodes that were refused for one reason, where they are many', async () => {
    const { why } = await result<{ why: { r: Record<string, unknown> } }>(
      `local why = require 'stellwerk/explain'.new()
       why:placed('r', 'n000', 'here', { free = 5 })
       for i = 1, 500 do why:refused('r', string.format('n%03d', i), i % 2 == 0 and 'even' or 'odd') end
       return { schedule = { why = why:result() } }`,
    );
    expect(why.r).toEqual({
      n000: { placed: true, reasons: ['here'], scores: { free: 5 } },
      'n001 and 249 more': { placed: false, reasons: ['odd'] },
      'n002 and 249 more': { placed: false, reasons: ['even'] },
    });
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
      ['nil', 'nil', 'nil', 1],
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
