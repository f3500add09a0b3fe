import { exitCodes } from '../exit-codes.ts';
import { Refusal } from '../refusal.ts';
import { optionsText, parseOptions } from './command-options.ts';

/** What a command line says to a command. */
export interface CommandLine {
  /** VAGGAOPT_ and VAGGACLI_ of a command that describes its options. */
  readonly variables: ReadonlyMap<string, string>;
  /** For a command that describes none. */
  readonly args: readonly string[];
}

interface Described {
  readonly options: string | null;
  readonly description: string | null;
  readonly run: { readonly kind: 'words' | 'shell' };
  readonly acceptsArguments: boolean | null;
}

const noVariables: ReadonlyMap<string, string> = new Map();

/** A number: the exit code, everything is told. Throws a Refusal. */
export function readCommandLine(
  name: string,
  { options, description, run, acceptsArguments }: Described,
  args: readonly string[],
  print: (text: string) => void,
): CommandLine | number {
  if (options !== null) {
    const variables = optionVariables(name, optionsText({ name, description, options }, false), args, print);
    return typeof variables === 'number' ? variables : { variables, args: [] };
  }
  const takesNone = !(acceptsArguments ?? run.kind === 'words');
  if (!takesNone || (args[0] !== '--help' && args[0] !== '-h')) return { variables: noVariables, args };
  print(`${description?.trim() ?? `vagga ${name}`}\n\nUsage: vagga ${name}\n`);
  return exitCodes.ok;
}

/** By a docopt text. A number: the exit code, everything is told. Throws a Refusal. */
export function optionVariables(
  name: string,
  text: string,
  args: readonly string[],
  print: (text: string) => void,
): ReadonlyMap<string, string> | number {
  const parsed = parseOptions(name, text, args);
  switch (parsed.kind) {
    case 'help':
      print(parsed.text);
      return exitCodes.ok;
    case 'refused':
      throw new Refusal('launcher', parsed.message);
    case 'options':
      return parsed.environ;
    default:
      return parsed satisfies never;
  }
}
