import { Command, InvalidArgumentError } from 'commander';
import { version } from '../version.ts';

interface Output {
  readonly json?: true;
}

export interface ValuesWords extends Output {
  readonly watch: boolean;
  /** Seconds. */
  readonly interval: number;
}

export interface BridgeWords {
  readonly carbon: string;
  readonly interval: number;
  readonly pattern: string;
  readonly prefix: string;
  readonly processes: boolean;
  readonly everySample: boolean;
  readonly tokenFile?: string;
  readonly once: boolean;
}

function address(text: string): string {
  if (/^(\[[\da-f:.]+\]|[\w.-]+):\d{1,5}$/i.test(text) && Number(/\d+$/.exec(text)?.[0]) <= 65_535) return text;
  throw new InvalidArgumentError('An address is HOST:PORT.');
}

const addresses = (text: string, all: readonly string[]): readonly string[] => [...all, address(text)];

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError('interval is from 0.1 to 86400.');
}

/** `cantal …`; without a subcommand its words are those of `values`. `cantal agent` is `cantal-agent`. */
export function cantalCommand(): Command {
  const command = new Command('cantal')
    .description('Numbers of this host, and of programs that export theirs')
    .usage('FILE_OR_PID... [--json] [--watch] | COMMAND ...')
    .version(version, '-V, --version', 'version of this program')
    .addHelpText(
      'after',
      `
  cantal FILE_OR_PID...           is: cantal values FILE_OR_PID...
  cantal agent [options]          the daemon: cantal agent --help`,
    );
  command
    .command('once')
    .description('scan once and print every value')
    .option('--json', 'one JSON document')
    .action(async ({ json }: Output) => {
      const { printOnce } = await import('./print.ts');
      process.exitCode = await printOnce(json === true, {});
    });
  command
    .command('values', { isDefault: true })
    .description('read values that programs export, without an agent')
    .argument('<FILE_OR_PID...>', 'common path of FILE.meta and FILE.values, or a process id')
    .option('--json', 'one JSON document per metric')
    .option('--watch', 'again and again: redraws a terminal, writes lines elsewhere', false)
    .option('--interval <s>', 'seconds between two looks of --watch', seconds, 2)
    .addHelpText('after', '\nExit code: 0; 1 if anything could not be read; 2 for bad options.')
    .action(async (words: readonly string[], { json, watch, interval }: ValuesWords) => {
      const { printValues, watchValues } = await import('./print.ts');
      process.exitCode = watch
        ? await watchValues(words, json === true, interval * 1000)
        : await printValues(words, json === true);
    });
  command
    .command('graphite-bridge')
    .description('scrape agents and send what they say to carbon; names: docs/cantal.md, "Graphite"')
    .argument('<HOST:PORT...>', 'agents to ask', addresses, [])
    .requiredOption('--carbon <host:port>', 'receiver of the plaintext protocol', address)
    .option('--interval <s>', 'seconds between two rounds', seconds, 10)
    .option('--pattern <regex>', 'names of metrics; default: all', '')
    .option('--prefix <path>', 'before every name', 'cantal')
    .option('--processes', 'numbers of single processes too', false)
    .option('--every-sample', 'all samples since the last round, not the newest alone', false)
    .option('--token-file <file>', 'token for agents of other hosts; its first line counts')
    .option('--once', 'one round; exit 1 if a host failed', false)
    .action(async (hosts: readonly string[], options: BridgeWords) => {
      const { bridge } = await import('./sinks/carbon/bridge-command.ts');
      process.exitCode = await bridge(hosts, options);
    });
  return command;
}
