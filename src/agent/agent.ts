import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ElectionConfig } from '../cluster/election/config.ts';
import { logTo } from '../log.ts';
import { packageRoot } from '../native/load.ts';
import { version } from '../version.ts';
import { auditRoute } from '../verwalter/audit-route.ts';
import { backupRoutes } from '../verwalter/backup-routes.ts';
import { explainRoutes } from '../verwalter/explain-routes.ts';
import { graphqlOf } from '../verwalter/graphql/routes.ts';
import { openAuditLog } from '../verwalter/log/audit-log.ts';
import { logRoutes } from '../verwalter/log/log-routes.ts';
import { recordingRoutes } from '../verwalter/recording/recording-routes.ts';
import { currentLogDirs } from '../verwalter/render/sandbox.ts';
import { verwalterRoutes } from '../verwalter/routes.ts';
import { startVerwalter } from '../verwalter/shell.ts';
import { snapshotRendered, snapshotStore } from '../verwalter/snapshot-store.ts';
import { statusViewer } from '../verwalter/status-view.ts';
import { forwardToLeader } from './actions.ts';
import type { NodeReport } from './api.ts';
import { startCantalPart } from './cantal-part.ts';
import type { AgentOptions } from './commands.ts';
import { exitCodes, type Running, runDaemon, type Stops } from './daemon.ts';
import { readIdentity } from './identity.ts';
import { liveStream } from './live.ts';
import { isNodeReport, nodeReport } from './node-report.ts';
import { collectOverview } from './overview.ts';
import { renderEverywhere } from './render-everywhere.ts';
import { agentRoutes, reportPath } from './routes.ts';
import { treeOf } from './tree.ts';
import { verwalterMetrics } from './verwalter-metrics.ts';

const standardError = 2;
/** Half of the page's period: a node that answers later is shown as not reachable. */
const reportTimeoutMs = 1_000;
/** Some hundred containers. */
const mostReportBytes = 1024 * 1024;

/** Runs the agent until SIGTERM or SIGINT. The exit code: 0, or 3 where it could not start (spec verwalter 7). */
export function runAgent(options: AgentOptions): Promise<number> {
  return runDaemon({
    log: logTo(standardError, options.logLevel),
    intervalMs: options.interval,
    farewell: 'the agent stops; containers run on',
    stalledCode: exitCodes.stalled,
    start: (stops) => start(options, stops),
    failed: () => exitCodes.noHttp,
  });
}

/** Options that name what verwalter's specification names. */
const electionOf = (options: AgentOptions): Partial<ElectionConfig> => ({
  neverLead: options.neverLeader,
  minCluster: options.minCluster,
  expectedPeers: options.expectedPeers ?? null,
  forceLeader: options.debugForceLeader,
});

async function start(options: AgentOptions, ends: Stops): Promise<Running> {
  const { stops, warn } = ends;
  const identity = readIdentity({ ...options, gossips: true });
  for (const warning of identity.warnings) warn(warning);
  if (options.debugForceLeader) warn('--debug-force-leader: this node leads whatever others say, never beside others');
  for (const folder of [options.storageDir, options.logDir]) mkdirSync(folder, { recursive: true });
  const { id, hostname } = identity;
  const { clusterName, storageDir } = options;

  const part = await startCantalPart(
    {
      ...options,
      bindLocalhost: false,
      historyDir: join(storageDir, 'history'),
      sinksDir: options.carbonDir,
      cluster: {
        name: clusterName,
        join: options.join,
        storageDir,
        allowMinority: options.allowMinorityCluster,
        election: electionOf(options),
      },
    },
    identity,
    ends,
  );
  const { cantal, cluster, remote, http } = part;
  if (cluster === null || remote === null) throw new Error('verwalter needs a cluster');

  const verwalter = startVerwalter({
    peers: cluster,
    metrics: remote,
    peerHttp: http,
    configDir: options.configDir,
    storageDir,
    logDir: options.logDir,
    logKeep: options.logKeep,
    dryRun: options.dryRun,
    useSudo: options.useSudo,
    roundIntervalMs: options.roundInterval,
    version,
    maxShrink: options.maxShrink / 100,
    recordKeep: options.recordKeep,
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
  const snapshots = snapshotStore({ storageDir, nowMs: Date.now, onProblem: warn });
  stops.push(snapshotRendered(verwalter, snapshots));

  const audit = openAuditLog({ dir: options.logDir, keep: options.logKeep, nowMs: Date.now });
  const tree = treeOf(options.lithosMaster);
  const report = (): Promise<NodeReport> => nodeReport({ id, hostname, version, cantal, verwalter, treeStatus: tree });
  const lastReports = new Map<string, NodeReport>();
  const overview = () =>
    collectOverview({
      clusterName,
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
  const election = () => cluster.electionView();
  const notReady = (): string | null => {
    if (cantal.status().scan_time === 0) return 'no scan has ended yet';
    return cantal.healthy() ? null : 'scans have stopped';
  };
  const context = {
    ...{ version, peers: cluster, election, notReady },
    defaultFrontend: options.defaultFrontend,
    forcedLeader: options.debugForceLeader,
  };
  const viewer = statusViewer(verwalter, context);
  const graphql = graphqlOf({
    ...{ verwalter, viewer, election },
    report: (what, error) => warn(`${what}: ${error instanceof Error ? error.stack : String(error)}`),
  });
  await part.listen({
    routes: [
      ...explainRoutes({
        ...verwalter,
        hosts: () => [cluster.self, ...cluster.members()].map((each) => each.hostname),
      }),
      ...backupRoutes(snapshots),
      ...logRoutes({ logDir: options.logDir, logDirs: currentLogDirs(join(options.configDir, 'sandbox')) }),
      ...forwardToLeader({
        routes: renderEverywhere({ routes: verwalterRoutes(verwalter, context, viewer), peers: cluster, http }),
        peers: cluster,
        http,
      }),
      ...graphql.routes,
      auditRoute(audit),
      ...recordingRoutes(verwalter),
      ...agentRoutes({ overview, report, remote, nowMs: Date.now }),
    ],
    streams: [liveStream(overview), graphql.stream],
    metrics: verwalterMetrics({ verwalter, cluster, wallMs: Date.now }),
    frontends: { folder: join(options.configDir, 'frontend'), defaultName: options.defaultFrontend },
    audit(entry) {
      const before = audit.problem();
      audit.note(entry);
      const problem = audit.problem();
      if (problem !== null && problem !== before) warn(problem);
    },
  });
  return {
    greeting: `stellwerk ${version}: ${hostname} (${id}) on ${options.host}:${options.port}`,
    onScan: (listener) => void cantal.onScan(listener),
    reload: part.reload,
  };
}
