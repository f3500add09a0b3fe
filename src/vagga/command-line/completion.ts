import type { Project } from '../config/project.ts';
import { findCommand } from './find-command.ts';
import { isHidden } from './listing.ts';

/** Options before the command; those of one group exclude each other once one is there. */
const globalOptions: readonly { readonly names: readonly string[]; readonly many: boolean; readonly value: boolean }[] =
  [
    { names: ['-V', '--version'], many: false, value: false },
    { names: ['-h', '--help'], many: false, value: false },
    { names: ['-E', '--env', '--environ'], many: true, value: true },
    { names: ['-e', '--use-env'], many: true, value: true },
    { names: ['--ignore-owner-check'], many: false, value: false },
    { names: ['--no-prerequisites'], many: false, value: false },
    { names: ['--containers-only'], many: false, value: false },
    { names: ['--isolate-network', '--no-network', '--no-net'], many: false, value: false },
    { names: ['--no-image-download'], many: false, value: false },
    { names: ['--no-build'], many: false, value: false },
    { names: ['--no-version-check'], many: false, value: false },
    { names: ['-m', '--run-multi'], many: false, value: false },
  ];

const builtInOptions: Readonly<Record<string, readonly string[]>> = {
  _list: ['-A', '--all', '--builtin', '--hidden', '--no-aliases', '--containers', '--zsh', '-v', '--verbose'],
  _build: ['--force'],
  _clean: [
    ...['--tmp', '--tmp-folders', '--old', '--old-containers', '--unused', '--at-least', '--transient'],
    ...['--unused-volumes', '--volumes', '--everything', '--global', '-n', '--dry-run'],
  ],
  _export: ['--oci', '-o', '--output', '--tag'],
  _lock: ['--update', '--check', '--offline'],
  _run: ['-W', '--writeable'],
  _version_hash: ['-s', '--short', '--debug-versioning', '--dump-version-data'],
};

const takesContainer = new Set([
  '_build',
  '_run',
  '_version_hash',
  '_pack_image',
  '_push_image',
  '_verify',
  '_explain',
  '_export',
  '_lock',
]);

/** What `current` may become after the words `before` (vagga 5.2, Completion): each candidate begins with `current`. */
export function complete(
  project: Project,
  builtIns: readonly string[],
  before: readonly string[],
  current: string,
): readonly string[] {
  return candidates(project, builtIns, before, current).filter((word) => word.startsWith(current));
}

function candidates(
  project: Project,
  builtIns: readonly string[],
  before: readonly string[],
  current: string,
): readonly string[] {
  const used = new Set<string>();
  let index = 0;
  for (; index < before.length; index++) {
    const word = before[index] ?? '';
    if (!word.startsWith('-')) break;
    const option = globalOptions.find(({ names }) => names.includes(word.split('=', 1)[0] ?? word));
    if (option === undefined) continue;
    if (!option.many) for (const name of option.names) used.add(name);
    if (option.value && !word.includes('=')) {
      // Its value comes next: nobody knows which.
      if (index === before.length - 1) return [];
      index++;
    }
    if (word === '-m' || word === '--run-multi') return commandNames(project, current);
  }
  const word = before[index];
  if (word === undefined) {
    const options = globalOptions.flatMap(({ names }) => names).filter((name) => !used.has(name));
    return [...options, ...commandNames(project, current), ...(current.startsWith('_') ? builtIns : [])];
  }
  return ofCommand(project, builtIns, word, before.slice(index + 1));
}

/** Hidden ones only once their first letter is there. */
function commandNames(project: Project, current: string): readonly string[] {
  return [...project.commands]
    .flatMap(([name, { value }]) => [name, ...value.aliases])
    .filter((name) => !isHidden(name) || current.startsWith('_'));
}

function ofCommand(
  project: Project,
  builtIns: readonly string[],
  word: string,
  rest: readonly string[],
): readonly string[] {
  if (builtIns.includes(word)) {
    const options = (builtInOptions[word] ?? []).filter((option) => !rest.includes(option));
    const named = rest.some((each) => !each.startsWith('-'));
    const containers = takesContainer.has(word) && !named ? [...project.containers.keys()] : [];
    return [...options, ...containers];
  }
  const found = findCommand(project, word);
  if (found === null) return [];
  const { command } = found;
  const own = command.value.options === null ? [] : (command.value.options.match(/--[a-z][\w-]*/g) ?? []);
  if (command.tag !== 'Supervise') return fresh([...own, '--help'], rest);
  const last = rest.findLast((each) => each === '--only' || each === '--exclude');
  const children = [...command.value.children];
  const names = [...children.map(([name]) => name), ...children.flatMap(([, { value }]) => value.tags)];
  const flags = fresh(
    [...own, '--only', '--exclude', '--no-image-download', '--no-build', '--no-version-check', '--help'],
    rest,
  );
  return last === undefined ? flags : [...flags, ...fresh(names, rest)];
}

const fresh = (words: readonly string[], used: readonly string[]): readonly string[] =>
  [...new Set(words)].filter((word) => !used.includes(word));
