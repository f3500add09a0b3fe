import { Command } from 'commander';
import type { Project } from '../config/project.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Workplace } from '../ready.ts';
import { cleanBuiltIn } from './clean-command.ts';
import { complete } from './completion.ts';
import { containerBuiltIns } from './container-built-ins.ts';
import { dumpConfig } from './dump-config.ts';
import type { GlobalOptions } from './global-options.ts';
import { list, listForZsh } from './listing.ts';
import { networkBuiltIns } from './network-built-ins.ts';

/** What a built-in command works with. */
export interface BuiltInContext {
  readonly project: Project;
  /** The caller's folder, relative to the project's; empty at its root. */
  readonly workDir: string;
  readonly print: (text: string) => void;
  readonly place: Workplace;
  readonly options: GlobalOptions;
  /** The caller's folder. */
  readonly cwd: string;
  /** Sets the exit code; without it a command that ends well exits 0. */
  readonly end: (code: number) => void;
}

export interface BuiltIn {
  readonly summary: string;
  readonly command: (context: BuiltInContext) => Command;
}

interface ListFlags {
  all?: true;
  hidden?: true;
  aliases: boolean;
  containers?: true;
  zsh?: true;
  verbose?: true;
}

/** Commands whose names begin with `_`: vagga 5.2. */
export const builtIns: Readonly<Record<string, BuiltIn>> = {
  ...containerBuiltIns,
  _clean: cleanBuiltIn,
  ...networkBuiltIns,
  _list: {
    summary: 'list commands, or containers',
    command: ({ project, print }) =>
      new Command('_list')
        .option('-A, --all', 'hidden commands too, and the built-in ones')
        .option('--builtin', 'only for compatibility')
        .option('--hidden', 'names that begin with _ too')
        .option('--no-aliases', 'leave out aliases')
        .option('--containers', 'containers instead of commands')
        .option('--zsh', 'name:description, for completion')
        .option('-v, --verbose', 'and which file each comes from')
        .action((flags: ListFlags) => {
          if (flags.zsh === true) return print(listForZsh(project));
          const all = flags.all ?? false;
          const hidden = all || (flags.hidden ?? false);
          const { containers = false, verbose = false, aliases } = flags;
          print(list(project, { hidden, aliases, containers, verbose }));
          if (all && !containers) {
            for (const [name, { summary }] of Object.entries(builtIns)) print(`${name.padEnd(20)}${summary}\n`);
          }
        }),
  },
  _base_dir: {
    summary: 'print the folder of the project',
    command: ({ project, print }) => new Command('_base_dir').action(() => print(`${project.root}\n`)),
  },
  _relative_work_dir: {
    summary: 'print this folder, relative to the project’s',
    command: ({ workDir, print }) => new Command('_relative_work_dir').action(() => print(`${workDir}\n`)),
  },
  _dump_config: {
    summary: 'print the configuration as JSON',
    command: ({ project, print }) => new Command('_dump_config').action(() => print(dumpConfig(project))),
  },
  _compgen: {
    summary: 'candidates for completion: [WORDS…] -- CURRENT',
    command: ({ project, print }) =>
      new Command('_compgen')
        .argument('[words...]')
        .passThroughOptions()
        .allowUnknownOption()
        .action((_: readonly string[], __: unknown, command: Command) => {
          const words = command.args;
          const at = words.lastIndexOf('--');
          const before = at === -1 ? words.slice(0, -1) : words.slice(0, at);
          const current = at === -1 ? (words.at(-1) ?? '') : (words[at + 1] ?? '');
          for (const word of complete(project, builtInNames(), before, current)) print(`${word}\n`);
        }),
  },
};

export const builtInNames = (): readonly string[] => Object.keys(builtIns);

/** Runs one; the exit code. */
export async function runBuiltIn(
  builtIn: BuiltIn,
  given: Omit<BuiltInContext, 'end'>,
  args: readonly string[],
  complain: (text: string) => void,
): Promise<number> {
  let code: number = exitCodes.ok;
  const context: BuiltInContext = {
    ...given,
    end(wanted) {
      code = wanted;
    },
  };
  const command = builtIn
    .command(context)
    .description(builtIn.summary)
    .exitOverride()
    .configureOutput({ writeErr: complain, writeOut: context.print });
  command.name(`vagga ${command.name()}`);
  try {
    await command.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof Error && 'exitCode' in error) return error.exitCode === 0 ? exitCodes.ok : exitCodes.arguments;
    throw error;
  }
}
