import type { Command } from '../config/command.ts';
import type { Project } from '../config/project.ts';

/** A command by its name or an alias; a real name wins, then the first that has the alias. */
export function findCommand(
  project: Project,
  word: string,
): { readonly name: string; readonly command: Command } | null {
  const own = project.commands.get(word);
  if (own !== undefined) return { name: word, command: own };
  for (const [name, command] of project.commands) {
    if (command.value.aliases.includes(word)) return { name, command };
  }
  return null;
}
