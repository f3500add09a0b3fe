import { Command } from 'commander';
import type { JoinTarget } from '../cluster/discovery.ts';
import { version } from '../version.ts';
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

/** What `cantal-agent` takes: spec cantal 9. */
export interface CantalAgentOptions {
  readonly host: string;
  readonly port: number;
  readonly bindLocalhost: boolean;
  readonly nodeName?: string;
  readonly clusterName?: string;
  readonly clusterKey?: string;
  readonly openCluster: boolean;
  readonly join: readonly JoinTarget[];
  readonly label: HostLabels;
  /** ms */
  readonly interval: number;
  /** ms */
  readonly keepHistory: number;
  readonly overrideMachineId?: string;
  readonly storageDir?: string;
  readonly configDir: string;
  readonly httpTokenFile?: string;
  readonly maxMetrics: number;
  readonly procRoot: string;
  readonly sysRoot: string;
  readonly processMetrics: ProcessMetrics;
  readonly perCpuMetrics: boolean;
  readonly pressureAverages: boolean;
  readonly checkConfig: boolean;
  readonly once: boolean;
}

/** `cantal-agent`, which is `cantal agent`: monitoring alone. */
export function cantalAgentCommand(): Command {
  return new Command('cantal-agent')
    .description('Watches this host and tells of it: scans, an hour of history, HTTP; gossip where there is a cluster')
    .option('-p, --port <n>', 'port of HTTP and of gossip', number('port', 1, 65_535), 22_682)
    .option('-h, --host <ip>', 'address of HTTP and of gossip', '127.0.0.1')
    .option('--bind-localhost', 'listen on localhost as well', false)
    .option('-n, --node-name <name>', 'shown and used in links (default: host name)')
    .option('--cluster-name <name>', 'talk to the other nodes of this cluster (default: to nobody, no UDP socket)')
    .option('--cluster-key <file>', 'secret of the cluster, a key in hex per line: the first signs, all are accepted')
    .option(
      '--join <target>',
      'nodes to begin with: IP:PORT, NAME:PORT or @FILE of such lines; may be repeated; also POST /add_host',
      collectTargets,
      [],
    )
    .option('--open-cluster', 'gossip on a network without a key: anybody there can join', false)
    .option(
      '--label <name=value>',
      'what queries of the cluster may choose this host by; may be repeated',
      collectLabels,
      [],
    )
    .option('-i, --interval <ms>', 'scan period, 100 to 60000', number('interval', 100, 60_000), 2000)
    .option('--keep-history <duration>', 'how long samples are kept (default: "1 hour")', keepHistory, 3_600_000)
    .option('--override-machine-id <hex>', 'instead of /etc/machine-id', machineId)
    .option('-d, --storage-dir <dir>', 'what a restart remembers (default: nothing, and no snapshots are made)')
    .option('-c, --config-dir <dir>', 'receivers: NAME.carbon.yaml, .remote-write.yaml, .otlp.yaml', '/etc/cantal')
    .option('--http-token-file <file>', 'secret for changes, and for reading from other hosts; a token per line')
    .option('--max-metrics <n>', 'series beyond it are refused, counted', number('max-metrics', 1, 10_000_000), 100_000)
    .option('--proc-root <dir>', 'where proc(5) is', '/proc')
    .option('--sys-root <dir>', 'where sysfs(5) is', '/sys')
    .addOption(processMetricsOption())
    .option('--no-process-metrics', 'no series of single processes; their table and the sums of cgroups stay')
    .option('--per-cpu-metrics', 'ticks of each processor also where there are more than 64', false)
    .option('--pressure-averages', 'pressure also as averages of 10 s, 60 s and 300 s', false)
    .option('--check-config', 'say what is wrong with options and files, and exit: 0 nothing, 2 something', false)
    .option('--once', 'print one scan as JSON and exit', false)
    .version(version, '--version', 'version of this program')
    .helpOption('--help', 'this text')
    .addHelpText(
      'after',
      `
Environment:
  CANTAL_LOG        error, warn, info (default), debug, trace or off
  CANTAL_LOG_STYLE  auto (default), always or never: colours; json: a document per line

Exit codes: 0 ended by SIGTERM or SIGINT with a snapshot; 2 bad start; 3 no HTTP; 81 storage, 82 scan, 83 event loop
ended. SIGHUP reads the receivers again.`,
    )
    .action(async (options: CantalAgentOptions) => {
      const { runCantalAgent } = await import('./cantal-agent.ts');
      process.exitCode = await runCantalAgent(options);
    });
}
