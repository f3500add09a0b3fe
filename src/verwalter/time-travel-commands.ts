import { type Command, InvalidArgumentError } from 'commander';
import type { Terminal } from './replay/replay-command.ts';

const terminal: Terminal = {
  print: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  progress: process.stderr.isTTY ? (text) => void process.stderr.write(`\r\x1b[K${text}`) : null,
};

const within =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A number from ${least} to ${most}.`);
  };

const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const value = within(least, most)(text);
    if (Number.isInteger(value)) return value;
    throw new InvalidArgumentError('A whole number.');
  };

/** `replay`, `diff` and `simulate` (spec/verwalter.md 3.7, 7.3). */
export const addTimeTravelCommands = (command: Command): void => {
  command
    .command('replay')
    .description('run recorded rounds again, with the scheduler of then or another; exit 1 where it fails')
    .argument('<recording...>', 'folders or files of recordings, or JSON of an input')
    .option('--scheduler <dir>', 'this scheduler (a folder with main.lua, or a configuration folder)')
    .option('--diff', 'print what differs from the recorded schedules: moves by round', false)
    .option('--verify', 'demand what was recorded, byte for byte; exit 1 otherwise', false)
    .option('--chain', 'give each round the schedule of the replay before, not the recorded one', false)
    .option('--from <time>', 'rounds since then: RFC 3339, ms since 1970, or 2h for that long before the end')
    .option('--to <time>', 'rounds until then')
    .option('--json', 'print all that was found as JSON', false)
    .action(async (paths: string[], options) => {
      const { replayCommand } = await import('./replay/replay-command.ts');
      process.exitCode = await replayCommand(paths, options, terminal);
    });
  command
    .command('diff')
    .description('what one schedule changes in another: moves by role and node; exit 1 where they differ')
    .argument('<a>', 'file of a schedule or of a recorded round, or with --url a hash')
    .argument('<b>', 'the same')
    .option('--url <url>', 'agent to ask for hashes', 'http://127.0.0.1:8379')
    .option('--json', 'print the moves as JSON', false)
    .action(async (a: string, b: string, options: { url: string; json: boolean }) => {
      const { diffCommand } = await import('./diff-command.ts');
      process.exitCode = await diffCommand(a, b, options, terminal);
    });
  command
    .command('simulate')
    .description('run the scheduler through hours of a virtual cluster; exit 1 where a round fails')
    .requiredOption('--config-dir <dir>', 'configuration folder: scheduler and runtime metadata')
    .option('--nodes <n>', 'nodes of the cluster: node001 and so on', whole(1, 10_000), 10)
    .option('--hours <h>', 'virtual time', within(0, 10_000), 1)
    .option('--plan <file>', 'YAML: metrics, crashes, partitions, actions (docs/verwalter-time-travel.md)')
    .option('--seed <n>', 'of the noise; the same seed gives the same story', whole(0, 2 ** 32), 1)
    .option('--record <dir>', 'record the rounds there as a leader does, for replay')
    .option('--json', 'print the whole story as JSON', false)
    .action(async (options) => {
      const { simulateCommand } = await import('./simulate/simulate-command.ts');
      process.exitCode = await simulateCommand(options, terminal);
    });
};
