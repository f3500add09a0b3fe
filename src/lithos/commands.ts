import { Command, Option } from 'commander';
import { logLevels } from './config/master-config.ts';

const usualMaster = '/etc/lithos/master.yaml';

/** `lithos …`. Each command loads what it needs when it is run: help does not wait for any of it. */
export function lithosCommand(): Command {
  const command = new Command('lithos').description('Production containers of this host');
  command
    .command('tree')
    .description(
      'run the supervisor: SIGTERM stops all containers, SIGHUP reads the configs again, SIGUSR2 leaves the containers running',
    )
    .option('-C, --config <file>', 'master config', usualMaster)
    .option('--log-stderr', 'log to standard error instead of log-file', false)
    .addOption(new Option('--log-level <level>', 'instead of the master config’s').choices([...logLevels]))
    .action(async (options: { config: string; logStderr: boolean; logLevel?: (typeof logLevels)[number] }) => {
      const { runTree } = await import('./tree.ts');
      // Exit at once: a closed socket may still hold the event loop.
      process.exit(await runTree({ ...options, logLevel: options.logLevel ?? null }));
    });
  command
    .command('check')
    .description(
      'check all configs of this host, or one process config before it is put in place; exit 1 if any is wrong',
    )
    .option('-C, --config <file>', 'master config', usualMaster)
    .option('--alternate-config <file>', 'look at FILE as if it were the process config of --sandbox')
    .option('--sandbox <name>', 'the sandbox of --alternate-config')
    .option('--check-container <file...>', 'only these container configs; neither master nor image is needed')
    .option('-v, --verbose', 'say what was looked at', false)
    .action(async (options: CheckOptions) => {
      process.exitCode = await check(options);
    });
  command
    .command('switch')
    .description('check NEWFILE, put it in the place of a sandbox’s process config, and have the tree look')
    .argument('<SANDBOX>')
    .argument('<NEWFILE>')
    .option('--master <file>', 'master config', usualMaster)
    .option('-v, --verbose', 'name every instance that changes', false)
    .action(async (sandbox: string, file: string, options: { master: string; verbose: boolean }) => {
      const { switchConfig } = await import('./switch.ts');
      process.exitCode = await switchConfig({ sandbox, file, ...options });
    });
  command
    .command('ps')
    .description('what runs: sandboxes, processes, instances')
    .option('-C, --config <file>', 'master config', usualMaster)
    .option('--json', 'the tree’s status as one JSON document', false)
    .action(async (options: { config: string; json: boolean }) => {
      const { printStatus } = await import('./ps.ts');
      process.exitCode = await printStatus(options);
    });
  return command;
}

interface CheckOptions {
  readonly config: string;
  readonly alternateConfig?: string;
  readonly sandbox?: string;
  readonly checkContainer?: readonly string[];
  readonly verbose: boolean;
}

const usageError = 2;

async function check(options: CheckOptions): Promise<number> {
  const { checkAll, checkContainer } = await import('./config/check.ts');
  const { formatProblem } = await import('../config/problem.ts');
  const { alternateConfig: file, sandbox } = options;
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
