import { Command } from 'commander';

// Heavy imports stand inside the actions: `stellwerk verwalter --help` loads neither Lua nor Handlebars.

export function verwalterCommand(): Command {
  const command = new Command('stellwerk verwalter').description(
    'scheduling and rendering: tools around the agent’s configuration',
  );
  command
    .command('check')
    .description('check a configuration folder: scheduler, templates, render files, runtime and machine metadata')
    .argument('<dir>', 'configuration folder')
    .action(async (dir: string) => {
      const { checkConfigDir } = await import('./check.ts');
      const { problems, seen } = await checkConfigDir(dir);
      for (const text of problems) process.stderr.write(`${text}\n`);
      process.stdout.write(`${seen}${problems.length === 0 ? ': all is well' : `: ${problems.length} problem(s)`}\n`);
      process.exitCode = problems.length === 0 ? 0 : 1;
    });
  command
    .command('schedule')
    .description('run the scheduler once on an input (as /v1/scheduler_input shows it) and print the schedule')
    .requiredOption('--input <file>', 'JSON of the input, - for stdin')
    .requiredOption('--config-dir <dir>', 'configuration folder')
    .option('--verify', 'run twice and demand the same result', false)
    .option('--strict', 'make errors of writes to globals and of warnings', false)
    .action(async (options: { input: string; configDir: string; verify: boolean; strict: boolean }) => {
      const { scheduleOnce } = await import('./check.ts');
      const result = await scheduleOnce(options);
      if (result.log !== '') process.stderr.write(`${result.log}\n`);
      for (const warning of result.warnings) process.stderr.write(`warning: ${warning}\n`);
      if (result.error !== null) process.stderr.write(`${result.error}\n`);
      else process.stdout.write(`${result.text}\n`);
      process.exitCode = result.error === null ? 0 : 1;
    });
  return command;
}
