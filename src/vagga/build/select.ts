import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import picomatch from 'picomatch';

// Which files of a folder a !Copy takes: vagga 3, "Files".

export interface Selection {
  readonly ignoreRegex: string | null;
  readonly includeRegex: string | null;
  readonly rules: readonly string[];
  readonly noDefaultRules: boolean;
}

export const defaultIgnore = '(^|/)\\.(git|hg|svn|vagga)($|/)|~$|\\.bak$|\\.orig$|^#.*#$';
const defaultRules = ['!.git/', '!.hg/', '!.svn/', '!.vagga/', '!*.bak', '!*.orig', '!*~', '!#*#', '!.#*'];

/** Whether a path relative to the source is taken for itself; folders come along with what they hold. */
export type Selects = (path: string, isFolder: boolean) => boolean;

export function selects({ ignoreRegex, includeRegex, rules, noDefaultRules }: Selection): Selects {
  if (rules.length > 0) return byRules(noDefaultRules ? rules : [...rules, ...defaultRules]);
  const ignore = new RegExp(ignoreRegex ?? defaultIgnore);
  if (includeRegex === null) return (path) => !ignore.test(path);
  const include = new RegExp(includeRegex);
  return (path, isFolder) => !isFolder && include.test(path) && !ignore.test(path);
}

/** Relative paths below `source`, each folder before what it holds. */
export function selectedPaths(source: string, selection: Selection): readonly string[] {
  const takes = selects(selection);
  const found: string[] = [];
  const walk = (folder: string): void => {
    const entries = readdirSync(join(source, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const before = found.length;
      if (!entry.isDirectory()) {
        if (takes(path, false)) found.push(path);
        continue;
      }
      found.push(path);
      walk(path);
      if (found.length === before + 1 && !takes(path, true)) found.pop();
    }
  };
  walk('');
  return found;
}

interface Rule {
  readonly takes: boolean;
  readonly onlyFolders: boolean;
  /** The rule `/`: the source itself, and so all that it holds. */
  readonly everything: boolean;
  readonly matches: (path: string) => boolean;
}

/** As gitignore(5) with the sense inverted: the last rule that matches the path or a folder above it decides. */
function byRules(rules: readonly string[]): Selects {
  const parsed = rules.map(parseRule);
  return (path, isFolder) => {
    const parts = path.split('/');
    const above = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const hit = parsed.findLast((rule) =>
      above.some(
        (each, index) =>
          (index < above.length - 1 || isFolder || rule.everything || !rule.onlyFolders) && rule.matches(each),
      ),
    );
    return hit?.takes === true && (!isFolder || hit.onlyFolders);
  };
}

function parseRule(text: string): Rule {
  const takes = !text.startsWith('!');
  const pattern = takes ? text : text.slice(1);
  const onlyFolders = pattern.endsWith('/');
  const body = onlyFolders ? pattern.slice(0, -1) : pattern;
  const anchored = pattern.startsWith('/') || body.includes('/');
  if (takes && !pattern.startsWith('/')) throw new Error(`rule "${text}": a rule that includes starts with /`);
  const glob = anchored ? body.replace(/^\//, '') : `**/${body}`;
  const everything = glob === '';
  const matches = everything
    ? () => true
    : picomatch(glob.replace(/^#|([({@+])/g, '\\$&'), { dot: true, nonegate: true });
  return { takes, onlyFolders, everything, matches };
}
