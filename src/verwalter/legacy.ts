import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { problemText } from './yaml-text.ts';

/** Files of the original's template folders that mean nothing here, each with what to write instead. */
export const legacyTemplates = (root: string): readonly string[] =>
  filesBelow(root).flatMap((file) => {
    const text = instead(file);
    return text === null ? [] : [problemText({ file, line: 0, text })];
  });

/** Null: nothing is wrong with its name. */
export const instead = (file: string): string | null => {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const handlebars = (language: string) =>
    `templates in ${language} are not rendered; write Handlebars in ${name.replace(/\.[^.]+$/, '.hbs')} instead`;
  if (name.endsWith('.tera')) return handlebars('Tera');
  if (/\.(trm|trimmer)$/.test(name)) return handlebars('Trimmer');
  const old = /^(.*)\.vw\.ya?ml$/.exec(name);
  return old === null ? null : `nothing reads it; call it ${old[1]}.render.yaml`;
};

const filesBelow = (root: string): readonly string[] => {
  let entries: Dirent[];
  try {
    entries = readdirSync(root, { recursive: true, withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
};
