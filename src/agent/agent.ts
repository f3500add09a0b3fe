import { mkdirSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { startCarbon } from '../cantal/carbon/carbon.ts';
import { carbonRoutes } from '../cantal/carbon/routes.ts';
import { exportRoutes } from '../cantal/export-routes.ts';
import { queryStream } from '../cantal/query-stream.ts';
import { remoteQueries } from '../cantal/remote.ts';
import { cantalRoutes } from '../cantal/routes.ts';
import { startCantal } from '../cantal/shell.ts';
import { startDiscovery } from '../cluster/discovery.ts';
import { clusterRoutes } from '../cluster/routes.ts';
import { startCluster } from '../cluster/shell.ts';
import { peerHttp } from '../http/peer-http.ts';
import { startHttp } from '../http/server.ts';
import { logTo } from '../log.ts';
import { packageRoot } from '../native/load.ts';
import { createScanner } from '../native/scanner.ts';
import { version } from '../version.ts';
import { verwalterRoutes } from '../verwalter/routes.ts';
import { startVerwalter } from '../verwalter/shell.ts';
import { forwardToLeader } from './actions.ts';
import type { NodeReport } from './api.ts';
import type { AgentOptions } from './commands.ts';
import { type Identity, readIdentity } from './identity.ts';
import { liveStream } from './live.ts';
import { isNodeReport, nodeReport } from './node-report.ts';
import { collectOverview } from './overview.ts';
import { agentRoutes, reportPath } from './routes.ts';
import { treeOf } from './tree.ts';

/** Spec verwalter 7: the first configuration cannot be used, or an address cannot be had. */
const badStart = 3;
const standardError = 2;
/** Half of the page's period: a node that answers later is shown as not reachable. */
const reportTimeoutMs = 1_000;
/** Some hundred containers. */
const mostReportBytes = 1024 * 1024;

/** Runs the agent until SIGTERM or SIGINT. The exit code: 0, or 3 where it could not start. */
export async function runAgent(options: AgentOptions): Promise<number> {
  const log = logTo(standardError, options.logLevel);
  const stops: (() => Promise<void> | void)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.reverse()) await stop();
  };
  try {
    const identity = readIdentity(options);
    for (const warning of identity.warnings) log.warn(warning);
    await start(options, identity, stops, (line) => log.warn(line));
    log.info(`stellwerk ${version}: ${identity.hostname} (${identity.id}) on ${options.host}:${options.port}`);
  } catch (error) {
    log.fatal(`cannot start: ${error instanceof Error ? error.message : String(error)}`);
    await stopAll();
    return badStart;
  }
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  });
  log.info(`${signal}: the agent stops; containers run on`);
  await stopAll();
  return 0;
}

/** Puts the parts together; each that was started leaves its stop in `stops`, the last one first to be called. */
async function start(
  options: AgentOptions,
  identity: Identity,
  stops: (() => Promise<void> | void)[],
  warn: (line: string) => void,
): Promise<void> {
  for (const folder of [options.storageDir, options.logDir]) mkdirSync(folder, { recursive: true });
  const { id, hostname, name, keys, tokens } = identity;

  const cantal = startCantal({
    scanner: createScanner({
      intervalMs: options.interval,
      keepHistoryMs: options.keepHistory,
      maxSeries: options.maxMetrics,
      processMetrics: options.processMetrics,
    }),
    intervalMs: options.interval,
    version,
    store: { folder: join(options.storageDir, 'history'), keepHistoryMs: options.keepHistory },
    log: warn,
  });
  stops.push(() => cantal.stop());

  const cluster = await startCluster({
    host: options.host,
    port: options.port,
    machineId: id,
    hostname,
    name,
    clusterName: options.clusterName,
    keys,
    join: options.join.flatMap((target) => (target.kind === 'address' ? [target.addr] : [])),
    allowMinority: options.allowMinorityCluster,
    storageDir: options.storageDir,
    log: warn,
  });
  stops.push(() => cluster.stop());
  const discovery = startDiscovery({
    // Addresses are the cluster's own seeds: it knocks at them for as long as it is alone.
    targets: options.join.filter(({ kind }) => kind !== 'address'),
    addHost: (addr) => cluster.addHost(addr),
    hasPeers: () => cluster.members().some(({ liveness }) => liveness === 'alive'),
    log: warn,
  });
  stops.push(() => discovery.stop());

  const carbon = startCarbon({
    folder: options.carbonDir,
    moment: () => {
      const peers = cluster.members();
      return {
        source: cantal.moment(),
        processes: cantal.processes(),
        cluster: options.clusterName,
        hostname,
        peers: { known: peers.length, stale: peers.filter(({ liveness }) => liveness !== 'alive').length },
      };
    },
    log: warn,
  });
  const reread = () => carbon.reload();
  process.on('SIGHUP', reread);
  stops.push(async () => {
    process.off('SIGHUP', reread);
    await carbon.stop();
  });

  const http = peerHttp({ keys });
  stops.push(() => http.stop());
  const remote = remoteQueries({ cantal, cluster, http });

  const verwalter = startVerwalter({
    peers: cluster,
    metrics: remote,
    peerHttp: http,
    configDir: options.configDir,
    storageDir: options.storageDir,
    logDir: options.logDir,
    version,
    maxShrink: options.maxShrink / 100,
    strictSchedule: options.strictSchedule,
    strictScheduler: options.strictScheduler,
    lithosSwitch: [
      process.execPath,
      join(packageRoot(), 'bin', 'stellwerk.js'),
      ...['lithos', 'switch', '--master', options.lithosMaster],
    ],
    log: warn,
  });
  stops.push(() => verwalter.stop());

  const tree = treeOf(options.lithosMaster);
  const report = (): Promise<NodeReport> => nodeReport({ id, hostname, version, cantal, verwalter, treeStatus: tree });
  const lastReports = new Map<string, NodeReport>();
  const overview = () =>
    collectOverview({
      clusterName: options.clusterName,
      version,
      peers: cluster,
      schedule: () => verwalter.schedule(),
      ownReport: report,
      lastReports,
      async reportOf(addr) {
        const reply = await http.getJson(addr, reportPath, reportTimeoutMs, mostReportBytes);
        if (!isNodeReport(reply)) throw new Error(`${addr}: its report is not understood`);
        return reply;
      },
    });
  const server = await startHttp({
    host: options.host,
    port: options.port,
    routes: [
      ...cantalRoutes(cantal, remote, { id, hostname, name, cluster: options.clusterName }),
      ...carbonRoutes(carbon),
      ...exportRoutes(cantal, { hostname, cluster: options.clusterName }),
      ...clusterRoutes(cluster),
      ...forwardToLeader({ routes: verwalterRoutes(verwalter), peers: cluster, http }),
      ...agentRoutes({ overview, report, remote, nowMs: Date.now }),
    ],
    streams: [liveStream(overview), queryStream(cantal)],
    staticDir: join(packageRoot(), 'dist', 'web'),
    tokens,
    clusterKeys: keys,
    // Names of nodes resolve in many networks; an address always does.
    hostNames: isIP(hostname) === 0 ? [hostname] : [],
    report: (what, error) => warn(`${what}: ${error instanceof Error ? error.stack : String(error)}`),
  });
  stops.push(() => server.stop());
}
