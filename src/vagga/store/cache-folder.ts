import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

// A cache-dir may belong to several users: whoever may write to its folder may write to what vagga makes in it.

/** A folder of the cache, made with the mode that the cache itself has. */
export function cacheFolder(cache: string, name: string): string {
  mkdirSync(cache, { recursive: true });
  let folder = cache;
  for (const part of name.split('/').filter((each) => each !== '' && each !== '.')) {
    const above = folder;
    folder = join(folder, part);
    make(folder, () => mkdirSync(folder), statSync(above).mode & 0o7777);
  }
  return folder;
}

/**
 * Where in the cache is what no other user may have a hand in, and what belongs to the ids of one: the cache itself, or a
 * folder of this user where it is somebody else's. For the process of the user, not in a namespace.
 */
export function ownCache(cache: string, uid = process.geteuid?.() ?? 0): string {
  const owner = statSync(cache, { throwIfNoEntry: false })?.uid ?? uid;
  return owner === uid ? cache : join(cache, `of-${uid}`);
}

/** A file to be locked, by everybody who may make files in its folder. */
export function lockable(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  make(path, () => closeSync(openSync(path, 'wx', 0o600)), statSync(dirname(path)).mode & 0o666);
}

function make(path: string, create: () => void, mode: number): void {
  try {
    create();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  chmodSync(path, mode); // whatever the umask is
}
