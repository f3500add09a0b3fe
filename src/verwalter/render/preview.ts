import type { JsonObject } from '../canonical.ts';
import { expand, innerCommands, type RenderCommand, textsOf } from './render-command.ts';
import type { TemplateTree } from './template-tree.ts';

/** One line a command, with its names in place of what they stand for. */
const told = (commands: readonly RenderCommand[], names: Readonly<Record<string, string>>, indent = ''): string =>
  commands
    .map((command) => {
      const first = 'argv' in command ? [command.argv[0]] : [];
      const words = [...first, ...textsOf(command).map((text) => expand(text, names))];
      return `${indent}!${command.kind} ${words.join(' ')}\n${told(innerCommands(command), names, `${indent}  `)}`;
    })
    .join('');

/** Everything that a role would write and run, as text. */
export const preview = (
  tree: TemplateTree,
  variables: JsonObject,
  role: string,
  node: string,
  configDir: string,
): string =>
  tree.renderFiles
    .map(({ templates, commands }) => {
      const names: Record<string, string> = { role, node, config_dir: configDir, staging: '(staging)' };
      const texts = Object.entries(templates).map(([name, template]) => {
        const text = tree.templates.render(template, variables);
        for (const key of [`files.${name}`, `templates.${name}`, 'tmp_file']) names[key] = `(${name})`;
        return `+++ template start: ${template} -> (${name}) +++\n${text}${text.endsWith('\n') ? '' : '\n'}+++ template end: ${template} +++\n`;
      });
      return texts.join('') + told(commands, names);
    })
    .join('');
