import { lstatSync } from 'node:fs';
import { basename } from 'node:path';
import { version } from '../version.ts';
import { type CommandName, commandNames, isCommandName, summaries } from './names.ts';

/**
 * One program, six names: `vagga run` is `stellwerk vagga run`. This file loads no part and no framework, because a
 * person waits for it at a prompt; each command brings its own when it is named.
 */
const invokedAs = basename(process.argv[1] ?? 'stellwerk', '.js');
const words = isCommandName(invokedAs) ? [invokedAs, ...process.argv.slice(2)] : process.argv.slice(2);
const [first, ...rest] = words;
/** A link to this program by a name that is not its own: the symlink-name of a command of vagga.yaml. */
const isSymlinkName =
  invokedAs !== 'stellwerk' &&
  !isCommandName(invokedAs) &&
  lstatSync(process.argv[1] ?? '', { throwIfNoEntry: false })?.isSymbolicLink() === true;

if (isSymlinkName) {
  await (await import('../vagga/commands.ts')).vaggaBySymlink(invokedAs, words);
} else if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
  process.stdout.write(overview());
} else if (first === '--version' || first === '-V') {
  process.stdout.write(`stellwerk ${version}\n`);
} else if (isCommandName(first)) {
  await run(first, rest);
} else {
  process.stderr.write(`stellwerk: there is no command "${first}"\n\n${overview()}`);
  process.exitCode = 2;
}

async function run(name: CommandName, args: readonly string[]): Promise<void> {
  switch (name) {
    case 'vagga':
      return (await import('../vagga/commands.ts')).vagga(args);
    case 'lithos':
      return parse((await import('../lithos/commands.ts')).lithosCommand(), args);
    case 'cantal':
      // The daemon is not cantal's alone: the agent puts it together.
      if (args[0] === 'agent') return run('cantal-agent', args.slice(1));
      return parse((await import('../cantal/commands.ts')).cantalCommand(), args);
    case 'verwalter':
      return parse((await import('../verwalter/commands.ts')).verwalterCommand(), args);
    case 'cantal-agent':
      return parse((await import('../agent/cantal-agent-command.ts')).cantalAgentCommand(), args);
    case 'agent':
      return parse((await import('../agent/commands.ts')).agentCommand(), args);
    case 'doctor':
      return (await import('./doctor.ts')).doctor(args);
    default:
      return name satisfies never;
  }
}

async function parse(command: import('commander').Command, args: readonly string[]): Promise<void> {
  // Usage errors exit 2, as the specifications of all parts say; commander's own default is 1.
  const exitWith = (error: { exitCode: number }) => process.exit(error.exitCode === 0 ? 0 : 2);
  const all = (each: import('commander').Command): readonly import('commander').Command[] => [
    each,
    ...each.commands.flatMap(all),
  ];
  for (const each of all(command)) each.exitOverride(exitWith);
  await command.parseAsync(args, { from: 'user' });
}

function overview(): string {
  const lines = commandNames.map((name) => `  ${name.padEnd(14)}${summaries[name]}`);
  return `stellwerk ${version}: orchestration for small and middle-sized Linux clusters

usage: stellwerk COMMAND …        (vagga, lithos, cantal, cantal-agent, verwalter are programs of their own too)

${lines.join('\n')}

  stellwerk COMMAND --help   tells more of a command
  stellwerk --version
`;
}
