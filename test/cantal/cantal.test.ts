import { afterEach, describe, expect, test } from 'vitest';
import { type ByHost, type ClusterMember, type ClusterView, queryByHost } from '../../src/cantal/remote/by-host.ts';
import { type Remote, startRemote } from '../../src/cantal/remote/remote.ts';
import { cantalRoutes } from '../../src/cantal/routes.ts';
import { startCantal } from '../../src/cantal/shell.ts';
import { type PeerClient, peerHttp } from '../../src/http/peer-http.ts';
import type { HttpReply } from '../../src/http/route.ts';
import { router } from '../../src/http/router.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { SeriesKind } from '../../src/native/scanner.ts';
import type { MetricSource, Peers } from '../../src/verwalter/ports.ts';
import { type MemoryScanner, memoryScanner, processRow } from './memory-scanner.ts';

const { counter, integer, float } = SeriesKind;
const cantalOf = (scanner: MemoryScanner, log: (message: string) => void = () => {}) =>
  startCantal({ scanner, intervalMs: 2000, version: '1.2.3', log });

const requests = {
  series: { source: 'Fine', condition: ['Eq', 'metric', 'requests'] },
  extract: ['HistoryByNum', 2],
  functions: [['SumBy', 'node', 'Ignore']],
};

/** A host with one counter. */
function host(node: string, value: number): MemoryScanner {
  const scanner = memoryScanner();
  const id = scanner.series({ metric: 'requests', node }, counter);
  scanner.scan(1000, { [id]: value });
  scanner.scan(3000, { [id]: value + 1 });
  return scanner;
}

describe('cantal', () => {
  test('answers rules, or says which part it cannot answer', () => {
    const cantal = cantalOf(host('a', 5));
    expect(cantal.query({ r: requests })).toEqual({
      kind: 'values',
      values: { r: ['SingleSeries', { node: 'a' }, ['Counter', [6, 5]], [3000, 1000]] },
    });
    expect(cantal.query({ r: { ...requests, extract: ['Tipp'] } })).toMatchObject({
      kind: 'refused',
      path: 'rules.r.extract[0]',
    });
  });

  test('lists anomalies with their labels, the oddest first', () => {
    const anomalies = [
      { id: 0, score: -12, since: 1000 },
      { id: 7, score: 99, since: 1000 }, // expired since
      { id: 1, score: 11, since: 3000 },
      { id: 2, score: -50, since: 3000 },
    ];
    const scanner = memoryScanner();
    for (const metric of ['a', 'b', 'c']) scanner.series({ metric }, counter);
    expect(cantalOf({ ...scanner, anomalies: () => anomalies }).anomalies()).toEqual([
      { labels: { metric: 'c' }, score: -50, since: 3000 },
      { labels: { metric: 'a' }, score: -12, since: 1000 },
      { labels: { metric: 'b' }, score: 11, since: 3000 },
    ]);
  });

  test('tells of each scan until one unsubscribes, and of messages', () => {
    const scanner = host('a', 5);
    const said: string[] = [];
    const cantal = cantalOf({ ...scanner, messages: () => ['refused /x.meta line 3: bad JSON'] }, (text) =>
      said.push(text),
    );
    const seen: number[] = [];
    const leave = cantal.onScan((generation) => seen.push(generation));
    scanner.scan(5000, {});
    leave();
    scanner.scan(7000, {});
    expect(seen).toEqual([3]);
    expect(said).toHaveLength(2);
    cantal.stop();
  });

  test('is healthy while the newest scan is young', () => {
    const scanner = memoryScanner();
    const cantal = cantalOf(scanner);
    scanner.scan(Date.now() - 7000, {});
    expect(cantal.healthy()).toBe(false);
    scanner.scan(Date.now(), {});
    expect(cantal.healthy()).toBe(true);
  });

  test('knows when the machine booted', () => {
    const { boot_time } = cantalOf(memoryScanner()).status();
    expect(boot_time).toBeLessThan(Date.now());
    expect(boot_time % 1000).toBe(0);
  });
});

describe('usage of a container', () => {
  /** tree (10) has its own cgroup; the container is 20 with children 21 and 22; 30 is somebody else. */
  function machine(cgroupOfContainer: string | null) {
    const scanner = memoryScanner();
    const group = (cgroup: string, metric: string, kind: number) => scanner.series({ cgroup, metric }, kind);
    const cpu = group('lithos.quick:web.0', 'cgroup.cpu.usage', counter);
    const memory = group('lithos.quick:web.0', 'cgroup.memory.current', integer);
    const treeCpu = group('system.stellwerk', 'cgroup.cpu.usage', counter);
    const treeMemory = group('system.stellwerk', 'cgroup.memory.current', integer);
    const user = [20, 21, 30].map((pid) =>
      scanner.series({ metric: 'user_time', pid: String(pid), cgroup: 'x' }, counter),
    );
    const system = scanner.series({ metric: 'system_time', pid: '21' }, counter);
    // An application that wants to look like its own process.
    const fake = scanner.series({ metric: 'user_time', pid: '20', group: 'fake' }, counter);
    for (let n = 0; n < 4; n++) {
      scanner.scan(n * 2000, {
        [cpu]: n * 1_000_000,
        [memory]: 7_000_000,
        [treeCpu]: n * 2_000_000,
        [treeMemory]: 9_000_000,
        [user[0] ?? 0]: n * 20,
        [user[1] ?? 0]: n * 100,
        [user[2] ?? 0]: n * 200,
        [system]: n * 40,
        [fake]: n * 9999,
      });
    }
    scanner.setProcesses([
      processRow({ pid: 10, cgroup: 'system.stellwerk', rss: 50 }),
      processRow({ pid: 20, ppid: 10, cgroup: cgroupOfContainer, rss: 100 }),
      processRow({ pid: 21, ppid: 20, rss: 30 }),
      processRow({ pid: 22, ppid: 21, rss: 5 }),
      processRow({ pid: 30, ppid: 1, rss: 1000 }),
    ]);
    return cantalOf(scanner);
  }
  const ask = (cantal: ReturnType<typeof machine>, cgroup: string | null, pid: number | null = 20) =>
    cantal.usageOfContainers([{ name: 'quick/web.0', pid, cgroup }])[0];

  test('is what its cgroup says, by path or name, in either version of cgroups', () => {
    const expected = { name: 'quick/web.0', cpuShare: 0.5, memoryBytes: 7_000_000 };
    const cantal = machine('lithos.quick:web.0');
    expect(ask(cantal, '/lithos.slice/quick:web.0.scope')).toEqual(expected);
    expect(ask(cantal, '/sys/fs/cgroup/memory/lithos.slice/quick:web.0.scope')).toEqual(expected);
    expect(ask(cantal, 'lithos.quick:web.0')).toEqual(expected);
    expect(ask(cantal, 'quick:web.0')).toEqual(expected);
  });

  test('without a cgroup of its own is what its processes add up to, not what its tree uses', () => {
    const byProcesses = { name: 'quick/web.0', cpuShare: 0.8, memoryBytes: 135 };
    expect(ask(machine('system.stellwerk'), null)).toEqual(byProcesses);
    expect(ask(machine('system.stellwerk'), '/lithos/other:gone.0')).toEqual(byProcesses);
  });

  test('of one that does not run is unknown', () => {
    expect(ask(machine(null), null, null)).toEqual({ name: 'quick/web.0', cpuShare: null, memoryBytes: null });
    expect(ask(machine(null), null, 99)).toEqual({ name: 'quick/web.0', cpuShare: null, memoryBytes: null });
  });

  test('survives a circle of parents', () => {
    const scanner = memoryScanner();
    scanner.scan(0, {});
    scanner.setProcesses([processRow({ pid: 5, ppid: 6, rss: 1 }), processRow({ pid: 6, ppid: 5, rss: 2 })]);
    expect(cantalOf(scanner).usageOfContainers([{ name: 'a', pid: 5, cgroup: null }])[0]?.memoryBytes).toBe(3);
  });
});

test('usage of the machine is busy over all ticks, and total less available memory', () => {
  const scanner = memoryScanner();
  const ids = ['user', 'system', 'idle', 'iowait'].map((field) => scanner.series({ metric: `cpu.${field}` }, counter));
  const total = scanner.series({ metric: 'memory.MemTotal' }, integer);
  const available = scanner.series({ metric: 'memory.MemAvailable' }, integer);
  scanner.series({ metric: 'cpu.user', pid: '1' }, counter);
  for (const [n, ticks] of [
    [0, 0, 0, 0],
    [30, 10, 140, 20],
  ].entries()) {
    const counters = Object.fromEntries(ids.map((id, field) => [id, ticks[field] ?? 0]));
    scanner.scan(n * 1000, { ...counters, [total]: 1000, [available]: 400 });
  }
  expect(cantalOf(scanner).machineUsage()).toEqual({ cpuShare: 0.2, memoryUsedBytes: 600, memoryTotalBytes: 1000 });
  expect(cantalOf(memoryScanner()).machineUsage()).toEqual({
    cpuShare: null,
    memoryUsedBytes: null,
    memoryTotalBytes: null,
  });
});

describe('routes', () => {
  function call(scanner: MemoryScanner, method: 'GET' | 'POST', path: string, body?: unknown, query = ''): HttpReply {
    const match = router(cantalRoutes(cantalOf(scanner), null)).match(method, path);
    if (match.kind !== 'route') throw new Error(`no route ${path}`);
    return match.route.handle({
      method,
      path,
      params: match.params,
      query: new URLSearchParams(query),
      body,
      accept: '',
      remoteAddress: '127.0.0.1',
      principal: 'loopback',
    }) as HttpReply;
  }

  test('/status has what it always had', () => {
    expect(call(host('a', 1), 'GET', '/status')).toMatchObject({
      status: 200,
      json: { version: '1.2.3', scan_duration: 1.5, num_peers: 0, num_stale: 0, storage: null },
    });
  });

  test('/query answers, or says what is wrong', () => {
    expect(call(host('a', 1), 'POST', '/query', { rules: { r: requests } })).toMatchObject({
      status: 200,
      json: { values: { r: ['SingleSeries', { node: 'a' }, ['Counter', [2, 1]], [3000, 1000]] } },
    });
    expect(call(host('a', 1), 'POST', '/query', { rules: { r: {} } })).toMatchObject({
      status: 400,
      json: { error: 'rules.r.series: an object, not nothing' },
    });
    expect(call(host('a', 1), 'POST', '/query', undefined)).toMatchObject({ status: 400 });
  });

  test('/all_metrics and /v1/metrics show the newest scan and states', () => {
    const scanner = host('a', 1);
    scanner.series({ metric: 'gone' }, float);
    scanner.setStates([{ labels: { state: 'http' }, timestamp: 3000, since: 9, text: 'idle' }]);
    expect(call(scanner, 'GET', '/all_metrics')).toMatchObject({
      json: {
        metrics: [
          [{ metric: 'requests', node: 'a' }, 3000, ['Counter', 2]],
          [{ state: 'http' }, 3000, ['State', [9, 'idle']]],
        ],
      },
    });
    expect(call(scanner, 'GET', '/v1/metrics.json', undefined, 'pattern=^req')).toEqual({
      status: 200,
      json: {
        metrics: [
          { name: 'requests', labels: { metric: 'requests', node: 'a' }, kind: 'Counter', value: 2, timestamp: 3000 },
        ],
        left_out: 0,
      },
    });
    expect(call(scanner, 'GET', '/v1/metrics', undefined, 'pattern=(')).toMatchObject({ status: 400 });
  });

  test('/all_processes uses the names of the specification', () => {
    const scanner = host('a', 1);
    scanner.setProcesses([processRow({ pid: 7, startTime: 250, threads: 3, cmdline: 'a\0b' })]);
    expect(call(scanner, 'GET', '/all_processes')).toMatchObject({
      json: { all: [{ pid: 7, start_time: 2500, num_threads: 3, cmdline: 'a\0b', read_bytes: null }] },
    });
  });

  test('/health is 503 once scans stop, /ready until there is a first one too', () => {
    const paths = ['/health', '/v1/health', '/ready'];
    for (const path of paths) expect(call(host('a', 1), 'GET', path)).toMatchObject({ status: 503 });
    expect(call(memoryScanner(), 'GET', '/ready')).toMatchObject({ json: { error: 'no scan has ended yet' } });
    const scanner = memoryScanner();
    scanner.scan(Date.now(), {});
    for (const path of paths) expect(call(scanner, 'GET', path)).toEqual({ status: 200, json: { ok: true } });
  });
});

describe('cluster-wide', () => {
  const stops: (() => unknown)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });
  const key = Buffer.alloc(32, 7);

  async function serve(scanner: MemoryScanner): Promise<HttpServer> {
    const server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      clusterKeys: [key],
      routes: cantalRoutes(cantalOf(scanner), null),
    });
    stops.push(() => server.stop(1));
    return server;
  }
  const member = (id: string, port: number, liveness: ClusterMember['liveness'] = 'alive'): ClusterMember => ({
    id,
    addr: `127.0.0.1:${port}`,
    hostname: id,
    name: id,
    knownSince: 1,
    lastReportDirect: null,
    liveness,
  });
  function remoteOf(members: readonly ClusterMember[], http: Pick<PeerClient, 'postJson'> = client()) {
    const cluster: ClusterView = { self: { id: 'self' }, members: () => members };
    const options = { cantal: cantalOf(host('self', 10)), cluster, http, streams: null, intervalMs: 2000 };
    return {
      queryByHost: (rules: Readonly<Record<string, unknown>>, deadlineMs: number) =>
        queryByHost(options, rules, deadlineMs),
    };
  }
  function started(members: readonly ClusterMember[]): Remote {
    const remote = startRemote({
      cantal: cantalOf(host('self', 10)),
      cluster: { self: { id: 'self' }, members: () => members, onChange: () => () => {}, announceRemote() {} },
      http: client(),
      keys: [key],
      host: {
        ...{ id: 'self', hostname: 'self', name: 'self', labels: { role: 'web' } },
        ...{ addr: '127.0.0.1:1', clusterName: 'test', version: '1' },
      },
      intervalMs: 2000,
      log() {},
    });
    stops.push(() => remote.stop());
    return remote;
  }
  function client(): PeerClient {
    const http = peerHttp({ keys: [key] });
    stops.push(() => http.stop());
    return http;
  }
  const values = (answer: ByHost) =>
    Object.fromEntries(Object.entries(answer.byHost).map(([id, rules]) => [id, rules.r?.[2]]));

  test('every live host answers over HTTP, the one that is down is named, the dead is not asked', async () => {
    const a = await serve(host('a', 20));
    const remote = remoteOf([
      member('a', a.port),
      member('down', 1),
      member('late', 2, 'suspect'),
      member('dead', 3, 'dead'),
    ]);
    const answer = await remote.queryByHost({ r: requests }, 2000);
    expect(values(answer)).toEqual({ self: ['Counter', [11, 10]], a: ['Counter', [21, 20]] });
    expect(answer.missing).toEqual(['down', 'late']);
  });

  test('a host that is slower than the deadline is missing, the others are there in time', async () => {
    const a = await serve(host('a', 20));
    const http = client();
    const remote = remoteOf([member('slow', 9), member('a', a.port)], {
      postJson: (addr, ...rest) => (addr.endsWith(':9') ? new Promise(() => {}) : http.postJson(addr, ...rest)),
    });
    const since = performance.now();
    const answer = await remote.queryByHost({ r: requests }, 300);
    expect(performance.now() - since).toBeLessThan(1500);
    expect(Object.keys(answer.byHost)).toEqual(['self', 'a']);
    expect(answer.missing).toEqual(['slow']);
  });

  test('an answer that is none counts as missing', async () => {
    for (const reply of [
      null,
      {},
      { values: 7 },
      { values: {} },
      { values: { r: ['What'] } },
      { values: { r: [], x: [] } },
    ]) {
      const remote = remoteOf([member('odd', 1)], { postJson: async () => reply });
      expect((await remote.queryByHost({ r: requests }, 500)).missing).toEqual(['odd']);
    }
  });

  test('bad rules are an error of who asks, not of the hosts', async () => {
    await expect(remoteOf([member('a', 1)]).queryByHost({ r: {} }, 500)).rejects.toMatchObject({
      name: 'RefusedQuery',
      path: 'rules.r.series',
    });
  });

  test('hundreds of hosts are asked some at a time', async () => {
    let now = 0;
    let most = 0;
    const members = Array.from({ length: 300 }, (_, n) => member(`h${n}`, n + 1));
    const remote = remoteOf(members, {
      async postJson() {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 1));
        now -= 1;
        return { values: { r: ['Empty'] } };
      },
    });
    const answer = await remote.queryByHost({ r: requests }, 5000);
    expect(answer.missing).toEqual([]);
    expect(Object.keys(answer.byHost)).toHaveLength(301);
    expect(most).toBeLessThanOrEqual(64);
  });

  test('over HTTP: hosts alone as ever, or with the missing ones', async () => {
    const remote = started([member('down', 1), { ...member('busy', 2), liveness: 'dead', hasRemote: true }]);
    const server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      routes: cantalRoutes(cantalOf(host('self', 10)), remote),
    });
    stops.push(() => server.stop(1));
    const post = async (path: string, body: unknown) => {
      const headers = { 'content-type': 'application/json' };
      const reply = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return [reply.status, await reply.json()] as const;
    };
    const dataset = ['SingleSeries', { node: 'self' }, ['Counter', [11, 10]], [3000, 1000]];
    expect(await post('/remote/query_by_host', { rules: { r: requests } })).toEqual([200, { self: { r: dataset } }]);
    expect(await post('/v1/query_by_host.json?deadline_ms=500', { rules: { r: requests } })).toEqual([
      200,
      {
        by_host: { self: { r: dataset } },
        missing: ['down'],
        sources: { self: { from: 'own', age_ms: expect.any(Number) } },
      },
    ]);
    expect(await post('/v1/query_by_host?deadline_ms=0', { rules: {} })).toMatchObject([400, {}]);
    expect(await post('/remote/query_by_host', { rules: { r: 1 } })).toMatchObject([
      400,
      { error: 'rules.r: an object, not 1' },
    ]);
    const status = await (await fetch(`${server.url}/status.json`)).json();
    expect(status).toMatchObject({ num_peers: 2, num_stale: 1, labels: { role: 'web' } });
  });

  test('it is what verwalter takes its metrics from, and verwalter’s peers are what it asks', async () => {
    const peers: Pick<Peers, 'self' | 'members'> = {
      self: { id: 'self', addr: '', hostname: '', name: '' },
      members: () => [],
    };
    const cluster: ClusterView = peers;
    const source: MetricSource = started(cluster.members());
    expect((await source.queryByHost({ r: requests }, 100)).missing).toEqual([]);
  });
});
