import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forEachCase, result, samples, sum } from './in-sandbox.ts';

// Where instances go: the modules spread, pack and explain.

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
