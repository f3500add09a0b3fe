import { Command, InvalidArgumentError, Option } from 'commander';
import { version } from '../version.ts';
import { type LogLevel, logLevels } from './config/master-config.ts';

const usualMaster = '/etc/lithos/master.yaml';
const usageError = 2;

const levelOption = (): Option => new Option('--log-level <level>', 'instead of the configs’').choices([...logLevels]);

/** `lithos …`. Each command loads what it needs when it is run: help does not wait for any of it. */
export function lithosCommand(): Command {
  const command = new Command('lithos').description('Production containers of this host').version(version);
  // Words after NAME of `cmd` are the command's own, whatever they look like.
  command.enablePositionalOptions();
  for (const add of [tree, knot, check, cmd, switchTo, ps, clean, crypt, image, mkdev]) add(command);
  return command;
}

function tree(lithos: Command): void {
  lithos
    .command('tree')
    .description(
      'run the supervisor: SIGTERM stops all containers, SIGHUP starts it again in place, SIGUSR1 opens its logs anew, SIGUSR2 leaves the containers running',
    )
    .option('-C, --config <file>', 'master config', usualMaster)
    .option('--log-stderr', 'log to standard error instead of log-file', false)
    .addOption(levelOption())
    .action(async (options: { config: string; logStderr: boolean; logLevel?: LogLevel }) => {
      const { runTree } = await import('./tree.ts');
      // Exit at once: a closed socket may still hold the event loop.
      process.exit(await runTree({ ...options, logLevel: options.logLevel ?? null }));
    });
}

function knot(lithos: Command): void {
  lithos
    .command('knot')
    .description('run one container in the foreground, as the tree would have it run (for finding out what is wrong)')
    .requiredOption('--name <name>', 'SANDBOX/PROCESS.N, or SANDBOX/cmd.NAME.PID')
    .option('--master <file>', 'master config', usualMaster)
    .requiredOption('--config <json>', 'the instance, as instance.json in its state folder says it')
    .option('--log-stderr', 'log to standard error instead of the sandbox’s log', false)
    .addOption(levelOption())
    .argument('[args...]', 'added to the arguments of a Command')
    .action(
      async (
        args: string[],
        options: { name: string; master: string; config: string; logStderr: boolean; logLevel?: LogLevel },
      ) => {
        const { runOneKnot } = await import('./foreground.ts');
        process.exit(await runOneKnot({ ...options, arguments: args, logLevel: options.logLevel ?? null }));
      },
    );
}

function check(lithos: Command): void {
  lithos
    .command('check')
    .description(
      'check all configs of this host, or one process config before it is put in place; exit 1 if any is wrong',
    )
    .option('-C, --config <file>', 'master config', usualMaster)
    .option('--alternate-config <file>', 'look at FILE as if it were the process config of --sandbox')
    .option('--sandbox <name>', 'the sandbox of --alternate-config')
    .addOption(new Option('--sandbox-name <name>').hideHelp())
    .addOption(new Option('-T, --tree <name>').hideHelp())
    .addOption(new Option('--subtree-name <name>').hideHelp())
    .option('--check-container <file...>', 'only these container configs; neither master nor image is needed')
    .option('-v, --verbose', 'say what was looked at', false)
    .action(async (options: CheckOptions) => {
      process.exitCode = await runCheck(options);
    });
}

function cmd(lithos: Command): void {
  lithos
    .command('cmd')
    .description('run a process of kind Command in the foreground; its exit code, 128 + N where signal N ended it')
    .argument('<SANDBOX>')
    .argument('<NAME>')
    .argument('[args...]', 'added to the arguments of its container config')
    .option('--master <file>', 'master config', usualMaster)
    .option('--log-stderr', 'log to standard error instead of the sandbox’s log', false)
    .addOption(levelOption())
    .passThroughOptions()
    .action(
      async (
        sandbox: string,
        name: string,
        args: string[],
        options: { master: string; logStderr: boolean; logLevel?: LogLevel },
      ) => {
        const { runCommand } = await import('./foreground.ts');
        const logLevel = options.logLevel ?? null;
        process.exit(await runCommand({ ...options, sandbox, name, arguments: args, logLevel }));
      },
    );
}

function switchTo(lithos: Command): void {
  lithos
    .command('switch')
    .description('check NEWFILE, put it in the place of a sandbox’s process config, and have the tree look')
    .argument('<SANDBOX>')
    .argument('<NEWFILE>')
    .option('--master <file>', 'master config', usualMaster)
    .option('--plan', 'only say which instances would be started, stopped or replaced', false)
    .option('-v, --verbose', 'name every instance that changes', false)
    .action(async (sandbox: string, file: string, options: { master: string; plan: boolean; verbose: boolean }) => {
      const { switchConfig } = await import('./switch.ts');
      process.exitCode = await switchConfig({ sandbox, file, ...options });
    });
}

function ps(lithos: Command): void {
  lithos
    .command('ps')
    .description('what runs: sandboxes, processes, instances')
    .option('-C, --config <file>', 'only the tree with this master config')
    .option('--json', 'one JSON document', false)
    .option('--status', 'what the tree itself says, as one JSON document', false)
    .option('--monitor', 'a table, drawn anew every second', false)
    .addOption(new Option('--no-color', 'no colours').conflicts('forceColor'))
    .option('--force-color', 'colours wherever it goes', false)
    .action(
      async (options: {
        config?: string;
        json: boolean;
        status: boolean;
        monitor: boolean;
        color: boolean;
        forceColor: boolean;
      }) => {
        const { printProcesses } = await import('./ps.ts');
        const color = options.forceColor ? 'always' : options.color ? 'auto' : 'never';
        const { json, status, monitor } = options;
        process.exitCode = await printProcesses({ config: options.config ?? null, json, status, monitor, color });
      },
    );
}

const count = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
};

function clean(lithos: Command): void {
  lithos
    .command('clean')
    .description(
      'list or delete images that no config uses any more; exit 1: what is used is unclear, 2: cannot delete',
    )
    .option('-C, --config <file>', 'master config', usualMaster)
    .addOption(new Option('--used', 'list the images in use (default)').conflicts(['unused', 'deleteUnused']))
    .addOption(new Option('--unused', 'list the others').conflicts('deleteUnused'))
    .option('--delete-unused', 'delete the others')
    .option('--keep-recent <duration>', 'keep images that are younger, as 7d, 12h, 30m', '0s')
    .option('-D, --history-days <n>', 'what was configured in these days counts as used', count)
    .option('--versions-min, --vmin <n>', 'so many versions of a process are used, however old', count, 0)
    .option('--versions-max, --vmax <n>', 'no more versions of a process are used', count, 1000)
    .option('--clean-logs', 'delete rolled config logs that are older than --history-days', false)
    .option('-v, --verbose', 'say why', false)
    .action(async (options: CleanOptions) => {
      const module = await import('./clean/clean.ts');
      const { parseDuration } = await import('../config/duration.ts');
      const keep = parseDuration(options.keepRecent);
      if ('problem' in keep) {
        process.stderr.write(`lithos clean: --keep-recent: ${keep.problem}\n`);
        process.exitCode = usageError;
        return;
      }
      process.exitCode = await module.clean({
        config: options.config,
        mode: options.deleteUnused === true ? 'delete-unused' : options.unused === true ? 'unused' : 'used',
        keepRecentMs: keep.ms,
        historyDays: options.historyDays ?? null,
        versionsMin: options.vmin,
        versionsMax: options.vmax,
        cleanLogs: options.cleanLogs,
        verbose: options.verbose,
      });
    });
}

interface CleanOptions {
  readonly config: string;
  readonly unused?: boolean;
  readonly deleteUnused?: boolean;
  readonly keepRecent: string;
  readonly historyDays?: number;
  readonly vmin: number;
  readonly vmax: number;
  readonly cleanLogs: boolean;
  readonly verbose: boolean;
}

function crypt(lithos: Command): void {
  const group = lithos.command('crypt').description('seal secrets for a sandbox, open them, tell whose they are');
  const data = ['-d, --data <text>', 'the text; - reads standard input, where no other user’s ps shows it'] as const;
  group
    .command('encrypt')
    .requiredOption('-k, --key <key>', 'public key: a file of ssh-keygen -t ed25519, or its line')
    .requiredOption(...data)
    .option('-n, --namespace <name>', 'of secrets-namespaces', '')
    .action(async (options: { key: string; data: string; namespace: string }) => {
      process.exitCode = await (await import('./crypt.ts')).cryptEncrypt(options);
    });
  group
    .command('decrypt')
    .requiredOption('-i, --identity <file>', 'private key')
    .requiredOption(...data)
    .action(async ({ identity, data: text }: { identity: string; data: string }) => {
      process.exitCode = await (await import('./crypt.ts')).cryptDecrypt({ key: identity, data: text });
    });
  group
    .command('check-key')
    .requiredOption('-k, --key <key>', 'public key: a file or its line')
    .requiredOption(...data)
    .action(async (options: { key: string; data: string }) => {
      process.exitCode = await (await import('./crypt.ts')).cryptCheckKey(options);
    });
}

function mkdev(lithos: Command): void {
  lithos
    .command('mkdev')
    .description('fill DIR with the device files that a devfs-dir needs')
    .argument('<DIR>')
    .action(async (dir: string) => {
      process.exitCode = await (await import('./mkdev.ts')).mkdev(dir);
    });
}

interface CheckOptions {
  readonly config: string;
  readonly alternateConfig?: string;
  readonly sandbox?: string;
  readonly sandboxName?: string;
  readonly tree?: string;
  readonly subtreeName?: string;
  readonly checkContainer?: readonly string[];
  readonly verbose: boolean;
}

async function runCheck(options: CheckOptions): Promise<number> {
  const { checkAll, checkContainer } = await import('./config/check.ts');
  const { formatProblem } = await import('../config/problem.ts');
  const { alternateConfig: file } = options;
  const sandbox = options.sandbox ?? options.sandboxName ?? options.tree ?? options.subtreeName;
  if ((file === undefined) !== (sandbox === undefined)) {
    process.stderr.write('lithos check: --alternate-config and --sandbox go together\n');
    return usageError;
  }
  const results =
    options.checkContainer !== undefined
      ? options.checkContainer.map(checkContainer)
      : [checkAll(options.config, file === undefined || sandbox === undefined ? {} : { alternate: { sandbox, file } })];
  for (const { problems, warnings, summary } of results) {
    for (const warning of warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`);
    for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
    if (options.verbose) process.stdout.write(`${summary}\n`);
  }
  return results.some(({ problems }) => problems.length > 0) ? 1 : 0;
}

function image(lithos: Command): void {
  const group = lithos.command('image').description('images of containers');
  group
    .command('import')
    .description('unpack an OCI layout or a docker-save archive into an image dir, under its digest; prints the name')
    .argument('<FILE|DIR>')
    .option('-C, --config <file>', 'master config, for --sandbox', usualMaster)
    .option('--sandbox <name>', 'into the image-dir of this sandbox')
    .option('--image-dir <dir>', 'into this folder')
    .option('--max-bytes <n>', 'refuse what would unpack to more', '20Gi')
    .action(
      async (source: string, options: { config: string; sandbox?: string; imageDir?: string; maxBytes: string }) => {
        const { importImage } = await import('./image.ts');
        process.exitCode = await importImage({ source, ...options });
      },
    );
}
