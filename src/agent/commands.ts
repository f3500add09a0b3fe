import { Command, Option } from 'commander';
import type { JoinTarget } from '../cluster/discovery.ts';
import {
  collectLabels,
  collectTargets,
  type HostLabels,
  keepHistory,
  machineId,
  number,
  type ProcessMetrics,
  processMetricsOption,
} from './option-values.ts';

/** What `stellwerk agent` takes; names as in the specifications of cantal and verwalter. */
export interface AgentOptions {
  readonly host: string;
  readonly port: number;
  readonly hostname?: string;
  readonly name?: string;
  readonly machineId?: string;
  readonly clusterName: string;
  readonly label: HostLabels;
  readonly clusterKeyFile?: string;
  readonly openCluster: boolean;
  readonly tokenFile?: string;
  readonly join: readonly JoinTarget[];
  readonly configDir: string;
  readonly carbonDir: string;
  readonly storageDir: string;
  readonly logDir: string;
  readonly lithosMaster: string;
  readonly interval: number;
  /** ms */
  readonly keepHistory: number;
  readonly maxMetrics: number;
  readonly processMetrics: ProcessMetrics;
  readonly perCpuMetrics: boolean;
  readonly pressureAverages: boolean;
  readonly procRoot: string;
  readonly sysRoot: string;
  readonly minCluster: number;
  readonly expectedPeers?: number;
  readonly neverLeader: boolean;
  readonly debugForceLeader: boolean;
  readonly allowMinorityCluster: boolean;
  /** Percent. */
  readonly maxShrink: number;
  readonly strictSchedule: boolean;
  readonly strictScheduler: boolean;
  readonly logLevel: string;
}

export function agentCommand(): Command {
  return new Command('stellwerk agent')
    .description('The daemon of a node: cantal and verwalter, gossip, HTTP, web UI')
    .option(
      '-h, --host <ip>',
      'address of HTTP (TCP) and of the cluster (UDP); 0.0.0.0 or ::: all of the host’s',
      '127.0.0.1',
    )
    .option('-p, --port <n>', 'port of both; the same on every node', number('port', 1, 65_535), 8379)
    .option('--hostname <name>', 'short name: the key of this node in a schedule (default: the host’s)')
    .option('--name <name>', 'name shown and used in links (default: hostname)')
    .option('--machine-id <hex>', '32 hex digits instead of /etc/machine-id', machineId)
    .option('--cluster-name <name>', 'packets of other clusters are dropped', 'default')
    .option(
      '--label <name=value>',
      'what this host is, as role=web, for queries about some hosts; may be repeated',
      collectLabels,
      [],
    )
    .option(
      '--cluster-key-file <file>',
      'secret of the cluster, a key in hex per line: the first signs, all are accepted',
    )
    .option('--open-cluster', 'beyond loopback without a key: whoever reaches the port may join', false)
    .option('--token-file <file>', 'secret that a request needs to change anything; without it nothing can be changed')
    .option(
      '--join <target>',
      'nodes to join by: IP:PORT, NAME:PORT (all its addresses) or @FILE of such lines; may be repeated',
      collectTargets,
      [],
    )
    .option('--config-dir <dir>', 'scheduler, templates, runtime metadata', '/etc/verwalter')
    .option(
      '--carbon-dir <dir>',
      'NAME.carbon.yaml, .remote-write.yaml, .otlp.yaml of each receiver; read again at SIGHUP',
      '/etc/cantal',
    )
    .option('--storage-dir <dir>', 'what a restart must remember', '/var/lib/verwalter')
    .option('--log-dir <dir>', 'render logs', '/var/log/verwalter')
    .option('--lithos-master <file>', 'master config of this host’s tree', '/etc/lithos/master.yaml')
    .option('-i, --interval <ms>', 'scan period', number('interval', 100, 60_000), 2000)
    .option('--keep-history <duration>', 'how long samples are kept, as 90min, 1h or "2 days"', keepHistory, 3_600_000)
    .option(
      '--max-metrics <n>',
      'series beyond it are refused and counted',
      number('max-metrics', 1, 10_000_000),
      100_000,
    )
    .option('--proc-root <dir>', 'where proc(5) is', '/proc')
    .option('--sys-root <dir>', 'where sysfs(5) is', '/sys')
    .addOption(processMetricsOption())
    .option('--no-process-metrics', 'no series of single processes; their table and the sums of cgroups stay')
    .option('--per-cpu-metrics', 'ticks of each processor also where there are more than 64', false)
    .option('--pressure-averages', 'pressure also as averages of 10 s, 60 s and 300 s', false)
    .option(
      '--min-cluster <n>',
      'lead only while so many nodes are seen, this one included',
      number('min-cluster', 0, 100_000),
      0,
    )
    .option(
      '--expected-peers <n>',
      'nodes of the whole cluster, this one included: a majority is of them, not of those known',
      number('expected-peers', 1, 100_000),
    )
    .option('--never-leader', 'vote and follow, never lead', false)
    .addOption(
      new Option('--debug-force-leader', 'lead at once, whatever others say: to look at one node alone')
        .default(false)
        .conflicts('neverLeader'),
    )
    .option('--allow-minority-cluster', 'elect a leader among the reachable nodes even if they are few', false)
    .option(
      '--max-shrink <percent>',
      'a schedule that stops more of all instances at once, unasked, is held until somebody decides',
      number('max-shrink', 0, 100),
      50,
    )
    .option('--strict-schedule', 'refuse a schedule that has warnings', false)
    .option('--strict-scheduler', 'make errors of the scheduler’s writes to globals', false)
    .addOption(
      new Option('--log-level <level>', 'what is logged to standard error')
        .choices(['fatal', 'error', 'warn', 'info', 'debug'])
        .default('info'),
    )
    .helpOption('--help', 'this text')
    .action(async (options: AgentOptions) => {
      const { runAgent } = await import('./agent.ts');
      process.exitCode = await runAgent(options);
    });
}
