import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseMeta, readValues } from '../../src/cantal/values-file.ts';
import { chooseHierarchies, findHierarchies, limitFiles, weightOf } from '../../src/lithos/cgroups.ts';
import { configLog } from '../../src/lithos/config-log.ts';
import type { DesiredInstance, InstanceLimits } from '../../src/lithos/desired.ts';
import { encodeJournal, parseJournal } from '../../src/lithos/journal.ts';
import { parseKnotStatus } from '../../src/lithos/knot-status.ts';
import { type Metric, metricsFile, metricsOf, openMetrics } from '../../src/lithos/metrics.ts';
import { parseStartTime, startTimeOf } from '../../src/lithos/process-identity.ts';
import { findKnots, planValues } from '../../src/lithos/state-dirs.ts';
import { type Instance, initialState } from '../../src/lithos/supervise/state.ts';

const noLimits: InstanceLimits = {
  ...{ memoryBytes: null, memoryHighBytes: null, cpuShares: null, cpuCores: null },
  ...{ pids: null, ioWeight: null, ioMax: [] },
};

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tree-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const status = {
  version: 1,
  phase: 'running',
  knotPid: 7,
  knotStartTime: 70,
  pid: 8,
  startTime: 80,
  startedAtMs: 1,
  endedAtMs: 0,
  exitCode: null,
  signal: null,
  failure: null,
};

describe('a knot’s status', () => {
  it('is read, with a failure in words', () => {
    const failure = { step: 'mount', call: 'open_tree', subject: '/x', errno: 2 };
    const read = parseKnotStatus(JSON.stringify({ ...status, phase: 'ended', exitCode: 3, failure }));
    expect(read).toMatchObject({ phase: 'ended', knotPid: 7, exitCode: 3 });
    expect(read?.failure?.message).toBe('mount: open_tree: /x: no such file or directory');
  });

  it('of another version, half written, or made of anything at all is none', () => {
    expect(parseKnotStatus(JSON.stringify({ ...status, version: 2 }))).toBeNull();
    expect(parseKnotStatus(JSON.stringify({ ...status, knotPid: -1 }))).toBeNull();
    expect(parseKnotStatus(JSON.stringify({ ...status, phase: 'dancing' }))).toBeNull();
    const whole = JSON.stringify(status);
    for (let length = 0; length < whole.length; length++) expect(parseKnotStatus(whole.slice(0, length))).toBeNull();
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseKnotStatus(text)).toBeNull();
      }),
    );
  });
});

describe('a process', () => {
  const fields = (state: string): string => `${state} 1 ${'0 '.repeat(17)}4242 0 0`;

  it('is told by its start time, whatever its name is', () => {
    expect(parseStartTime(`12 (a) R 1 (b) ${fields('S')}`)).toBe(4242);
    expect(startTimeOf(process.pid)).toBeGreaterThan(0);
  });

  it('that is a zombie, cut off or not there is none', () => {
    expect(parseStartTime(`12 (a) ${fields('Z')}`)).toBeNull();
    expect(parseStartTime('12 (a) S 1')).toBeNull();
    expect(startTimeOf(2 ** 22 + 1)).toBeNull();
  });
});

describe('state dirs', () => {
  it('of dead knots are told from living ones, damaged ones included', () => {
    const make = (name: string, text: string): void => {
      mkdirSync(join(dir, name), { recursive: true });
      writeFileSync(join(dir, name, 'status'), text);
      writeFileSync(join(dir, name, 'instance.json'), '{"image":"a"}');
      writeFileSync(join(dir, name, 'plan'), ['kill-timeout-ms', '7000', 'normal-exit-code', '3'].join('\0'));
    };
    const own = { ...status, knotPid: process.pid, knotStartTime: startTimeOf(process.pid) };
    make('box/web.0', JSON.stringify(own));
    make('box/web.1', JSON.stringify({ ...own, knotStartTime: 1 }));
    make('box/web.2', JSON.stringify({ ...own, phase: 'ended' }));
    make('box/web.3', '{"version":');
    make('box/strange', JSON.stringify(own));
    const { knots, dead, unclear } = findKnots(dir);
    expect(knots).toMatchObject([
      {
        name: 'box/web.0',
        sandbox: 'box',
        process: 'web',
        instance: 0,
        knot: { pid: process.pid, instanceJson: '{"image":"a"}', killTimeoutMs: 7000, normalExitCodes: [3] },
      },
    ]);
    expect(dead).toEqual(['box/strange', 'box/web.1', 'box/web.2', 'box/web.3']);
    expect(unclear).toEqual([]);
    expect(planValues(['a', '1', 'b', '2', 'a'], 'a')).toEqual(['1']);
  });
});

describe('cgroups', () => {
  const v1 = [
    '30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
    '31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd',
    '32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
    '33 25 0:29 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '34 25 0:30 / /mnt/with\\040blank rw - cgroup cgroup rw,pids',
    '35 25 0:29 / /elsewhere rw - cgroup cgroup rw,memory',
  ].join('\n');
  const own = '5:pids:/p\n4:memory:/docker/x/inner\n3:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u\n';

  it('are found where they are mounted, v1, hybrid and in a container', () => {
    expect(findHierarchies(v1, own)).toEqual([
      { controllers: [], unified: true, own: '/sys/fs/cgroup/unified/u' },
      { controllers: ['name'], unified: false, own: '/sys/fs/cgroup/systemd/s' },
      { controllers: ['cpu', 'cpuacct'], unified: false, own: '/sys/fs/cgroup/cpu,cpuacct/c' },
      { controllers: ['memory'], unified: false, own: '/sys/fs/cgroup/memory/inner' },
      { controllers: ['pids'], unified: false, own: '/mnt/with blank/p' },
    ]);
  });

  it('of v2 are taken where it has the controllers, else those of v1 that are wanted', () => {
    const all = findHierarchies(v1, own);
    const offering = all.map((each) => (each.unified ? { ...each, controllers: ['cpu', 'memory'] } : each));
    expect(chooseHierarchies(offering, ['memory']).map(({ unified }) => unified)).toEqual([true]);
    expect(chooseHierarchies(all, ['cpu', 'memory']).map(({ controllers }) => controllers)).toEqual([
      ['cpu', 'cpuacct'],
      ['memory'],
    ]);
  });

  it('get their limits in the words of their version', () => {
    const limits = { ...noLimits, memoryBytes: 1000, memoryHighBytes: 900, cpuShares: 1024, cpuCores: 1.5, pids: 7 };
    const controllers = ['memory', 'cpu', 'pids', 'io', 'blkio'];
    const words = (unified: boolean, asked: InstanceLimits) =>
      limitFiles({ controllers, unified, own: '' }, asked).map(({ file, text }) => `${file} ${text}`);
    expect(words(false, limits)).toEqual([
      ...['memory.limit_in_bytes 1000', 'memory.memsw.limit_in_bytes 1000', 'memory.soft_limit_in_bytes 900'],
      ...['cpu.shares 1024', 'cpu.cfs_period_us 100000', 'cpu.cfs_quota_us 150000', 'pids.max 7'],
    ]);
    expect(words(true, limits)).toEqual([
      ...['memory.max 1000', 'memory.swap.max 0', 'memory.oom.group 1', 'memory.high 900'],
      ...['cpu.weight 40', 'cpu.max 150000 100000', 'pids.max 7'],
    ]);
    expect(
      limitFiles({ controllers: ['memory'], unified: true, own: '' }, { ...noLimits, memoryBytes: 2 ** 63, pids: 9 }),
    ).toEqual([]);
    const device = { device: '/dev/null', readBytes: 5, writeBytes: null, reads: null, writes: 6 };
    expect(words(true, { ...noLimits, ioWeight: 50, ioMax: [device] })).toEqual([
      'io.weight default 50',
      'io.max 1:3 rbps=5 wiops=6',
    ]);
    expect(words(false, { ...noLimits, ioWeight: 50, ioMax: [device] })).toEqual([
      ...['blkio.weight 10', 'blkio.throttle.read_bps_device 1:3 5', 'blkio.throttle.write_iops_device 1:3 6'],
    ]);
  });

  it('weigh 1 to 10000, rising with the shares', () => {
    expect([0, 2, 262_144, 1e9].map(weightOf)).toEqual([1, 1, 10_000, 10_000]);
    fc.assert(
      fc.property(fc.nat(300_000), fc.nat(300_000), (a, b) => weightOf(Math.min(a, b)) <= weightOf(Math.max(a, b))),
    );
  });
});

describe('the tree’s metrics', () => {
  it('are read back by what reads every program’s', () => {
    const path = join(dir, 'metrics');
    const file = metricsFile(path);
    const read = () => {
      const meta = parseMeta(readFileSync(`${path}.meta`));
      if (meta.kind === 'bad') throw new Error(meta.reason);
      return readValues(meta.meta, readFileSync(`${path}.values`));
    };
    const some: Metric[] = [
      { kind: 'counter', labels: { metric: 'a' }, value: 3 },
      { kind: 'level', labels: { metric: 'b', node: 'n1' }, value: -4 },
    ];
    file.write(some);
    const first = JSON.stringify(read(), (_, value) => (typeof value === 'bigint' ? String(value) : value));
    expect(first).toContain('"metric":"a"');
    expect(first).toContain('-4');
    // The same set: the same files, new numbers in place.
    file.write(some.map((metric) => ({ ...metric, value: metric.value + 10 })));
    expect(readFileSync(`${path}.values`).readBigInt64LE(0)).toBe(13n);
    file.write(some.slice(0, 1));
    expect(readFileSync(`${path}.values`)).toHaveLength(8);
    file.remove();
    expect(() => readFileSync(`${path}.meta`)).toThrow('ENOENT');
  });

  it('count what runs by process, and carry the node where there is one', () => {
    const counts = new Map([['box.web', { started: 5, deaths: 2, failures: 1, oomKills: 1 }]]);
    const totals = { sandboxes: 1, containers: 3, restarts: 4, unknown: 2 };
    const metrics = metricsOf({ ...initialState, counts }, totals, 'n1');
    const numberOf = (metric: string) => metrics.find(({ labels }) => labels.metric === metric)?.value;
    expect(metrics.every(({ labels }) => labels.node === 'n1' && labels.group === 'lithos')).toBe(true);
    expect(numberOf('processes.box.web.started')).toBe(5);
    expect(numberOf('processes.box.web.running')).toBe(0);
    expect(numberOf('containers.failures')).toBe(1);
    expect(numberOf('master.restarts')).toBe(4);
    expect(numberOf('containers.unknown')).toBe(2);
    expect(numberOf('processes.box.web.oom_kills')).toBe(1);
    expect(openMetrics(metrics)).toContain(
      '# TYPE lithos_process_oom_kills_total counter\nlithos_process_oom_kills_total{sandbox="box",process="web",node="n1"} 1\n',
    );
    expect(metricsOf(initialState, totals, null)[0]?.labels).toEqual({ group: 'lithos', metric: 'master.restarts' });
  });
});

describe('the journal of a tree', () => {
  const end = {
    ...{ atMs: 5, exitCode: 3, signal: null, failure: null },
    ...{ oomKilled: true, memoryPressure: 'some avg10=1.00' },
  };
  const instance = { name: 'box/web.0', restarts: 4, lastStartMs: 7, gapMs: 250, lastEnd: end } as Instance;
  const counts = new Map([['box.web', { started: 5, deaths: 4, failures: 3, oomKills: 1 }]]);

  it('comes back as it went', () => {
    const state = { ...initialState, counts, instances: new Map([[instance.name, instance]]) };
    const { name, ...remembered } = instance;
    expect(parseJournal(encodeJournal(state, 9))).toEqual({
      treeStarts: 9,
      counts,
      instances: new Map([[name, remembered]]),
    });
  });

  it('of any text is nothing, or something that a tree can live with', () => {
    const look = (text: string): void => {
      const journal = parseJournal(text);
      if (journal === null) return;
      expect(Number.isSafeInteger(journal.treeStarts)).toBe(true);
      for (const each of journal.counts.values()) expect(Object.values(each).every(Number.isSafeInteger)).toBe(true);
      for (const { restarts } of journal.instances.values()) expect(Number.isSafeInteger(restarts)).toBe(true);
    };
    fc.assert(fc.property(fc.string(), look));
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (a, b, c) =>
        look(
          JSON.stringify({
            version: 1,
            treeStarts: a,
            counts: { x: b, y: { started: c } },
            instances: { z: c, w: { restarts: a, lastEnd: b } },
          }),
        ),
      ),
    );
  });
});

describe('the history of configs', () => {
  it('gets a line where something has changed', () => {
    const record = configLog(dir);
    const instance = { sandbox: 'box', process: 'web', instanceJson: '{"instances":1,"image":"a"}' } as DesiredInstance;
    record([instance, instance], new Date(0));
    record([instance, instance], new Date(1));
    record([instance], new Date(2));
    expect(readFileSync(join(dir, 'box.log'), 'utf8')).toBe(
      '1970-01-01T00:00:00.000Z {"web":{"instances":2,"image":"a"}}\n1970-01-01T00:00:00.002Z {"web":{"instances":1,"image":"a"}}\n',
    );
  });
});
