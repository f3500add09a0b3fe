import type { PeerStream } from '../../http/peer-streams.ts';
import type { Labels } from '../query/dataset.ts';
import type { Cantal } from '../shell.ts';
import { acrossHosts } from './across-hosts.ts';
import { type ByHost, type ClusterMember, type ClusterView, queryByHost } from './by-host.ts';
import { answerPart, type ClusterAnswer, type ClusterQuery } from './cluster-query.ts';
import type { Beacon } from './message.ts';
import type { PeerPost } from './pull.ts';
import type { HostFacts } from './select.ts';
import { type PeerService, servePeers } from './serve.ts';
import { memInfo, remoteStats } from './stats.ts';
import { type Streams, startStreams } from './streams.ts';

export interface RemoteOptions {
  readonly cantal: Pick<Cantal, 'query' | 'moment' | 'onScan' | 'brief'>;
  readonly cluster: RemoteCluster;
  readonly http: PeerPost;
  readonly keys: readonly Uint8Array[];
  readonly host: HostFacts & { readonly addr: string; readonly clusterName: string; readonly version: string };
  readonly intervalMs: number;
  readonly log: (line: string) => void;
}

export interface RemoteCluster extends ClusterView {
  onChange(listener: () => void): () => void;
  announceRemote(on: boolean): void;
}

/** Queries about the whole cluster (spec cantal 6.5), and this agent's answers to those of others. */
export interface Remote {
  /** Rejects with RefusedQuery where the rules cannot be answered at all; a host that fails is only missing. */
  queryByHost(rules: Readonly<Record<string, unknown>>, deadlineMs: number): Promise<ByHost>;
  /** Sums over hosts. Rejects with RefusedQuery. */
  queryCluster(query: ClusterQuery, deadlineMs: number): Promise<ClusterAnswer>;
  members(): readonly ClusterMember[];
  /** Connects before the first query. */
  start(): void;
  /** What this host answers to /v1/peer/fold. */
  part(query: ClusterQuery): unknown;
  stats(): unknown;
  /** Null while off. */
  memInfo(): unknown;
  readonly labels: Labels;
  /** Where other agents subscribe. */
  readonly stream: PeerStream;
  stop(): void;
}

export function startRemote({ cantal, cluster, http, keys, host, intervalMs, log }: RemoteOptions): Remote {
  const streams = startStreams({
    keys,
    members: () => cluster.members(),
    onMembers: (listener) => cluster.onChange(listener),
    announce: (on) => cluster.announceRemote(on),
    log,
  });
  const service: PeerService = servePeers({
    cantal,
    beacon: () => beaconNow({ cantal, cluster, host, intervalMs, streams }),
  });
  const across = acrossHosts({ cantal, cluster, http, streams: streams, self: host });

  return {
    queryByHost: (rules, deadlineMs) =>
      queryByHost({ cantal, cluster, http, streams: streams, intervalMs }, rules, deadlineMs),
    queryCluster: across,
    members: () => cluster.members(),
    start: () => streams.start(),
    part(query) {
      const moment = cantal.moment();
      const answer = answerPart(query, host, moment);
      const { labels } = host;
      if (answer.kind === 'left-out') return { selected: false, labels };
      if (answer.kind === 'refused') return { refused: `${answer.path}: ${answer.reason}`, labels };
      const times = { scan_time: moment.scanTimes[0] ?? 0, current_time: Date.now() };
      return { parts: Object.fromEntries(answer.parts), labels, ...times };
    },
    stats: () => remoteStats(streams, service.clients()),
    memInfo: () => memInfo(streams, cantal.moment()),
    labels: host.labels,
    stream: service.stream,
    stop() {
      service.stop();
      streams.stop();
    },
  };
}

interface BeaconParts extends Pick<RemoteOptions, 'cantal' | 'cluster' | 'host' | 'intervalMs'> {
  readonly streams: Streams;
}

function beaconNow({ cantal, cluster, host, intervalMs, streams }: BeaconParts): Beacon {
  const { scanTimes, index, states } = cantal.moment();
  const brief = cantal.brief();
  const state = streams.state();
  const members = cluster.members();
  return {
    version: host.version,
    id: host.id,
    addresses: [host.addr],
    name: host.name,
    cluster_name: host.clusterName,
    hostname: host.hostname,
    pid: process.pid,
    current_time: Date.now(),
    startup_time: brief.startup_time,
    boot_time: brief.boot_time,
    scan_time: scanTimes[0] ?? 0,
    scan_duration: brief.scan_duration,
    interval: intervalMs,
    processes: brief.processes,
    tip_values: states().length,
    fine_values: index.nextId(),
    peers: members.length,
    fine_history_length: scanTimes.length,
    history_age: (scanTimes[0] ?? 0) - (scanTimes.at(-1) ?? 0),
    remote_total: state.on ? state.peers.size : null,
    remote_connected: state.on ? [...state.peers.values()].filter(({ link }) => link.kind === 'open').length : null,
    peers_with_remote: members.filter(({ hasRemote }) => hasRemote === true).length,
    labels: host.labels,
  };
}
