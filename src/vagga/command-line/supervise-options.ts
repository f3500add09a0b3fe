import { Command, type CommanderError } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { Refusal } from '../refusal.ts';
import { optionVariables } from './command-line.ts';
import { optionsText } from './command-options.ts';

/** Which children of a !Supervise run: names and tags. */
export interface Selection {
  readonly only: readonly string[];
  readonly exclude: readonly string[];
}

/** What a command line says to a !Supervise (vagga 2.8, 5.1). */
export interface SuperviseLine {
  readonly variables: ReadonlyMap<string, string>;
  readonly selection: Selection;
  readonly imageDownload: boolean;
  readonly build: boolean;
  readonly versionCheck: boolean;
}

interface Described {
  readonly options: string | null;
  readonly description: string | null;
  readonly children: ReadonlyMap<string, { readonly value: { readonly tags: readonly string[] } }>;
}

/** A number: the exit code, everything is told. Throws a Refusal. */
export function readSuperviseLine(
  name: string,
  described: Described,
  args: readonly string[],
  print: (text: string) => void,
): SuperviseLine | number {
  const { options, description } = described;
  if (options === null) return plainLine(name, described, args, print);
  const all = { imageDownload: true, build: true, versionCheck: true };
  // Without [options] in its usage the command has no such options.
  const { rest, selection } = options.includes('[options]')
    ? splitSelection(args, namesOf(described.children))
    : { rest: args, selection: { only: [], exclude: [] } };
  const variables = optionVariables(name, optionsText({ name, description, options }, true), rest, print);
  if (typeof variables === 'number') return variables;
  return { ...all, variables: new Map([...variables].filter(([key]) => !ofSelection.has(key))), selection };
}

/** Docopt sees the options in its text, but never in the words. */
const ofSelection = new Set(['ONLY', 'EXCLUDE'].flatMap((key) => [`VAGGAOPT_${key}`, `VAGGACLI_${key}`]));

function plainLine(
  name: string,
  { description }: Described,
  args: readonly string[],
  print: (text: string) => void,
): SuperviseLine | number {
  const command = new Command(`vagga ${name}`)
    .description(description?.trim() ?? '')
    .option('--only <names...>', 'only the children and tags with these names')
    .option('--exclude <names...>', 'all children but those with these names or tags; --only wins')
    .option('--no-image-download', 'build even where image-cache-url has an image')
    .option('--no-build', 'fail where a container must be built first')
    .option('--no-version-check', 'take the containers as they were last built, whatever has changed since')
    .helpOption('-h, --help', 'this text')
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: print });
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    const { exitCode, message } = error as CommanderError;
    if (exitCode === 0) return exitCodes.ok;
    throw new Refusal('arguments', `${name}: ${message.replace(/^error: /, '')}`);
  }
  const {
    only = [],
    exclude = [],
    ...flags
  } = command.opts<{
    only?: string[];
    exclude?: string[];
    imageDownload: boolean;
    build: boolean;
    versionCheck: boolean;
  }>();
  return { variables: new Map(), selection: { only, exclude }, ...flags };
}

/**
 * Takes `--only NAME…` and `--exclude NAME…` out of the words: docopt has no option with several values. One word is
 * taken as it is, more as long as they are names that are known: what follows may be for the command itself.
 */
export function splitSelection(
  args: readonly string[],
  known: ReadonlySet<string>,
): { readonly rest: readonly string[]; readonly selection: Selection } {
  const rest: string[] = [];
  const selection = { only: [] as string[], exclude: [] as string[] };
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (word === '--') return { rest: [...rest, ...args.slice(index)], selection };
    const [, option, value] = /^--(only|exclude)(?:=(.*))?$/.exec(word) ?? [];
    if (option !== 'only' && option !== 'exclude') {
      rest.push(word);
      continue;
    }
    const names = value === undefined ? args.slice(index + 1, index + 2) : [value];
    if (names.length === 0) {
      rest.push(word); // docopt says what is missing
      continue;
    }
    if (value === undefined) index += 1;
    while (known.has(args[index + 1] ?? '')) names.push(args[++index]!);
    selection[option].push(...names);
  }
  return { rest, selection };
}

export function namesOf(children: Described['children']): ReadonlySet<string> {
  return new Set([...children].flatMap(([name, { value }]) => [name, ...value.tags]));
}

/** Those that run, in the order of the file: `only` wins over `exclude`. */
export function selectChildren<Child extends { readonly value: { readonly tags: readonly string[] } }>(
  children: ReadonlyMap<string, Child>,
  { only, exclude }: Selection,
): ReadonlyMap<string, Child> {
  const matches = (words: readonly string[], name: string, { value }: Child): boolean =>
    words.includes(name) || value.tags.some((tag) => words.includes(tag));
  return new Map(
    [...children].filter(([name, child]) =>
      only.length > 0 ? matches(only, name, child) : !matches(exclude, name, child),
    ),
  );
}
