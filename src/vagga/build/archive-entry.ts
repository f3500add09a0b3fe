import { chmodSync, createWriteStream, linkSync, lstatSync, mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ensureFolder, pathInRoot } from './root-path.ts';

// How an entry of an archive, tar or zip, gets into a root: owners are not kept, modes are.

export interface Target {
  readonly root: string;
  /** Folder inside the root. */
  readonly path: string;
  /** Only what is below it in the archive; empty: all. */
  readonly subdir: string;
}

/** The path below `subdir` of an entry's name, empty for the folder itself; null: not of it. */
export function entryPath(name: string, subdir: string): string | null {
  const clean = (text: string): readonly string[] => text.split('/').filter((part) => part !== '' && part !== '.');
  const parts = clean(name);
  const top = clean(subdir);
  if (parts.includes('..')) throw new Error(`archive: "${name}" leads out of the folder`);
  if (top.some((part, index) => parts[index] !== part)) return null;
  return parts.slice(top.length).join('/');
}

export function putFolder(target: Target, relative: string, mode: number): void {
  const path = join(target.path, relative);
  const place = ensureFolder(target.root, path);
  if (!lstatSync(place).isDirectory()) {
    rmSync(place);
    mkdirSync(place);
  }
  chmodSync(place, mode & 0o7777);
}

export async function putFile(
  target: Target,
  relative: string,
  mode: number,
  modified: Date | null,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  const place = freePlace(target, relative);
  await pipeline(content, createWriteStream(place, { flags: 'wx', mode: 0o600 }));
  chmodSync(place, mode & 0o7777);
  if (modified !== null) utimesSync(place, modified, modified);
}

export function putLink(target: Target, relative: string, to: string): void {
  symlinkSync(to, freePlace(target, relative));
}

/** `to`: another entry, below `subdir` too. */
export function putHardLink(target: Target, relative: string, to: string): void {
  const source = pathInRoot(target.root, join(target.path, to), false);
  linkSync(source, freePlace(target, relative));
}

/** The host's path for an entry that is no folder; what was there is gone. */
function freePlace(target: Target, relative: string): string {
  // An archive's one file, named by `subdir`, goes to `path` itself.
  const path = relative === '' ? target.path : join(target.path, relative);
  const place = join(ensureFolder(target.root, dirname(path)), basename(path));
  rmSync(place, { recursive: true, force: true });
  return place;
}
