import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hashText } from '../canonical.ts';
import { instead } from '../legacy.ts';
import { FileError } from '../yaml-text.ts';
import { compileTemplates, type TemplateSet } from './handlebars.ts';
import { parseRenderFile, type RenderFile } from './render-yaml.ts';

/** Everything below `templates/<template>`, checked. */
export interface TemplateTree {
  readonly templates: TemplateSet;
  /** Sorted by path. */
  readonly renderFiles: readonly RenderFile[];
  /** A template reads the schedule of the whole cluster, so that any change of it concerns this role. */
  readonly usesFullSchedule: boolean;
  /** Over paths and contents. */
  readonly hash: string;
}

const maxTemplateBytes = 4 * 1024 * 1024;
const maxDepth = 16;

/** Throws FileError or TemplateError; whichever it is, nothing was run. */
export const readTemplateTree = (folder: string): TemplateTree => {
  const sources: Record<string, string> = {};
  const renders: { path: string; text: string }[] = [];
  const everything: [string, string][] = [];
  const walk = (prefix: string, depth: number): void => {
    if (depth > maxDepth)
      throw new FileError({ file: join(folder, prefix), line: 0, text: `deeper than ${maxDepth} folders` });
    for (const name of readdirSync(join(folder, prefix)).sort()) {
      if (name.startsWith('.')) continue;
      const path = prefix === '' ? name : `${prefix}/${name}`;
      const full = join(folder, path);
      const stat = statSync(full);
      if (stat.isDirectory()) {
        walk(path, depth + 1);
        continue;
      }
      const otherwise = instead(full);
      if (otherwise !== null) throw new FileError({ file: full, line: 0, text: otherwise });
      const isTemplate = /\.(hbs|handlebars)$/.test(name);
      const isRender = /\.render\.ya?ml$/.test(name);
      if (!isTemplate && !isRender) continue;
      if (stat.size > maxTemplateBytes)
        throw new FileError({ file: full, line: 0, text: `larger than ${maxTemplateBytes} bytes` });
      const text = readFileSync(full, 'utf8');
      everything.push([path, text]);
      if (isTemplate) sources[path] = text;
      else renders.push({ path, text });
    }
  };
  try {
    walk('', 0);
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError({ file: folder, line: 0, text: (error as Error).message });
  }
  const renderFiles = renders.map(({ path, text }) => {
    const file = join(folder, path);
    const parsed = parseRenderFile(file, text);
    const base = path.includes('/') ? `${path.slice(0, path.lastIndexOf('/'))}/` : '';
    const templates = Object.fromEntries(
      Object.entries(parsed.templates).map(([name, template]) => {
        if (sources[base + template] === undefined) {
          throw new FileError({ file, line: 0, text: `templates.${name}: there is no template ${template}` });
        }
        return [name, base + template];
      }),
    );
    return { ...parsed, templates };
  });
  if (renderFiles.length === 0) throw new FileError({ file: folder, line: 0, text: 'there is no *.render.yaml' });
  return {
    templates: compileTemplates(sources),
    renderFiles,
    usesFullSchedule: Object.values(sources).some((text) => text.includes('full_schedule')),
    hash: hashText(JSON.stringify(everything)),
  };
};
