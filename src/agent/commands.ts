import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { JoinTarget } from '../cluster/discovery.ts';
import { version } from '../version.ts';
import { defaultLogKeep, type LogKeep } from '../verwalter/log/retention.ts';
import { defaultRecordKeep, type RecordKeep } from '../verwalter/recording/record-keep.ts';
import {
  collectLabels,
  collectTargets,
  type HostLabels,
  keepHistory,
  logKeep,
  machineId,
  number,
  type ProcessMetrics,
  processMetricsOption,
  recordKeep,
  roundInterval,
} from './option-values.ts';
import { applyOptionsFile } from './options-file.ts';

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
  readonly logKeep: LogKeep;
  readonly dryRun: boolean;
  readonly useSudo: boolean;
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
  /** ms */
  readonly roundInterval: number;
  /** Percent. */
  readonly maxShrink: number;
  readonly recordKeep: RecordKeep;
  readonly strictSchedule: boolean;
  readonly strictScheduler: boolean;
  readonly defaultFrontend: string;
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
    .option(
      '--token-file <file>',
      'who may do what: lines NAME view|act|act:ROLES|admin SECRET, or a SECRET alone; without it nothing can be changed',
    )
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
    .addOption(
      new Option('--log-keep <limits>', 'render logs that are older, or beyond this size in all, are removed')
        .argParser(logKeep)
        .default(defaultLogKeep, '30 days, 1 GiB'),
    )
    .option('-n, --dry-run', 'render and log what would be written and run; do nothing of it', false)
    .option('--use-sudo', 'start the programs of templates as root, through sudo -n', false)
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
      '--round-interval <duration>',
      'pause between rounds of the scheduler (default: "5 s")',
      roundInterval,
      5000,
    )
    .option(
      '--max-shrink <percent>',
      'a schedule that stops more of all instances at once, unasked, is held until somebody decides',
      number('max-shrink', 0, 100),
      50,
    )
    .addOption(
      new Option('--record-keep <limits>', 'how many recorded rounds stay: a duration, a size or both')
        .argParser(recordKeep)
        .default(defaultRecordKeep, '24h,1GiB'),
    )
    .option('--strict-schedule', 'refuse a schedule that has warnings', false)
    .option('--strict-scheduler', 'make errors of the scheduler’s writes to globals', false)
    .option('--default-frontend <name>', 'page at /: common, or a folder of frontend/ in the config dir', 'common')
    .addOption(
      new Option('--log-level <level>', 'what is logged to standard error')
        .choices(['fatal', 'error', 'warn', 'info', 'debug'])
        .env('VERWALTER_LOG')
        .default('info'),
    )
    .version(version, '--version', 'version of this program')
    .helpOption('--help', 'this text')
    .addHelpText(
      'after',
      `
Each option may also stand in verwalter.yaml of the config dir: a key without the dashes, as "port: 8380"; the command
line wins. Exit codes: 0 ended by SIGTERM or SIGINT; 2 wrong words; 3 cannot start (options, files, addresses);
81 storage, 82 scan, 83 event loop ended; 91 event loop stalled for a minute.`,
    )
    .action(async (options: AgentOptions, command: Command) => {
      const problems = applyOptionsFile(command, join(options.configDir, 'verwalter.yaml'));
      if (problems.length > 0) {
        for (const problem of problems) process.stderr.write(`stellwerk agent: ${problem}\n`);
        process.exitCode = 3;
        return;
      }
      const { runAgent } = await import('./agent.ts');
      process.exitCode = await runAgent(command.opts<AgentOptions>());
    });
}
