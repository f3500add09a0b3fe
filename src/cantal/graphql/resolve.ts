import { GraphQLError } from 'graphql';
import type { ProcessRow } from '../../native/scanner.ts';
import { type Budget, type CostLimit, clusterQueryCost } from '../query/cost.ts';
import type { Dataset, SeriesJson, TipJson } from '../query/dataset.ts';
import { type ByHost, type ClusterMember, RefusedQuery } from '../remote/by-host.ts';
import type { Remote } from '../remote/remote.ts';
import type { NodeName } from '../routes.ts';
import type { Cantal, CantalStatus } from '../shell.ts';

/** What can be asked. */
export interface World {
  readonly cantal: Pick<Cantal, 'status' | 'processes' | 'moment' | 'query' | 'onScan'>;
  /** Null: in no cluster. */
  readonly remote: ClusterQueries | null;
  readonly node: NodeName | null;
  /** Told of each change among the peers; returns the way to unsubscribe. */
  readonly onPeers: (listener: () => void) => () => void;
  readonly cost: CostLimit;
  /** Told of bugs. */
  readonly report: (what: string, error: unknown) => void;
}

export type ClusterQueries = Pick<Remote, 'queryByHost' | 'members'>;

/** Of one run of an operation. */
export interface Context {
  readonly budget: Budget;
}

interface RuleArguments {
  readonly source: 'Fine' | 'Tip';
  readonly condition: unknown;
  readonly extract?: unknown;
  readonly functions?: unknown;
}

const longestDeadlineMs = 10_000;

/** The fields of all root types: what is a function is called with its arguments when it is asked for. */
export function rootOf(world: World): object {
  const { cantal, remote } = world;
  return {
    status: () => statusOf(world),
    local: () => ({
      cgroups: ({ filter }: { filter?: { namePrefix?: string | null } | null }) =>
        cgroupsOf(cantal.processes(), filter?.namePrefix ?? ''),
      processes({ filter }: { filter?: { maximumUptime?: number | null } | null }) {
        const youngest = filter?.maximumUptime ?? null;
        const since = youngest === null ? Number.NEGATIVE_INFINITY : Date.now() - youngest;
        return cantal
          .processes()
          .filter(({ startTimestamp }) => startTimestamp >= since)
          .map(processOf);
      },
    }),
    peers: () => (remote?.members() ?? []).map(peerOf),
    metrics(rule: RuleArguments, { budget }: Context) {
      const answer = cantal.query({ metrics: ruleOf(rule) }, budget);
      if (answer.kind === 'refused') throw refusal(`${answer.path}: ${answer.reason}`);
      return datasetOf(answer.values.metrics ?? ['Empty']);
    },
    async remote({ deadlineMs, ...rule }: RuleArguments & { deadlineMs: number }, { budget }: Context) {
      if (remote === null) throw new GraphQLError('this node is in no cluster: ask for metrics');
      if (deadlineMs < 1 || deadlineMs > longestDeadlineMs) {
        throw new GraphQLError(`deadlineMs: from 1 to ${longestDeadlineMs}, not ${deadlineMs}`);
      }
      budget.samples -= clusterQueryCost;
      if (budget.samples < 0) throw new GraphQLError('the query asks for too much: ask in several parts');
      try {
        return remoteOf(world, remote, await remote.queryByHost({ metrics: ruleOf(rule) }, deadlineMs));
      } catch (error) {
        throw error instanceof RefusedQuery ? refusal(error.message) : error;
      }
    },
    noop: () => ({ ok: true }),
  };
}

const ruleOf = ({ source, condition, extract, functions }: RuleArguments) => ({
  series: { source, condition },
  ...(extract === undefined || extract === null ? {} : { extract }),
  functions: functions ?? [],
});

/** Paths begin at the argument: the rule has no name here. */
const refusal = (message: string) => new GraphQLError(message.replace(/^rules\.metrics(\.series)?\.?/, ''));

function statusOf({ cantal, remote, node }: World) {
  const status: CantalStatus & { readonly threads_report?: unknown } = cantal.status();
  const moment = cantal.moment();
  const peers = remote?.members() ?? [];
  return {
    startupTime: status.startup_time,
    currentTime: status.current_time,
    scanDuration: status.scan_duration,
    bootTime: status.boot_time,
    selfReport: status.self_report,
    threadsReport: status.threads_report ?? null,
    processes: status.processes,
    fineValues: () => moment.index.ids().filter((id) => moment.kind(id) !== undefined).length,
    tipValues: () => moment.states().length,
    id: node?.id ?? null,
    hostname: node?.hostname ?? null,
    name: node?.name ?? null,
    clusterName: node?.cluster ?? null,
    version: status.version,
    numPeers: peers.length,
    numStale: peers.filter(({ liveness }) => liveness !== 'alive').length,
  };
}

function cgroupsOf(rows: readonly ProcessRow[], prefix: string) {
  const members = new Map<string, ProcessRow[]>();
  for (const row of rows) {
    if (row.cgroup === null || !row.cgroup.startsWith(prefix)) continue;
    const known = members.get(row.cgroup);
    if (known === undefined) members.set(row.cgroup, [row]);
    else known.push(row);
  }
  return [...members]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, own]) => ({ name, processes: () => own.map(processOf), numProcesses: own.length }));
}

function processOf(row: ProcessRow) {
  const { pid, ppid, rss, vsize, uid, gid, swap, name, readBytes, writeBytes, cgroup, startTimestamp } = row;
  const cpuTime = row.userTime + row.systemTime;
  return {
    ...{ pid, ppid, rss, vsize, uid, gid, swap, name, readBytes, writeBytes, cgroup, startTimestamp, cpuTime },
    numThreads: row.threads,
    accumCpuTime: cpuTime + row.childUserTime + row.childSystemTime,
    command: row.cmdline.split('\0', 1)[0] ?? '',
  };
}

function peerOf(member: ClusterMember & { readonly addresses?: readonly string[] }) {
  const { id, name, hostname, addr, knownSince, lastReportDirect } = member;
  const addresses = member.addresses ?? [addr];
  return { id, name, hostname, primaryAddr: addr, addresses, knownSince, lastReportDirect };
}

function remoteOf({ node }: World, remote: ClusterQueries, answer: ByHost) {
  const { byHost, kept, missing } = answer;
  const names = new Map<string, Pick<NodeName, 'hostname' | 'name'>>(remote.members().map((each) => [each.id, each]));
  if (node !== null) names.set(node.id, node);
  return {
    missing,
    hosts: Object.entries({ ...kept, ...byHost }).map(([id, values]) => ({
      id,
      hostname: names.get(id)?.hostname ?? null,
      name: names.get(id)?.name ?? null,
      dataset: datasetOf(values.metrics ?? ['Empty']),
    })),
  };
}

function datasetOf(dataset: Dataset) {
  const empty = { kind: dataset[0], series: [], tips: [], chart: [], reason: null };
  switch (dataset[0]) {
    case 'SingleSeries':
      return { ...empty, series: [seriesOf([dataset[1], dataset[2], dataset[3]])] };
    case 'MultiSeries':
      return { ...empty, series: dataset[1].map(seriesOf) };
    case 'SingleTip':
      return { ...empty, tips: [tipOf([dataset[1], dataset[2], dataset[3]])] };
    case 'MultiTip':
      return { ...empty, tips: dataset[1].map(tipOf) };
    case 'Chart':
      return { ...empty, chart: Object.entries(dataset[1]).map(([text, count]) => ({ text, count })) };
    case 'Empty':
      return empty;
    case 'Incompatible':
      return { ...empty, reason: dataset[1] };
    default:
      return dataset satisfies never;
  }
}

const seriesOf = ([key, [kind, values], timestamps]: SeriesJson) => ({ key, kind, values, timestamps });

const tipOf = ([key, [kind, value], [newest, oldest]]: TipJson) => ({ key, kind, value, newest, oldest });
