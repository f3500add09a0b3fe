import { Command } from 'commander';
import { suggestion } from '../../config/suggest.ts';
import type { Project } from '../config/project.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Workplace } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { shapesOf } from './built-in-shape.ts';
import { capsuleBuiltIns } from './capsule-built-ins.ts';
import { cleanBuiltIn } from './clean-command.ts';
import { optionsText } from './command-options.ts';
import { complete } from './completion.ts';
import { containerBuiltIns } from './container-built-ins.ts';
import { dumpConfig } from './dump-config.ts';
import { exportBuiltIn } from './export-command.ts';
import { findCommand } from './find-command.ts';
import type { GlobalOptions } from './global-options.ts';
import { imageBuiltIns } from './image-built-ins.ts';
import { indexBuiltIns } from './index-built-ins.ts';
import { list, listForZsh } from './listing.ts';
import { lockBuiltIn } from './lock-command.ts';
import { networkBuiltIns } from './network-built-ins.ts';
import { type ProjectlessBuiltIn, projectlessBuiltIns } from './projectless.ts';
import { storageBuiltIns } from './storage-built-ins.ts';

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
  ...capsuleBuiltIns,
  ...imageBuiltIns,
  ...storageBuiltIns,
  ...indexBuiltIns,
  ...projectlessBuiltIns,
  _clean: cleanBuiltIn,
  _export: exportBuiltIn,
  _lock: lockBuiltIn,
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
            for (const [name, { summary }] of Object.entries(builtIns)) print(`${name.padEnd(19)} ${summary}\n`);
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
    command: ({ project, place, print }) =>
      new Command('_dump_config').action(() => print(dumpConfig(project, place.settings))),
  },
  _compgen: {
    summary: 'candidates for completion: [WORDS…] -- CURRENT',
    command: (context) =>
      new Command('_compgen')
        .argument('[words...]')
        .passThroughOptions()
        .allowUnknownOption()
        .action((_: readonly string[], __: unknown, command: Command) => {
          const described = command.args[0] === '--describe';
          const words = command.args.slice(described ? 1 : 0);
          const at = words.lastIndexOf('--');
          const before = at === -1 ? words.slice(0, -1) : words.slice(0, at);
          const current = at === -1 ? (words.at(-1) ?? '') : (words[at + 1] ?? '');
          const where = { project: context.project, builtIns: shapesOf(builtIns, context) };
          for (const { word, about } of complete(where, before, current)) {
            context.print(described && about !== '' ? `${word}\t${about}\n` : `${word}\n`);
          }
        }),
  },
  _help: {
    summary: 'tell of a command, built-in or of vagga.yaml',
    command: (context) =>
      new Command('_help').argument('<command>').action((name: string) => context.print(helpText(context, name))),
  },
};

function helpText(context: BuiltInContext, name: string): string {
  const builtIn = Object.hasOwn(builtIns, name) ? builtIns[name] : undefined;
  if (builtIn !== undefined) {
    return builtIn.command(context).name(`vagga ${name}`).description(builtIn.summary).helpInformation();
  }
  const found = findCommand(context.project, name);
  if (found === null) {
    const known = [...context.project.commands.keys(), ...builtInNames()];
    throw new Refusal('launcher', `command ${name} not found and is not an alias${suggestion(name, known)}`);
  }
  const { value, tag } = found.command;
  const { description, options } = value;
  if (options !== null) return optionsText({ name: found.name, description, options }, tag === 'Supervise');
  return `${description?.trim() ?? `vagga ${found.name}`}\n\nUsage: vagga ${found.name}\n`;
}

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
  return (await parseBuiltIn(builtIn.command(context), builtIn.summary, context.print, args, complain)) ?? code;
}

export const builtInOf = (word: string): BuiltIn | undefined =>
  Object.hasOwn(builtIns, word) ? builtIns[word] : undefined;

export const projectlessOf = (word: string): ProjectlessBuiltIn | undefined =>
  Object.hasOwn(projectlessBuiltIns, word) ? projectlessBuiltIns[word] : undefined;

/** One that needs no project; the exit code. */
export async function runProjectless(
  { command, summary }: ProjectlessBuiltIn,
  print: (text: string) => void,
  args: readonly string[],
  complain: (text: string) => void,
): Promise<number> {
  return (await parseBuiltIn(command({ print }), summary, print, args, complain)) ?? exitCodes.ok;
}

/** Null: it has run. */
async function parseBuiltIn(
  command: Command,
  summary: string,
  print: (text: string) => void,
  args: readonly string[],
  complain: (text: string) => void,
): Promise<number | null> {
  command.description(summary).exitOverride().configureOutput({ writeErr: complain, writeOut: print });
  command.name(`vagga ${command.name()}`);
  for (const sub of command.commands) sub.copyInheritedSettings(command);
  try {
    await command.parseAsync(args, { from: 'user' });
    return null;
  } catch (error) {
    if (error instanceof Error && 'exitCode' in error) return error.exitCode === 0 ? exitCodes.ok : exitCodes.arguments;
    throw error;
  }
}
