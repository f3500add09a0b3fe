import { isIP } from 'node:net';
import { join } from 'node:path';
import { exportRoutes } from '../cantal/export-routes.ts';
import { graphqlRoutes, graphqlStream } from '../cantal/graphql/routes.ts';
import { promqlRoutes } from '../cantal/promql/routes.ts';
import { costLimit } from '../cantal/query/cost.ts';
import { queryStream } from '../cantal/query-stream.ts';
import { type Remote, startRemote } from '../cantal/remote/remote.ts';
import { cantalRoutes } from '../cantal/routes.ts';
import { type Cantal, startCantal } from '../cantal/shell.ts';
import { sinkRoutes } from '../cantal/sinks/routes.ts';
import { startSinks } from '../cantal/sinks/sinks.ts';
import { type JoinTarget, startDiscovery } from '../cluster/discovery.ts';
import type { ElectionConfig } from '../cluster/election/config.ts';
import { clusterRoutes, noClusterRoutes } from '../cluster/routes.ts';
import { type Cluster, startCluster } from '../cluster/shell.ts';
import type { Audit } from '../http/audit.ts';
import { type PeerClient, peerHttp } from '../http/peer-http.ts';
import type { Route, Stream } from '../http/route.ts';
import { type HttpServer, startHttp } from '../http/server.ts';
import { packageRoot } from '../native/load.ts';
import { createScanner, type OwnMetric } from '../native/scanner.ts';
import { version } from '../version.ts';
import type { Stops } from './daemon.ts';
import type { Identity } from './identity.ts';
import type { HostLabels, ProcessMetrics } from './option-values.ts';
import { agentMetrics, exportOwn, scannerMetrics } from './own-metrics.ts';

export interface CantalPartOptions {
  readonly host: string;
  readonly port: number;
  /** HTTP on 127.0.0.1 too. */
  readonly bindLocalhost: boolean;
  /** ms */
  readonly interval: number;
  /** ms */
  readonly keepHistory: number;
  readonly maxMetrics: number;
  readonly processMetrics: ProcessMetrics;
  readonly perCpuMetrics: boolean;
  readonly pressureAverages: boolean;
  readonly procRoot: string;
  readonly sysRoot: string;
  /** What the other nodes may choose this host by. */
  readonly label: HostLabels;
  /** Folder of the history's snapshots; null: they are not even made. */
  readonly historyDir: string | null;
  /** Folder of the files that name receivers. */
  readonly sinksDir: string;
  /** Null: this node is in no cluster, and has no UDP socket. */
  readonly cluster: ClusterPartOptions | null;
}

export interface ClusterPartOptions {
  readonly name: string;
  readonly join: readonly JoinTarget[];
  /** Where the peers of the last run are remembered; null: nowhere. */
  readonly storageDir: string | null;
  readonly allowMinority: boolean;
  /** Where it differs from the defaults, as `neverLead` of an agent that would not know what to do as a leader. */
  readonly election: Partial<ElectionConfig>;
}

export interface MoreToServe {
  readonly routes: readonly Route[];
  readonly streams: readonly Stream[];
  /** What the parts around cantal tell of themselves; asked after each scan, the same names each time. */
  readonly metrics?: () => readonly OwnMetric[];
  readonly audit?: Audit;
  readonly frontends?: { readonly folder: string; readonly defaultName: string };
}

/** What monitors a node: started by `cantal-agent` alone, and by `stellwerk agent` beside verwalter. */
export interface CantalPart {
  readonly cantal: Cantal;
  /** Null: in no cluster; so are the two that follow. */
  readonly cluster: Cluster | null;
  readonly remote: Remote | null;
  readonly http: PeerClient;
  /** Reads the receivers' files again. */
  reload(): void;
  /** Last of all, when every route is known. */
  listen(more: MoreToServe): Promise<HttpServer>;
}

/** Each that was started leaves its stop in `stops`, the last one first to be called. */
export async function startCantalPart(
  options: CantalPartOptions,
  { id, hostname, name, keys, tokens }: Identity,
  { stops, warn, fatal }: Stops,
): Promise<CantalPart> {
  const { host, port, interval, keepHistory, procRoot, sysRoot } = options;
  const scanner = createScanner({
    intervalMs: interval,
    keepHistoryMs: keepHistory,
    maxSeries: options.maxMetrics,
    processMetrics: options.processMetrics,
    perCpu: options.perCpuMetrics,
    pressureAverages: options.pressureAverages,
    procRoot,
    sysRoot,
  });
  const cantal = startCantal({
    scanner,
    intervalMs: interval,
    version,
    procRoot,
    ...(options.historyDir === null
      ? {}
      : {
          store: {
            folder: options.historyDir,
            keepHistoryMs: keepHistory,
            ended: (error: Error) => fatal('storage', error),
          },
        }),
    log: warn,
  });
  stops.push(() => cantal.stop());

  const clusterName = options.cluster?.name ?? null;
  const cluster =
    options.cluster === null
      ? null
      : await startNode(options.cluster, { host, port, id, hostname, name, keys }, { stops, warn });

  const sinks = startSinks({
    folder: options.sinksDir,
    version,
    bootTimeMs: cantal.status().boot_time,
    moment: () => {
      const peers = cluster?.members() ?? [];
      return {
        source: cantal.moment(),
        processes: cantal.processes(),
        cluster: clusterName,
        hostname,
        peers: { known: peers.length, stale: peers.filter(({ liveness }) => liveness !== 'alive').length },
      };
    },
    log: warn,
  });
  stops.push(() => sinks.stop());

  const http = peerHttp({ keys });
  stops.push(() => http.stop());
  const remote =
    cluster === null
      ? null
      : startRemote({
          ...{ cantal, cluster, http, keys, intervalMs: interval, log: warn },
          host: {
            ...{ id, hostname, name, version, labels: Object.fromEntries(options.label) },
            ...{ addr: cluster.self.addr, clusterName: options.cluster?.name ?? '' },
          },
        });
  if (remote !== null) stops.push(() => remote.stop());
  if (cluster !== null) stops.push(cantal.onScan(() => cluster.scanned(cantal.scanMs())));

  return {
    cantal,
    cluster,
    remote,
    http,
    reload: () => sinks.reload(),
    async listen(more) {
      const node = { id, hostname, name, cluster: clusterName };
      const cost = costLimit();
      const report = (what: string, error: unknown) =>
        warn(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
      const onPeers = (listener: () => void) => cluster?.onChange(listener) ?? (() => {});
      const graphql = { cantal, remote, node, onPeers, cost, report };
      const own = [
        ...cantalRoutes(cantal, remote, node, cost),
        ...sinkRoutes(sinks),
        ...exportRoutes(cantal, { hostname, cluster: clusterName }, cost),
        ...graphqlRoutes(graphql),
        ...promqlRoutes(cantal, cost),
        ...(cluster === null ? noClusterRoutes() : clusterRoutes(cluster)),
      ];
      // What is added may stand in the place of what monitors alone: readiness is more there.
      const isSame = (a: Route, b: Route) => a.method === b.method && a.path === b.path;
      const server = await startHttp({
        host,
        port,
        alsoLocalhost: options.bindLocalhost,
        routes: [...own.filter((route) => !more.routes.some((other) => isSame(route, other))), ...more.routes],
        streams: [queryStream(cantal, cost), graphqlStream(graphql), ...more.streams],
        peerStreams: remote === null ? [] : [remote.stream],
        staticDir: join(packageRoot(), 'dist', 'web'),
        tokens,
        clusterKeys: keys,
        // Names of nodes resolve in many networks; an address always does.
        hostNames: isIP(hostname) === 0 ? [hostname] : [],
        software: `cantal/${version}`,
        ...(more.audit === undefined ? {} : { audit: more.audit }),
        ...(more.frontends === undefined ? {} : { frontends: more.frontends }),
        report,
      });
      stops.push(() => server.stop());

      const ownMetrics = (): readonly OwnMetric[] => [
        ...agentMetrics({
          webSocketClients: server.streamClients(),
          backlog: sinks.backlog(),
          packets: cluster?.packets() ?? null,
        }),
        ...(more.metrics?.() ?? []),
      ];
      const exported = exportOwn(process.env, [...ownMetrics(), ...scannerMetrics(scanner.health())], warn);
      const quiet = cantal.onScan(() => {
        const metrics = ownMetrics();
        scanner.report(metrics);
        exported?.set([...metrics, ...scannerMetrics(scanner.health())]);
      });
      stops.push(() => {
        quiet();
        exported?.close();
      });
      return server;
    },
  };
}

async function startNode(
  { name: clusterName, join: targets, storageDir, allowMinority, election }: ClusterPartOptions,
  own: Pick<Identity, 'id' | 'hostname' | 'name' | 'keys'> & { readonly host: string; readonly port: number },
  { stops, warn }: Pick<Stops, 'stops' | 'warn'>,
): Promise<Cluster> {
  const { id: machineId, host, port, hostname, name, keys } = own;
  const cluster = await startCluster({
    ...{ host, port, machineId, hostname, name, keys, clusterName, storageDir, allowMinority },
    join: targets.flatMap((target) => (target.kind === 'address' ? [target.addr] : [])),
    election,
    log: warn,
  });
  stops.push(() => cluster.stop());
  const discovery = startDiscovery({
    // Addresses are the cluster's own seeds: it knocks at them for as long as it is alone.
    targets: targets.filter(({ kind }) => kind !== 'address'),
    addHost: (addr) => cluster.addHost(addr),
    hasPeers: () => cluster.members().some(({ liveness }) => liveness === 'alive'),
    log: warn,
  });
  stops.push(() => discovery.stop());
  return cluster;
}
