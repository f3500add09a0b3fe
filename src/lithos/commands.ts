import { Command, Option } from 'commander';

const usualMaster = '/etc/lithos/master.yaml';
const levels = ['error', 'warn', 'info', 'debug', 'trace'];

interface Common {
  readonly config: string;
}

/** `lithos …`: the tree of this host and what one asks of it. Usage errors exit 2. */
export function lithosCommand(): Command {
  const command = new Command('lithos').description('Containers of this host: start, keep, change');
  const withConfig = (name: string, description: string): Command =>
    command.command(name).description(description).option('-C, --config <file>', 'master config', usualMaster);
  withConfig('tree', 'supervise the containers of this host')
    .option('--log-stderr', 'log to standard error')
    .addOption(new Option('--log-level <level>', 'instead of the master config’s').choices(levels))
    .action(async (options: Common & { readonly logStderr?: true; readonly logLevel?: string }) => {
      const { runTree } = await import('./shell.ts');
      const { config, logStderr = false, logLevel = null } = options;
      process.exitCode = await runTree({ config, logStderr, logLevel });
      process.exit();
    });
  withConfig('check', 'look for mistakes in all configs').action(async ({ config }: Common) => {
    const { printCheck } = await import('./ask.ts');
    process.exitCode = printCheck(config);
  });
  withConfig('ps', 'list the containers of this host')
    .option('--json', 'what the tree says, as one JSON document')
    .action(async ({ config, json }: Common & { readonly json?: true }) => {
      const { printContainers } = await import('./ask.ts');
      process.exitCode = await printContainers(config, json === true);
    });
  command
    .command('switch')
    .description('replace the process config of a sandbox, when it is free of mistakes')
    .option('--master <file>', 'master config', usualMaster)
    .argument('<SANDBOX>')
    .argument('<NEWFILE>')
    .action(async (sandbox: string, file: string, { master }: { readonly master: string }) => {
      const { switchProcesses } = await import('./ask.ts');
      process.exitCode = await switchProcesses(master, sandbox, file);
    });
  return command;
}
