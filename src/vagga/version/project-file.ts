import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { noteInput } from '../plan/inputs.ts';

/** Where the project is mounted in a container. */
export const workFolder = '/work';

/**
 * A path of a step relative to the project's root, without `.`, `..` and repeated slashes; empty for the root itself,
 * null where it lies outside. Relative paths are below the project's root.
 */
export function projectPath(path: string): string | null {
  const absolute = posix.normalize(posix.isAbsolute(path) ? path : posix.join(workFolder, path)).replace(/\/$/, '');
  if (absolute === workFolder) return '';
  return absolute.startsWith(`${workFolder}/`) ? absolute.slice(workFolder.length + 1) : null;
}

export type ProjectFile =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly message: string };

/** `path` as in a step: see projectPath. */
export function readProjectFile(root: string, path: string): ProjectFile {
  const relative = projectPath(path);
  if (relative === null) return { kind: 'unreadable', message: `${path} lies outside of the project` };
  noteInput('file', join(root, relative));
  try {
    return { kind: 'read', bytes: readFileSync(join(root, relative)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' };
    return { kind: 'unreadable', message: `${path} cannot be read (${code})` };
  }
}

/** As Rust compares texts: by their bytes. */
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** As Rust compares paths: part by part, each by its bytes. */
export const byParts = (a: string, b: string): number => byBytes(a.replaceAll('/', '\0'), b.replaceAll('/', '\0'));
