import { Command, InvalidArgumentError } from 'commander';

/** What `stellwerk agent` takes; names as in the specifications of cantal and verwalter. */
export interface AgentOptions {
  readonly host: string;
  readonly port: number;
  readonly hostname?: string;
  readonly name?: string;
  readonly machineId?: string;
  readonly clusterName: string;
  readonly clusterKeyFile?: string;
  readonly tokenFile?: string;
  readonly join: readonly string[];
  readonly configDir: string;
  readonly storageDir: string;
  readonly logDir: string;
  readonly lithosMaster: string;
  readonly interval: number;
  readonly allowMinorityCluster: boolean;
}

export function agentCommand(): Command {
  return new Command('stellwerk agent')
    .description('The daemon of a node: cantal and verwalter, gossip, HTTP, web UI')
    .option('-h, --host IP', 'address of HTTP (TCP) and of the cluster (UDP)', '127.0.0.1')
    .option('-p, --port N', 'port of both; the same on every node', number('port', 1, 65_535), 8379)
    .option('--hostname NAME', 'short name: the key of this node in a schedule (default: the host’s)')
    .option('--name NAME', 'name shown and used in links (default: hostname)')
    .option('--machine-id HEX', '32 hex digits instead of /etc/machine-id', machineId)
    .option('--cluster-name NAME', 'packets of other clusters are dropped', 'default')
    .option(
      '--cluster-key-file FILE',
      'secret of the cluster, a key in hex per line: the first signs, all are accepted',
    )
    .option('--token-file FILE', 'secret that a request needs to change anything; without it nothing can be changed')
    .option('--join IP:PORT', 'a node to join by; may be repeated', collect, [])
    .option('--config-dir DIR', 'scheduler, templates, runtime metadata', '/etc/verwalter')
    .option('--storage-dir DIR', 'what a restart must remember', '/var/lib/verwalter')
    .option('--log-dir DIR', 'render logs', '/var/log/verwalter')
    .option('--lithos-master FILE', 'master config of this host’s tree', '/etc/lithos/master.yaml')
    .option('-i, --interval MS', 'scan period', number('interval', 100, 60_000), 2000)
    .option('--allow-minority-cluster', 'elect a leader among the reachable nodes even if they are few', false)
    .helpOption('--help', 'this text')
    .action(async (options: AgentOptions) => {
      const { runAgent } = await import('./agent.ts');
      process.exitCode = await runAgent(options);
    });
}

function number(name: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`${name} is a whole number from ${least} to ${most}.`);
  };
}

function machineId(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw new InvalidArgumentError('A machine id is 32 lower-case hex digits.');
}

function collect(value: string, all: readonly string[]): readonly string[] {
  return [...all, value];
}
