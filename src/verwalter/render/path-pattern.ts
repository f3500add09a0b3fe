import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';

// Paths with one part in parentheses that is compared with something: `/dir/(*).conf`, `/dir/(**/*.conf)`.
export interface PathPattern {
  /** The folder below which everything lies that can match. */
  readonly base: string;
  /** What stands in the parentheses; null where the path does not match. */
  match(path: string): string | null;
}

/** Folders below each other, so that a circle of bind mounts ends. */
const deepest = 32;

/**
 * As in the original (spec/verwalter.md 5.3): `*` and `?` cross no `/` and match no leading dot; `**` crosses, but
 * enters no folder with a leading dot.
 */
export const pathPattern = (pattern: string): PathPattern | { readonly problem: string } => {
  if (!pattern.startsWith('/') && !pattern.startsWith('{{')) return { problem: `${pattern}: not an absolute path` };
  if (pattern.split('(').length !== 2 || pattern.split(')').length !== 2 || pattern.indexOf('(') > pattern.indexOf(')'))
    return { problem: `${pattern}: has one part in parentheses ( ), which is compared` };
  const regex = new RegExp(`^${translated(pattern)}$`, 'u');
  const literal = pattern.slice(0, pattern.search(/[*?()]/));
  return {
    base: literal.slice(0, Math.max(literal.lastIndexOf('/'), 1)),
    match: (path) => regex.exec(path)?.[1] ?? null,
  };
};

function translated(pattern: string): string {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    const startsName = /\/\(?$/.test(pattern.slice(0, at));
    const notHidden = startsName ? '(?!\\.)' : '';
    if (pattern.startsWith('**/', at) && startsName) {
      source += '(?:(?!\\.)[^/]+/)*';
      at += 2;
    } else if (pattern.startsWith('**', at)) {
      source += '(?:(?!/\\.)[^])*';
      at += 1;
    } else if (char === '*') source += `${notHidden}[^/]*`;
    else if (char === '?') source += `${notHidden}[^/]`;
    else if (char === '(' || char === ')') source += char;
    else source += char.replace(/[\\^$.|+[\]{}/]/, '\\$&');
  }
  return source;
}

/** Regular files that match, by path, with what stands in the parentheses. Links are not followed. */
export const matchingFiles = (pattern: PathPattern): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  const walk = (folder: string, depth: number): void => {
    let entries: Dirent[];
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth < deepest) walk(path, depth + 1);
      if (!entry.isFile()) continue;
      const part = pattern.match(path);
      if (part !== null) found.set(path, part);
    }
  };
  walk(pattern.base, 0);
  return found;
};
