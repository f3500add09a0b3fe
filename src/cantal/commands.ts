import { Command } from 'commander';

interface Output {
  readonly json?: true;
}

/** `cantal …`. The daemon itself is `stellwerk agent`. */
export function cantalCommand(): Command {
  const command = new Command('cantal').description('Numbers of this host, and of programs that export theirs');
  command
    .command('once')
    .description('scan once and print every value')
    .option('--json', 'one JSON document')
    .action(async ({ json }: Output) => {
      const { printOnce } = await import('./print.ts');
      process.exitCode = await printOnce(json === true);
    });
  command
    .command('values')
    .description('read values that programs export, without an agent')
    .argument('<FILE_OR_PID...>', 'common path of FILE.meta and FILE.values, or a process id')
    .option('--json', 'one JSON document per metric')
    .action(async (words: readonly string[], { json }: Output) => {
      const { printValues } = await import('./print.ts');
      process.exitCode = printValues(words, json === true);
    });
  return command;
}
