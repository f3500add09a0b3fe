import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

// A path as a process inside the root would see it: symbolic links in an image may not lead out of it.

/** What is at a path of the host. */
export type LookUp = (path: string) => { readonly kind: 'link'; readonly to: string } | { readonly kind: 'other' };

const mostLinks = 40; // as the kernel

/**
 * The host's path of `path` inside `root`. Links on the way are followed inside the root, the last part's too if
 * `followLast`; what is not there stays as it is written. Throws on a loop of links.
 */
export function pathInRoot(root: string, path: string, followLast = true, lookUp: LookUp = onDisk): string {
  const pending = path.split('/').filter((part) => part !== '' && part !== '.');
  const done: string[] = [];
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '..') {
      done.pop();
      continue;
    }
    const found = pending.length > 0 || followLast ? lookUp(join(root, ...done, part)) : { kind: 'other' as const };
    if (found.kind === 'other') {
      done.push(part);
      continue;
    }
    links += 1;
    if (links > mostLinks) throw new Error(`${path}: too many symbolic links`);
    if (found.to.startsWith('/')) done.length = 0;
    pending.unshift(...found.to.split('/').filter((each) => each !== '' && each !== '.'));
  }
  return join(root, ...done);
}

/** Makes a folder inside with those above it, 0755; returns the host's path. */
export function ensureFolder(root: string, path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  let at = '';
  for (const part of parts) {
    at = `${at}/${part}`;
    const place = pathInRoot(root, at);
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) mkdirSync(place, { mode: 0o755, recursive: true });
  }
  return pathInRoot(root, path);
}

function onDisk(path: string): ReturnType<LookUp> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isSymbolicLink() === true ? { kind: 'link', to: readlinkSync(path) } : { kind: 'other' };
}
