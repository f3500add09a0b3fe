import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterMember, queryByHost } from '../src/cantal/remote/by-host.ts';
import { checkClusterQuery } from '../src/cantal/remote/cluster-query.ts';
import { type Remote, startRemote } from '../src/cantal/remote/remote.ts';
import { cantalRoutes } from '../src/cantal/routes.ts';
import { type Cantal, startCantal } from '../src/cantal/shell.ts';
import { type PeerClient, peerHttp } from '../src/http/peer-http.ts';
import { startHttp } from '../src/http/server.ts';
import { createScanner } from '../src/native/scanner.ts';
import { type BenchRow, benchRow } from './row.ts';

const peers = 2;
const intervalMs = 2_000;
/** Whole scans, so that every one is in. */
const measuredMs = 20 * intervalMs;
const settleMs = 4 * intervalMs;
const key = Buffer.alloc(32, 7);
const idOf = (number: number): string => String(number).repeat(32);

const fine = (condition: unknown) => ({ source: 'Fine', condition });
const cgroups = (condition: unknown) => fine(['And', condition, ['Has', 'cgroup']]);
const byGroup = ['SumBy', 'cgroup', 'Ignore'];
/** What the page of all containers asks, and the memory of the page of all hosts. */
const page = {
  ticks: {
    series: cgroups(['RegexLike', 'metric', '^(user|system)_time$']),
    ...{ extract: ['HistoryByNum', 16], functions: [['Rate'], byGroup] },
  },
  rss: { series: cgroups(['Eq', 'metric', 'rss']), extract: ['Tip'], functions: [byGroup] },
  memory: { series: fine(['RegexLike', 'metric', '^memory\\.(MemTotal|MemFree|Buffers|Cached)$']), extract: ['Tip'] },
};
/** A chart of the last five minutes: all points come again at each answer. */
const chart = {
  cpu: {
    series: fine(['And', ['RegexLike', 'metric', '^cpu\\.'], ['Not', ['Has', 'cpu']]]),
    ...{ extract: ['HistoryByNum', 140], functions: [['NonNegativeDerivative']] },
  },
};

interface Node {
  readonly cantal: Cantal;
  readonly remote: Remote;
  readonly http: PeerClient;
  readonly member: ClusterMember;
  /** All members are known now. */
  joined(): void;
}

/**
 * What a live page costs the network: bytes that one agent and one of its peers exchange (TCP payload, both ways, with
 * HTTP heads and WebSocket frames), while the page asks for its figures at each scan. Real scanners, all of this host.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const members: ClusterMember[] = [];
  const stops: (() => unknown)[] = [];
  const counter = countBytes();
  try {
    const nodes: Node[] = [];
    for (let number = 0; number <= peers; number++) nodes.push(await startNode(number, members, stops));
    const [asker] = nodes;
    if (asker === undefined) throw new Error('no nodes');
    for (const { joined } of nodes) joined();
    await sleep(settleMs);
    return [
      ...(await livePage('page of containers', page, asker, counter)),
      ...(await livePage('chart of 5 min', chart, asker, counter)),
      ...(await hourOfOneSum(asker, counter)),
    ];
  } finally {
    counter.stop();
    for (const stop of stops.reverse()) await stop();
  }
}

async function startNode(number: number, members: ClusterMember[], stops: (() => unknown)[]): Promise<Node> {
  const id = idOf(number);
  const scanner = createScanner({ intervalMs });
  // A past of 150 scans for the chart, faster than life.
  for (let scan = 0; scan < 150; scan++) {
    scanner.scanOnce();
    await sleep(20);
  }
  const cantal = startCantal({ scanner, intervalMs, version: 'bench' });
  const http = peerHttp({ keys: [key] });
  const name = `bench${number}`;
  let joined = () => {};
  const remote = startRemote({
    ...{ cantal, http, keys: [key], intervalMs, log: (line: string) => process.stderr.write(`${line}\n`) },
    host: { id, hostname: name, name, labels: {}, addr: '127.0.0.1:0', clusterName: 'bench', version: 'bench' },
    cluster: {
      self: { id },
      members: () => members.filter((member) => member.id !== id),
      onChange(listener) {
        joined = listener;
        return () => {};
      },
      announceRemote() {},
    },
  });
  const server = await startHttp({
    ...{ host: '127.0.0.1', port: 0, clusterKeys: [key] },
    routes: cantalRoutes(cantal, remote),
    peerStreams: [remote.stream],
  });
  stops.push(async () => {
    remote.stop();
    http.stop();
    await server.stop(1);
    await cantal.stop();
  });
  const member: ClusterMember = {
    ...{ id, addr: `127.0.0.1:${server.port}`, hostname: name, name },
    ...{ knownSince: 0, lastReportDirect: null, liveness: 'alive' },
  };
  members.push(member);
  return { cantal, remote, http, member, joined: () => joined() };
}

type Rules = Readonly<Record<string, unknown>>;

async function livePage(what: string, rules: Rules, asker: Node, counter: Counter): Promise<readonly BenchRow[]> {
  const cluster = { self: { id: asker.member.id }, members: () => asker.remote.members() };
  const pulled = () =>
    queryByHost({ cantal: asker.cantal, cluster, http: asker.http, streams: null, intervalMs }, rules, 5_000);
  const streamed = () => asker.remote.queryByHost(rules, 5_000);

  const repeat = async (ask: () => ReturnType<typeof streamed>, from: string): Promise<number> => {
    const before = counter.bytes();
    const end = performance.now() + measuredMs;
    while (performance.now() < end) {
      const answer = await ask();
      const wrong = Object.values(answer.sources).find((source) => source.from !== 'own' && source.from !== from);
      if (wrong !== undefined || answer.missing.length > 0)
        throw new Error(`${what}: an answer was from ${wrong?.from}`);
      await sleep(intervalMs);
    }
    return ((counter.bytes() - before) * 1000) / measuredMs / peers;
  };

  const asking = await repeat(pulled, 'asked');
  const [before, plainBefore] = [counter.bytes(), bodies(asker)];
  await streamed();
  await sleep(settleMs);
  const opening = (counter.bytes() - before) / peers;
  const plainOpening = (bodies(asker) - plainBefore) / peers;
  const streaming = await repeat(streamed, 'stream');
  const plain = ((bodies(asker) - plainBefore - plainOpening * peers) * 1000) / measuredMs / peers;
  const row = { bench: 'remote', unit: 'B/s' };
  return [
    benchRow(
      {
        ...row,
        ...{ figure: `${what}, by stream, per peer`, value: streaming },
        ...{ peer: 'asked every 2 s', peerValue: asking },
      },
      { maxRatio: 1 },
    ),
    benchRow({
      ...{ ...row, figure: `${what}, by stream, per peer`, value: streaming },
      ...{ peer: 'its messages before compression', peerValue: plain },
    }),
    benchRow({
      ...{
        ...row,
        unit: 'B',
        figure: `${what}, beginning of the stream with its first query, per peer`,
        value: opening,
      },
      ...{ peer: 'its messages before compression', peerValue: plainOpening },
    }),
  ];
}

/** 360 buckets, as an hour in steps of 10 s has: here of 100 ms, as nobody waits for an hour. */
async function hourOfOneSum(asker: Node, counter: Counter): Promise<readonly BenchRow[]> {
  const series = fine(['RegexLike', 'metric', '^cpu\\.(user|system|nice|irq|softirq)$']);
  const rule = {
    series,
    extract: ['HistoryByTime', 36_000],
    functions: [['NonNegativeDerivative'], ['Sum', 'Ignore']],
  };
  const cluster = { self: { id: asker.member.id }, members: () => asker.remote.members() };
  const checked = checkClusterQuery({ rules: { cpu: rule }, fold: { step: 100, across: 'Sum' } });
  if (checked.kind === 'bad') throw new Error(checked.reason);
  const bytesOf = async (ask: () => Promise<unknown>): Promise<number> => {
    const before = counter.bytes();
    await ask();
    await sleep(200);
    return (counter.bytes() - before) / peers;
  };
  const options = { cantal: asker.cantal, cluster, http: asker.http, streams: null, intervalMs };
  // An hour has 1800 samples; the raw answer is scaled to them from those that there are.
  const raw = { ...rule, extract: ['HistoryByNum', 150], functions: [['NonNegativeDerivative']] };
  const rawBytes = (await bytesOf(() => queryByHost(options, { cpu: raw }, 5_000))) * (1800 / 150);
  const part = await bytesOf(() => asker.remote.queryCluster(checked.value, 5_000));
  const again = await bytesOf(() => asker.remote.queryCluster(checked.value, 5_000));
  const row = { bench: 'remote', unit: 'B' };
  return [
    benchRow(
      {
        ...row,
        ...{ figure: 'an hour of one sum in 360 steps, per peer', value: part },
        ...{ peer: 'its raw samples', peerValue: rawBytes },
      },
      { maxRatio: 0.1 },
    ),
    benchRow({ ...row, figure: 'the same asked again, per peer', value: again, peer: 'asked first', peerValue: part }),
  ];
}

/** Of the messages of streams, before they were compressed. */
function bodies({ remote }: Node): number {
  const { peers: all } = remote.stats() as {
    readonly peers: readonly { readonly received: { readonly bytes: number } }[];
  };
  return all.reduce((sum, { received }) => sum + received.bytes, 0);
}

interface Counter {
  bytes(): number;
  stop(): void;
}

/** All that this process's outgoing connections read and wrote. */
function countBytes(): Counter {
  const sockets = new Set<Socket>();
  let closed = 0;
  const seen = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      closed += socket.bytesRead + socket.bytesWritten;
    });
  };
  subscribe('net.client.socket', seen);
  return {
    bytes: () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, closed),
    stop: () => void unsubscribe('net.client.socket', seen),
  };
}
