import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkRules } from '../../src/cantal/query/rule.ts';
import { exploreHref, scoreWords } from '../../web/src/cantal/anomaly.ts';
import {
  append,
  type Line,
  lineId,
  readDataset,
  type StreamMessage,
  sumOf,
  type Table,
  take,
} from '../../web/src/cantal/answer.ts';
import { bandOf, columnsOf, indexAt } from '../../web/src/cantal/bands.ts';
import { decodeUnit, shownName } from '../../web/src/cantal/cgroup-name.ts';
import { totalOf } from '../../web/src/cantal/cluster-sum.ts';
import { connectionsOf } from '../../web/src/cantal/connections.ts';
import { sortByDomain } from '../../web/src/cantal/domain.ts';
import { exactly, labelsByName, type Metric, tipRules } from '../../web/src/cantal/metric-rules.ts';
import { notReadWords } from '../../web/src/cantal/not-read.ts';
import { openOf } from '../../web/src/cantal/open-groups.ts';
import { peerFacts } from '../../web/src/cantal/peer-facts.ts';
import { cpuBetween, type Process, processRows, rootsOf } from '../../web/src/cantal/process-tree.ts';
import { provenanceOf, provenanceWords, toneOf } from '../../web/src/cantal/provenance.ts';
import { rangeOf } from '../../web/src/cantal/range.ts';
import { hourOf, memoryUse, wholeDisk } from '../../web/src/cantal/rules.ts';
import { conditionOf, parseSearch, passes } from '../../web/src/cantal/search.ts';
import { busiest, placesOf, portRows, runsOf } from '../../web/src/cantal/sockets.ts';
import { stateGroups } from '../../web/src/cantal/state-groups.ts';
import { formatPercent, unitOf } from '../../web/src/cantal/units.ts';

const line = (name: string, values: (number | null)[]): Line => {
  const labels = { metric: name };
  return { id: lineId(labels), labels, values };
};
const message = (more: Partial<StreamMessage>): StreamMessage => ({
  ...{ timestamp: 10_000, after: null, appends: [], values: {} },
  ...more,
});
const series = (name: string, values: (number | null)[], times: number[]) =>
  ['SingleSeries', { metric: name }, ['Counter', values], times] as const;

describe('answers of the stream', () => {
  it('are kept oldest first, with nulls where a series of several has no sample', () => {
    const first = ['MultiSeries', [[{ metric: 'a' }, ['Integer', [2, 1]], [4000, 2000]]]] as const;
    expect(readDataset(first)).toEqual({ kind: 'table', table: { times: [2000, 4000], lines: [line('a', [1, 2])] } });
    const two = [
      'MultiSeries',
      [
        [{ metric: 'a' }, ['Integer', [2]], [4000]],
        [{ metric: 'b' }, ['Integer', ['18446744073709551615', 1]], [4000, 2000]],
      ],
    ] as const;
    expect(readDataset(two)).toEqual({
      kind: 'table',
      table: { times: [2000, 4000], lines: [line('a', [null, 2]), line('b', [1, 2 ** 64])] },
    });
  });

  it('grow by what is new, and are replaced where the rule does not append', () => {
    const held = take({}, message({ timestamp: 4000, values: { grows: series('a', [2, 1], [4000, 2000]) } }));
    const news = { grows: series('a', [3], [6000]), tip: ['SingleTip', { metric: 't' }, ['Float', 1.5], [6000, 6000]] };
    const grown = take(held, message({ timestamp: 6000, after: 4000, appends: ['grows'], values: news as never }));
    expect(grown.grows).toEqual({
      kind: 'table',
      table: { times: [2000, 4000, 6000], lines: [line('a', [1, 2, 3])] },
    });
    expect(grown.tip).toEqual({ kind: 'tips', tips: [{ labels: { metric: 't' }, value: 1.5, state: null }] });
    const replaced = take(grown, message({ timestamp: 8000, values: { grows: series('a', [9], [8000]) } }));
    expect(replaced.grows).toEqual({ kind: 'table', table: { times: [8000], lines: [line('a', [9])] } });
  });

  it('say why a rule has none, and what a state is', () => {
    expect(readDataset(['Incompatible', 'Dissimilar'])).toEqual({ kind: 'none', reason: 'Dissimilar' });
    expect(readDataset(['Empty'])).toEqual({ kind: 'none', reason: null });
    expect(readDataset(['SingleTip', { state: 's' }, ['State', [5000, 'busy']], [6000, 6000]])).toMatchObject({
      tips: [{ value: null, state: { sinceMs: 5000, text: 'busy' } }],
    });
  });

  it('keep one value for each moment in each line, whatever comes', () => {
    const column = (length: number) => fc.array(fc.option(fc.integer()), { minLength: length, maxLength: length });
    const part = fc.integer({ min: 0, max: 5 }).chain((length) =>
      fc.record({
        names: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }),
        columns: fc.tuple(column(length), column(length), column(length)),
        length: fc.constant(length),
      }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.integer({ min: 0, max: 40 }), (parts, since) => {
        let held: Table = { times: [], lines: [] };
        let now = 0;
        for (const { names, columns, length } of parts) {
          const times = Array.from({ length }, () => {
            now += 1;
            return now;
          });
          held = append(held, { times, lines: names.map((name, at) => line(name, columns[at] ?? [])) }, since);
          expect(held.lines.every(({ values }) => values.length === held.times.length)).toBe(true);
          expect(held.lines.every(({ values }) => values.some((value) => value !== null))).toBe(true);
          expect(new Set(held.lines.map(({ id }) => id)).size).toBe(held.lines.length);
        }
      }),
    );
  });

  it('sum what is there and stay null where nothing is', () => {
    const table = { times: [1, 2, 3], lines: [line('a', [1, null, null]), line('b', [2, 5, null])] };
    expect(sumOf(table, () => true)).toEqual([3, 5, null]);
    expect(sumOf(table, ({ metric }) => metric === 'a')).toEqual([1, null, null]);
  });
});

const word = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom('rss', 'cgroup=web', 'a!=b', 'x~^y', 'z=*', '-w', '('),
);

describe('the search', () => {
  const fits = (text: string, labels: Record<string, string>) => passes(parseSearch(text))(labels);

  it.each([
    ['rss', { metric: 'rss', pid: '1' }, true],
    ['rss', { metric: 'vsize' }, false],
    ['^mem free$', { metric: 'memory.free' }, true],
    ['cgroup=web', { metric: 'rss', cgroup: 'web' }, true],
    ['cgroup=web', { metric: 'rss', cgroup: 'web.1' }, false],
    ['cgroup!=web', { metric: 'rss', cgroup: 'db' }, true],
    ['cgroup!=web', { metric: 'rss' }, false],
    ['cgroup~^web', { metric: 'rss', cgroup: 'web.1' }, true],
    ['cgroup=*', { metric: 'rss' }, false],
    ['-cgroup=*', { metric: 'rss' }, true],
    ['worker', { state: 'worker' }, true],
    ['(', { metric: '(' }, false],
    ['', { metric: 'anything' }, true],
  ])('%s on %j: %s', (text, labels, expected) => expect(fits(text, labels as Record<string, string>)).toBe(expected));

  it('makes of any words a rule of the agent’s query language, or one whose regex alone is refused', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const condition = conditionOf(parseSearch(words.join(' ')));
        if (condition === null) return;
        const checked = checkRules({ plot: hourOf(condition) });
        if (checked.kind === 'bad') expect(checked.path).toMatch(/condition/);
        if (checked.kind === 'bad') expect(JSON.stringify(condition)).toContain('RegexLike');
      }),
    );
  });

  it('takes from all labels what no word refuses, and nothing throws', () => {
    const labels = fc.dictionary(fc.string({ maxLength: 6 }), fc.string({ maxLength: 6 }));
    fc.assert(fc.property(fc.array(word), labels, (words, own) => void fits(words.join(' '), own)));
  });
});

const metric = (labels: Record<string, string>, kind = 'Counter'): Metric => ({
  ...{ name: labels.metric ?? labels.state ?? '', labels, kind, value: 1, timestamp: 0 },
});

describe('rules for single metrics', () => {
  it('leave out what has the same labels and more', () => {
    const all = [metric({ metric: 'cpu.user' }), metric({ metric: 'cpu.user', cpu: '0' })];
    expect(exactly(all.slice(0, 1), labelsByName(all))).toEqual([
      'And',
      ['Eq', 'metric', 'cpu.user'],
      ['Not', ['Has', 'cpu']],
    ]);
  });

  it('are within the agent’s limits for as many rows as a screen can have', () => {
    const all = Array.from({ length: 120 }, (_, index) =>
      metric(
        { metric: 'x', pid: String(index), cgroup: 'c', group: 'g', ...(index % 3 ? { node: 'n' } : {}) },
        index % 7 ? 'Counter' : 'State',
      ),
    );
    const rules = tipRules(all, labelsByName(all));
    expect(checkRules(rules).kind).toBe('ok');
    expect(Object.keys(rules).length).toBeLessThan(20);
  });
});

const process = (pid: number, ppid: number, more: Partial<Process> = {}): Process => ({
  ...{ pid, ppid, uid: 0, gid: 0, name: `p${pid}`, state: 'S', rss: pid, num_threads: 1, start_time: pid },
  ...{ start_timestamp: 0, user_time: 0, system_time: 0, cmdline: 'x', read_bytes: null, write_bytes: null },
  ...{ cgroup: null, container: null, runtime: null, ...more },
});

describe('the tree of processes', () => {
  const all = [process(1, 0), process(2, 1), process(3, 2), process(4, 1)];
  const pids = (folded: number[], found: (each: Process) => boolean = () => true) =>
    processRows(all, 'tree', found, new Set(folded), () => null).map(({ process: { pid }, depth }) => [pid, depth]);

  it('has children below their parents', () => {
    expect(pids([])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
      [4, 1],
    ]);
  });

  it('leaves out what is folded', () => {
    expect(pids([2])).toEqual([
      [1, 0],
      [2, 1],
      [4, 1],
    ]);
    expect(rootsOf(all)).toEqual([1]);
    expect(pids(rootsOf(all))).toEqual([[1, 0]]);
  });

  it('keeps the ancestors of what was found', () => {
    expect(pids([], ({ pid }) => pid === 3)).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
  });

  it('has each process once, whoever claims to be whose parent, and rings do not hang it', () => {
    const tables = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })), {
      maxLength: 14,
    });
    fc.assert(
      fc.property(tables, (pairs) => {
        const table = [...new Map(pairs).entries()].map(([pid, ppid]) => process(pid, ppid));
        const rows = processRows(
          table,
          'tree',
          () => true,
          new Set(),
          () => null,
        );
        expect(new Set(rows.map((row) => row.process.pid)).size).toBe(rows.length);
        expect(rows.length).toBeLessThanOrEqual(table.length);
      }),
    );
  });

  it('measures CPU between two tables, and not over a reused pid', () => {
    const before = { boot_time: 0, all: [process(1, 0, { user_time: 100 }), process(2, 1, { user_time: 50 })] };
    const after = {
      boot_time: 0,
      all: [process(1, 0, { user_time: 150, system_time: 50 }), process(2, 1, { user_time: 60, start_time: 99 })],
    };
    expect([...cpuBetween(before, after, 2000)]).toEqual([[1, 50]]);
    expect([...cpuBetween(null, after, 2000)]).toEqual([]);
  });
});

describe('the bands of a strip', () => {
  const edges = [100, 200, 800];

  it('begin where the one below ends, and the last is always full', () => {
    expect([0, 50, 100, 150, 500, 9999].map((value) => bandOf(value, edges))).toEqual([
      { band: 0, share: 0 },
      { band: 0, share: 0.5 },
      { band: 0, share: 1 },
      { band: 1, share: 0.5 },
      { band: 2, share: 0.5 },
      { band: 3, share: 1 },
    ]);
  });

  it('show the highest value of a column', () => {
    expect(columnsOf([1, 2, 3, 4], [1, 9, 2, 3], { from: 0, to: 4 }, 2)).toEqual([1, 9]);
  });

  it('have holes where no sample was, and none between neighbours', () => {
    const times = [0, 10, 20, 30, 90, 100];
    const columns = columnsOf(times, [1, 1, 1, 1, 1, 1], { from: 0, to: 100 }, 100);
    expect(columns.slice(0, 30).every((value) => value === 1)).toBe(true);
    expect(columns.slice(32, 88).every((value) => value === null)).toBe(true);
    expect(columns.at(-1)).toBe(1);
  });

  it('have as many columns as asked and no value that no sample has', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: -50, max: 300 }), fc.option(fc.integer())), { maxLength: 60 });
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 90 }), fc.integer({ min: -20, max: 250 }), (pairs, count, to) => {
        const sorted = pairs.sort((a, b) => a[0] - b[0]);
        const values = sorted.map(([, value]) => value);
        const columns = columnsOf(
          sorted.map(([time]) => time),
          values,
          { from: 0, to },
          count,
        );
        expect(columns.length).toBe(count);
        expect(columns.every((value) => value === null || values.includes(value))).toBe(true);
      }),
    );
  });

  it('find the sample at a moment', () => {
    expect([0, 9, 10, 15, 99].map((time) => indexAt([10, 20, 30], time))).toEqual([-1, -1, 0, 0, 2]);
  });
});

describe('what is shown of the hour', () => {
  const range = (query: string) => rangeOf(new URLSearchParams(query), { oldest: 1, newest: 10_000_000 });

  it('is the hour, a window of it, or what was drawn over', () => {
    expect(range('')).toEqual({ from: 6_400_000, to: 10_000_000 });
    expect(range('window=5')).toEqual({ from: 9_700_000, to: 10_000_000 });
    expect(range('from=7000000&to=8000000')).toEqual({ from: 7_000_000, to: 8_000_000 });
  });

  it('is shorter where there is less', () => {
    const young = (ageMs: number) => rangeOf(new URLSearchParams(), { oldest: 10_000_000 - ageMs, newest: 10_000_000 });
    expect([1000, 299_000, 301_000, 901_000].map((age) => 10_000_000 - young(age).from)).toEqual([
      ...[300_000, 300_000, 900_000, 3_600_000],
    ]);
    expect(rangeOf(new URLSearchParams(), { oldest: 0, newest: 0 }).to).toBeGreaterThan(1e12);
  });

  it('is always a stretch that goes forward, whatever the URL says', () => {
    const text = fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('NaN', 'Infinity', '-1', '1e999'));
    fc.assert(
      fc.property(text, text, text, (from, to, window) => {
        const shown = rangeOf(new URLSearchParams({ from, to, window }), { oldest: 1, newest: 10_000_000 });
        expect(Number.isFinite(shown.from) && Number.isFinite(shown.to) && shown.to > shown.from).toBe(true);
      }),
    );
  });
});

describe('peers', () => {
  const id = 'a'.repeat(32);

  it('have what both lists say, tuples or records', () => {
    const all = {
      peers: [
        {
          ...{ id, hostname: 'b', name: 'B', primary_addr: '10.0.0.1:1', addresses: ['10.0.0.1:1', '10.1.0.1:1'] },
          ...{
            known_since: 1000,
            last_probe: [9000, '10.0.0.1:1'],
            probes_sent: 7,
            pings_received: 3,
            pongs_received: 6,
          },
          ...{ last_roundtrip: ['10.0.0.1:1', 9000, 1.5], random_peer_roundtrip: [8000, 2.5] },
          ...{ report: [9500, { peers: 4, has_remote: true }], last_report_direct: 9500 },
        },
      ],
    };
    const detailed = { peers: [{ id, liveness: 'suspect', suspectedBy: ['x', 'y'], silentMs: 400, skewMs: -3 }] };
    expect(peerFacts(all, detailed, 10_000)).toEqual([
      {
        ...{ id, hostname: 'b', name: 'B', addr: '10.0.0.1:1', addresses: ['10.0.0.1:1', '10.1.0.1:1'] },
        ...{ liveness: 'suspect', suspectedBy: 2, freshness: null, version: null, silentMs: 400 },
        ...{ lastProbeAgoMs: 1000, lastReportAgoMs: 500, knownForMs: 9000, probesSent: 7 },
        ...{
          pingsReceived: 3,
          pongsReceived: 6,
          roundtripMs: 1.5,
          hearsayMs: 2.5,
          skewMs: -3,
          peers: 4,
          hasRemote: true,
        },
      },
    ]);
  });

  it('are read from any JSON without throwing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (value, more, own) => {
        peerFacts(value, more, 0);
        peerFacts(
          { peers: [{ id: 'x', report: value, last_probe: more, last_roundtrip: own, addresses: own }] },
          null,
          0,
        );
        connectionsOf(value, []);
        connectionsOf({ peers: [{ id: 'x', last_attempt: value, last_beacon: more, addresses: own }] }, []);
      }),
    );
  });

  it('stand by their domain, the last part first', () => {
    const hosts = ['b.example.org', 'a.example.org', 'z.example.com', 'alone'].map((hostname) => ({ hostname }));
    expect(sortByDomain(hosts).map(({ hostname }) => hostname)).toEqual([
      'alone',
      'z.example.com',
      'a.example.org',
      'b.example.org',
    ]);
  });
});

describe('connections to others', () => {
  it('tell the last attempt, the beacon and how far the clock is off', () => {
    const [one] = connectionsOf(
      {
        peers: [
          {
            ...{ id: 'x', current_addr: '10.0.0.1:1', addresses: [], connected: true, last_attempt: [500, 'refused'] },
            ...{
              last_beacon_time: 1000,
              last_beacon: { hostname: 'h', current_time: 1200, fine_values: 5, tip_values: 2 },
            },
          },
        ],
      },
      [],
    );
    expect(one).toMatchObject({
      hostname: 'h',
      connected: true,
      lastAttemptReason: 'refused',
      clockMs: 200,
      values: 7,
    });
  });
});

describe('sockets', () => {
  const stats = { by_state: {}, tx_queue: 0, rx_queue: 0 };
  const socket = (address: string) => ({ local_address: address, remote_address: 'r', state: 'LISTEN' });

  it('stand by port, of one user or of all', () => {
    const users = { 0: { 80: { stats }, 22: { stats } }, 33: { 80: { stats } } };
    expect(portRows('passive', users, null).map(({ id }) => id)).toEqual([
      'passive-0-22',
      'passive-0-80',
      'passive-33-80',
    ]);
    expect(portRows('passive', users, '33').map(({ port }) => port)).toEqual(['80']);
  });

  it('are cut to the busiest ports where they are many', () => {
    const port = (count: number) => ({ stats: { ...stats, by_state: { LISTEN: count } } });
    const rows = portRows('active', { 0: { 1: port(5), 2: port(1), 3: port(9) } }, null);
    expect(busiest(rows, 2).map((row) => row.port)).toEqual(['1', '3']);
    expect(busiest(rows, 3)).toBe(rows);
  });

  it('name some places and count the rest', () => {
    expect(placesOf({ stats, listeners: ['a', 'b', 'c'].map(socket) }, 2)).toBe('tcp a, tcp b and 1 more');
  });

  it('say what a user runs by cgroup or name, kernel threads left out', () => {
    const all = [
      process(1, 0, { name: 'sh' }),
      process(2, 0, { name: 'sh' }),
      process(3, 0, { cgroup: 'system.nginx' }),
    ];
    expect(runsOf([...all, process(4, 0, { cmdline: '' })])).toBe('sh ×2, system.nginx');
  });
});

describe('states', () => {
  const tip = (state: string, name: string, value: number) => ({ labels: { state, metric: name }, value, state: null });

  it('are grouped by all but the last word, the longest first, over all processes', () => {
    expect(
      stateGroups([
        ...[tip('http.idle', 'duration', 10), tip('http.busy', 'duration', 20), tip('http.busy', 'duration', 5)],
        ...[tip('http.busy', 'count', 3), tip('gc', 'duration', 1)],
      ]),
    ).toEqual([
      { prefix: '', states: [{ name: 'gc', durationMs: 1, count: 0 }] },
      {
        prefix: 'http',
        states: [
          { name: 'busy', durationMs: 25, count: 3 },
          { name: 'idle', durationMs: 10, count: 0 },
        ],
      },
    ]);
  });
});

describe('figures', () => {
  it('of percent are calm: one digit below ten, none above', () => {
    expect([0, 0.04, 0.06, 9.94, 9.96, 1234.5, null].map(formatPercent)).toEqual([
      ...['0 %', '0 %', '0.1 %', '9.9 %', '10 %', '1\u202f235 %', '–'],
    ]);
  });

  it('have the unit that their names tell', () => {
    expect(unitOf(['memory.MemFree', 'rss'], false).format(2048)).toBe('2.00 KiB');
    expect(unitOf(['disk.read.bytes'], true).format(2048)).toBe('2.00 KiB/s');
    expect(unitOf(['cpu.user'], true).format(50)).toBe('50 %');
    expect(unitOf(['psi.cpu.some.total'], true).format(250_000)).toBe('25 %');
    expect(unitOf(['requests', 'rss'], false).format(7)).toBe('7');
    expect(unitOf([], true).format(7)).toBe('7/s');
  });

  it('of memory leave out what would be given back', () => {
    const of: Record<string, number> = { MemTotal: 100, MemFree: 20, Buffers: 10, Cached: 30 };
    expect(memoryUse((name) => of[name.slice(7)])).toMatchObject({ used: 40, usedShare: 0.4, cachedShare: 0.4 });
    expect(memoryUse(() => null)).toBeNull();
  });

  it('of disks take whole ones of all kinds', () => {
    const regex = new RegExp(String(wholeDisk[2]));
    const names = [
      'sda',
      'sdaa',
      'vda',
      'xvdb',
      'nvme0n1',
      'mmcblk0',
      'sda1',
      'nvme0n1p1',
      'mmcblk0p1',
      'dm-0',
      'loop0',
    ];
    expect(names.filter((name) => regex.test(name))).toEqual(names.slice(0, 6));
  });
});

describe('groups of cgroups', () => {
  it('are all open where they are few or searched, else `system` alone, else as the URL says', () => {
    const groups = ['lithos', 'system'];
    expect([...openOf(groups, 5, null, '')]).toEqual(groups);
    expect([...openOf(groups, 500, null, '')]).toEqual(['system']);
    expect([...openOf(groups, 500, null, 'web')]).toEqual(groups);
    expect([...openOf(groups, 5, 'lithos,gone', '')]).toEqual(['lithos']);
    expect([...openOf(groups, 5, 'none', '')]).toEqual([]);
  });
});

describe('names of cgroups', () => {
  it.each([
    ['system.my\\x2dshop', 'system.my-shop'],
    ['system.gr\\xc3\\xbcn', 'system.grün'],
    ['system.\\xff\\xfe', 'system.\\xff\\xfe'],
    ['a\\x00b\\x20c\\x0a', 'a\\x00b\\x20c\\x0a'],
    ['a\\xZZ', 'a\\xZZ'],
  ])('%s is shown as %s', (name, shown) => expect(decodeUnit(name)).toBe(shown));

  it('have of a container’s id the digits that its runtime shows', () => {
    const id = '0123456789abcdef'.repeat(4);
    expect(shownName(`system.docker-${id}`)).toBe('system.docker-0123456789ab…');
    expect(shownName(`a.${id}0`)).toBe(`a.${id}0`);
  });

  it('come back from systemd’s escapes, whatever was escaped', () => {
    const escaped = (text: string) =>
      [...new TextEncoder().encode(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = decodeUnit(escaped(text));
        expect([text, escaped(text)]).toContain(shown);
        if (/^[\x21-\x7e]*$/.test(text)) expect(shown).toBe(text);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void shownName(text)));
  });
});

describe('sums over hosts', () => {
  const series = (metric: string, values: number[]) => [{ metric }, ['Float', values], [60_000, 30_000]];
  const answer = {
    values: {
      cpu: [
        'MultiSeries',
        [series('cpu.user', [30, 100]), series('cpu.idle', [160, 290]), series('cpu.iowait', [10, 10])],
      ],
      memory: ['MultiSeries', [series('memory.MemTotal', [200, 400]), series('memory.MemFree', [100, 300])]],
    },
    hosts_per_bucket: { cpu: [1, 2], memory: [1, 2] },
  } as const;

  it('are shares of what all have together, oldest first, and tell how many hosts are in them', () => {
    expect(totalOf(answer as never)).toEqual({
      ...{ times: [30_000, 60_000], cpu: [25, 15], memory: [25, 50] },
      ...{ cores: 2, memoryUsed: 100, memoryTotal: 200, hosts: [1, 2] },
    });
  });

  it('are empty where nobody has measured', () => {
    const none = totalOf({ values: { cpu: ['Empty'], memory: ['Empty'] }, hosts_per_bucket: { cpu: [] } });
    expect(none).toMatchObject({ times: [], cores: null, memoryTotal: null, hosts: null });
  });
});

describe('where a host’s figures are from', () => {
  it.each([
    [{ from: 'own', age_ms: 20 }, false, 'good', 'this agent’s own history, 20 ms old'],
    [{ from: 'stream', age_ms: null }, false, 'good', 'from its stream'],
    [{ from: 'mirror', age_ms: 65_000 }, false, 'warn', 'does not answer: what it said before, 1 min 05 s old'],
    [undefined, false, 'bad', 'did not answer in time'],
    [undefined, true, 'bad', 'dead'],
  ] as const)('%j, dead: %s: %s, %s', (source, dead, tone, words) => {
    const provenance = provenanceOf(source, dead);
    expect([toneOf(provenance), provenanceWords(provenance)]).toEqual([tone, words]);
  });
});

describe('what is unusual', () => {
  it('leads to its series alone, whatever its name has in it', () => {
    const labels = { metric: 'a.b(c', pid: '1' };
    const { searchParams } = new URL(exploreHref({ labels, score: 1, since: 0 }), 'http://host');
    expect(searchParams.get('pick')).toBe(lineId(labels));
    expect(passes(parseSearch(searchParams.get('q') ?? ''))(labels)).toBe(true);
    expect(passes(parseSearch(searchParams.get('q') ?? ''))({ metric: 'axb(c' })).toBe(false);
  });

  it('is told by how far and to which side', () => {
    expect([14.2, -11.6, 5e4].map(scoreWords)).toEqual(['14 σ more', '12 σ less', 'over 1000 σ more']);
  });
});

describe('what may not be read', () => {
  it('is one line, with what it would need; none where all can be', () => {
    const unreadable = [{ what: 'io', processes: 3, of: 9, needs: 'root' }];
    const denied = { io: { count: 3, reason: 'no' }, cgroup: { count: 2, reason: 'Permission denied' } };
    expect(notReadWords({ unreadable, health: { denied } })).toBe(
      'Not all can be read: io (3 of 9 processes; it needs root); cgroups: 2 (Permission denied)',
    );
    expect(notReadWords({ unreadable: [], health: { denied: {} } })).toBeNull();
  });
});
