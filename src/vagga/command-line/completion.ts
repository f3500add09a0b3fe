import type { Command } from '../config/command.ts';
import type { Project } from '../config/project.ts';
import type { BuiltInShape, OptionShape } from './built-in-shape.ts';
import { completeCapsule } from './capsule-completion.ts';
import { findCommand } from './find-command.ts';
import { isHidden } from './listing.ts';

// What a word on vagga's command line may become: vagga 5.2, Completion.

export interface Candidate {
  readonly word: string;
  /** One line; empty: the word says it. */
  readonly about: string;
}

const option = (names: readonly string[], about: string, more: Partial<OptionShape> = {}): OptionShape => ({
  ...{ names, about, value: false, many: false },
  ...more,
});

/** Options before the command: vagga 5.1. */
const globalOptions: readonly OptionShape[] = [
  option(['-V', '--version'], 'print the version'),
  option(['-h', '--help'], 'tell of all options'),
  option(['-E', '--env', '--environ'], 'set a variable for the command', { many: true, value: true }),
  option(['-e', '--use-env'], 'let a variable of this shell through', { many: true, value: true }),
  option(['--ignore-owner-check'], 'do not look at who owns the project'),
  option(['--no-prerequisites'], 'run only the command itself'),
  option(['--containers-only'], 'build containers and run nothing'),
  option(['--isolate-network', '--no-network', '--no-net'], 'run with loopback only'),
  option(['--no-image-download'], 'do not ask image-cache-url'),
  option(['--no-build'], 'fail where a build is needed'),
  option(['--no-version-check'], 'take what was built last'),
  option(['-m', '--run-multi'], 'run several commands'),
];

const childrenOptions: readonly OptionShape[] = [
  option(['--only'], 'run only these processes and tags', { many: true }),
  option(['--exclude'], 'run all but these processes and tags', { many: true }),
];

const buildingOptions: readonly OptionShape[] = [
  option(['--no-image-download'], 'do not ask image-cache-url'),
  option(['--no-build'], 'fail where a build is needed'),
  option(['--no-version-check'], 'take what was built last'),
];

const helpOption = option(['-h', '--help'], 'tell of the command');

/** Where completion looks. */
export interface Completing {
  readonly project: Project;
  readonly builtIns: ReadonlyMap<string, BuiltInShape>;
}

/** What `current` may become after the words `before`: each candidate begins with `current`. */
export function complete(where: Completing, before: readonly string[], current: string): readonly Candidate[] {
  const seen = new Set<string>();
  return candidates(where, before, current).filter(({ word }) => {
    if (!word.startsWith(current) || seen.has(word)) return false;
    seen.add(word);
    return true;
  });
}

function candidates(where: Completing, before: readonly string[], current: string): readonly Candidate[] {
  const { project, builtIns } = where;
  let index = 0;
  for (; index < before.length; index++) {
    const word = before[index] ?? '';
    if (!word.startsWith('-')) break;
    const found = globalOptions.find(({ names }) => names.includes(word.split('=', 1)[0] ?? word));
    if (found?.value === true && !word.includes('=')) {
      // Its value comes next: nobody knows which.
      if (index === before.length - 1) return [];
      index++;
    }
    if (word === '-m' || word === '--run-multi') return commandNames(project, current);
  }
  const word = before[index];
  if (word === undefined) {
    const named = current.startsWith('_') ? [...builtIns.values()] : [];
    return [
      ...commandNames(project, current),
      ...optionWords(globalOptions, before),
      ...named.map(({ name, about }) => ({ word: name, about })),
    ];
  }
  const rest = before.slice(index + 1);
  const builtIn = builtIns.get(word);
  if (builtIn !== undefined) return ofBuiltIn(where, builtIn, rest);
  const found = findCommand(project, word);
  return found === null ? [] : ofCommand(found.command, rest);
}

/** Hidden ones only once their first letter is there. */
function commandNames(project: Project, current: string): readonly Candidate[] {
  return [...project.commands]
    .flatMap(([name, { value }]) => [name, ...value.aliases].map((word) => ({ word, about: firstLine(value) })))
    .filter(({ word }) => !isHidden(word) || current.startsWith('_'));
}

const firstLine = ({ description }: Command['value']): string => (description ?? '').trim().split('\n', 1)[0] ?? '';

/** Those that were not said yet, or may be said again. */
function optionWords(options: readonly OptionShape[], used: readonly string[]): readonly Candidate[] {
  const words = new Set(used.map((word) => (word.startsWith('--') ? (word.split('=', 1)[0] ?? word) : word)));
  return options
    .filter(({ names, many }) => many || !names.some((name) => words.has(name)))
    .flatMap(({ names, about }) => names.map((word) => ({ word, about })));
}

function ofBuiltIn(
  { project, builtIns }: Completing,
  shape: BuiltInShape,
  rest: readonly string[],
): readonly Candidate[] {
  if (shape.name === '_capsule') return completeCapsule(project, rest).map((word) => ({ word, about: '' }));
  const takesValue = (word: string | undefined): boolean =>
    word !== undefined && shape.options.some(({ names, value }) => value && names.includes(word));
  if (takesValue(rest.at(-1))) return [];
  const given = rest.filter((word, index) => !word.startsWith('-') && !takesValue(rest[index - 1])).length;
  const argument = shape.arguments[given];
  // What follows a program's name is the program's.
  const options =
    shape.arguments[given - 1]?.name === 'program' ? [] : optionWords([...shape.options, helpOption], rest);
  switch (argument?.name) {
    case undefined:
      return options;
    case 'container':
      return [...[...project.containers.keys()].map((word) => ({ word, about: 'a container' })), ...options];
    case 'command': {
      const named = [...builtIns.values()].map(({ name, about }) => ({ word: name, about }));
      return [...commandNames(project, '_'), ...named, ...options];
    }
    default:
      return [...argument!.choices.map((word) => ({ word, about: '' })), ...options];
  }
}

function ofCommand(command: Command, rest: readonly string[]): readonly Candidate[] {
  const described = command.value.options?.match(/(?<![\w-])--[a-z][\w-]*/g) ?? [];
  const own = [...new Set(described)].map((name) => option([name], ''));
  if (command.tag !== 'Supervise') return optionWords([...own, helpOption], rest);
  const { options } = command.value;
  const choice = (options?.includes('[options]') ?? true) ? childrenOptions : [];
  const building = options === null ? buildingOptions : [];
  const flags = optionWords([...own, ...choice, ...building, helpOption], rest);
  if (!rest.some((word) => word === '--only' || word === '--exclude')) return flags;
  const children = [...command.value.children];
  const names = [
    ...children.map(([word, { value }]) => ({ word, about: firstLine({ ...command.value, ...value }) })),
    ...children.flatMap(([, { value }]) => value.tags).map((word) => ({ word, about: 'a tag' })),
  ];
  return [...names.filter(({ word }) => !rest.includes(word)), ...flags];
}
