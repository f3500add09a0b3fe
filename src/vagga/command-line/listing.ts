import type { Command } from '../config/command.ts';
import type { Project } from '../config/project.ts';

export interface ListingOptions {
  /** Names that begin with `_` too. */
  readonly hidden: boolean;
  readonly aliases: boolean;
  readonly containers: boolean;
  /** Where each command comes from. */
  readonly verbose: boolean;
}

/** Names are padded to this column. */
const nameColumn = 20;

export const isHidden = (name: string): boolean => name.startsWith('_');

/** `name    description`, further lines of a description below the first. */
function entry(name: string, { value }: Command, withAliases: boolean): readonly string[] {
  const [first = '', ...rest] = (value.description ?? '').trimEnd().split('\n');
  const head = name.length < nameColumn ? [`${name.padEnd(nameColumn)}${first}`] : [name, indented(first)];
  const lines = [...head, ...rest.map(indented)];
  if (withAliases && value.aliases.length > 0) lines.push(indented(`(aliases: ${value.aliases.join(', ')})`));
  return lines.map((line) => line.trimEnd());
}

const indented = (line: string): string => ' '.repeat(nameColumn) + line;

/** What `vagga` alone prints: commands under the headings of their groups, in the order of the file. */
export function overview({ commands }: Project): string {
  const groups = new Map<string | null, string[]>();
  for (const [name, command] of commands) {
    if (isHidden(name)) continue;
    const { group } = command.value;
    groups.set(group, [...(groups.get(group) ?? []), ...entry(name, command, true).map((line) => `    ${line}`)]);
  }
  const sections = [...groups].map(([group, lines]) => `${group ?? 'Available commands'}:\n${lines.join('\n')}\n`);
  return sections.length === 0 ? 'There is no command in vagga.yaml.\n' : sections.join('\n');
}

/** What `vagga _list` prints. */
export function list(project: Project, options: ListingOptions): string {
  const lines: string[] = [];
  if (options.containers) {
    for (const name of project.containers.keys()) if (options.hidden || !isHidden(name)) lines.push(name);
    return text(lines);
  }
  for (const [name, command] of project.commands) {
    if (!options.hidden && isHidden(name)) continue;
    lines.push(...entry(name, command, options.aliases));
    if (options.verbose) lines.push(indented(`(from ${project.commandFiles.get(name) ?? project.file})`));
  }
  return text(lines);
}

/** `name:first line` of all that is not hidden, for zsh's _describe. */
export function listForZsh({ commands }: Project): string {
  const shown = [...commands].filter(([name]) => !isHidden(name));
  return text(shown.map(([name, { value }]) => `${name}:${(value.description ?? '').split('\n', 1)[0] ?? ''}`));
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
