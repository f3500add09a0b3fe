import { join } from 'node:path';
import { Command } from 'commander';
import { version } from '../version.ts';
import { addClientCommands } from './client-commands.ts';
import type { ExplainWords } from './explain-command.ts';
import type { RenderOnceOptions } from './render/render-once.ts';
import { addTimeTravelCommands } from './time-travel-commands.ts';

// Heavy imports stand inside the actions: `stellwerk verwalter --help` loads neither Lua nor Handlebars.

export function verwalterCommand(): Command {
  const command = new Command('stellwerk verwalter').description(
    'scheduling and rendering: tools around the agent’s configuration',
  );
  command
    .command('check')
    .description('check a configuration folder: scheduler, templates, render files, runtime and machine metadata')
    .argument('<dir>', 'configuration folder')
    .option(
      '--schedule <file>',
      'render what it gives each node, too: as /v1/schedule shows it, or what a scheduler returned',
    )
    .action(async (dir: string, options: { readonly schedule?: string }) => {
      const { checkConfigDir } = await import('./check.ts');
      const { problems, seen } = await checkConfigDir(dir, options.schedule);
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
  command
    .command('explain')
    .description('why a role is on which node and not on others: asks the agent; exit code 1 where it cannot tell')
    .argument('<role>')
    .argument('[node]', 'short host name: that node alone')
    .option('--url <url>', 'agent to ask; only the leader knows metrics', 'http://127.0.0.1:8379')
    .option('--token-file <file>', 'token for an agent of another host; its first line counts')
    .option('--json', 'as /v1/explain/ROLE says it')
    .action(async (role: string, node: string | undefined, options: ExplainWords) => {
      const { explain } = await import('./explain-command.ts');
      process.exitCode = await explain(role, node ?? null, options, {
        print: (text) => void process.stdout.write(text),
        complain: (text) => void process.stderr.write(`verwalter explain: ${text}\n`),
        nowMs: Date.now,
      });
    });
  command
    .command('render')
    .description('render one role, or all of a node, without a daemon; exit codes: docs/verwalter-render.md')
    .argument('[vars]', 'JSON of the variables of a role: role, template, deployment_id, verwalter_version and its own')
    .option('--vars-file <file>', 'the same in a file')
    .option('--schedule <json>', 'the whole schedule, for templates that read it')
    .option('--schedule-file <file>', 'the same in a file')
    .option('--config-dir <dir>', 'configuration folder', '/etc/verwalter')
    .option('--log-dir <dir>', 'where render logs go', '/var/log/verwalter')
    .option('--storage-dir <dir>', 'where the last process config of each sandbox is kept', '/var/lib/verwalter')
    .option('--dry-run', 'print what would be written and run', false)
    .option('-C, --check <dir>', 'render this template folder, wherever it is, and print everything')
    .option('--all', 'every role that the schedule gives --node; runs nothing', false)
    .option('--node <host>', 'with --all: short host name')
    .option('--out <dir>', 'with --all: one text file a role')
    .option('--diff', 'with --all: how files that are there would change', false)
    .action(async (vars: string | undefined, options: Omit<RenderOnceOptions, 'vars'>) => {
      const { renderOnce } = await import('./render/render-once.ts');
      const { packageRoot } = await import('../native/load.ts');
      process.exitCode = await renderOnce(
        { ...options, ...(vars === undefined ? {} : { vars }) },
        {
          version,
          lithosSwitch: [process.execPath, join(packageRoot(), 'bin', 'stellwerk.js'), 'lithos', 'switch'],
          print: (text) => void process.stdout.write(text),
          complain: (text) => void process.stderr.write(`verwalter render: ${text}\n`),
        },
      );
    });
  addClientCommands(command);
  addTimeTravelCommands(command);
  return command;
}
