import {
  closeSync,
  type Dirent,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isBelow } from '../../config/paths.ts';

export interface FoundImage {
  readonly path: string;
  readonly mtimeMs: number;
}

export interface ImageScan {
  /** Folders exactly so many levels below the image-dir. */
  readonly images: readonly FoundImage[];
  /** Images that an earlier run has not wholly deleted. */
  readonly leftovers: readonly string[];
  /** Symbolic links: named, never followed and never removed. */
  readonly links: readonly string[];
  /** Files and hidden folders: none of ours. */
  readonly others: readonly string[];
  readonly problems: readonly string[];
}

/** A folder of this name is no image any more. */
const deletingPrefix = '.deleting.';

/** What lies in an image-dir; nothing where it is not there. Never throws. */
export function scanImages(dir: string, levels: number): ImageScan {
  const images: FoundImage[] = [];
  const leftovers: string[] = [];
  const links: string[] = [];
  const others: string[] = [];
  const problems: string[] = [];
  const walk = (folder: string, left: number): void => {
    const entries = entriesOf(folder);
    if (typeof entries === 'string') {
      problems.push(entries);
      return;
    }
    for (const entry of entries) {
      const name = entry.name.toString('utf8');
      const path = join(folder, name);
      if (!Buffer.from(name).equals(entry.name) || /\p{Cc}/u.test(name)) {
        problems.push(`${JSON.stringify(path)}: expected a name in UTF-8 without control characters; rename it`);
      } else if (entry.isSymbolicLink()) links.push(path);
      else if (!entry.isDirectory()) others.push(path);
      else if (name.startsWith(deletingPrefix) && left === 1) leftovers.push(path);
      else if (name.startsWith('.')) others.push(path);
      else if (left > 1) walk(path, left - 1);
      else {
        const stats = lstatSync(path, { throwIfNoEntry: false });
        if (stats !== undefined) images.push({ path, mtimeMs: stats.mtimeMs });
      }
    }
  };
  walk(dir, levels);
  return { images, leftovers, links, others, problems };
}

/** In a fixed order; names as bytes, because not all of them are text. */
function entriesOf(folder: string): readonly Dirent<Buffer>[] | string {
  try {
    return readdirSync(folder, { withFileTypes: true, encoding: 'buffer' }).sort((a, b) =>
      Buffer.compare(a.name, b.name),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? [] : `${folder}: cannot be read (${code})`;
  }
}

/**
 * Mount points at or below a folder, out of /proc/self/mountinfo (proc_pid_mountinfo(5)): what is mounted in an image
 * is no part of it.
 */
export function mountsBelow(mountinfo: string, path: string): readonly string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((field) => field !== undefined)
    .map((field) =>
      field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((mount) => isBelow(mount, path));
}

/** Why it failed; null after success. The folder loses its name first: what is half deleted is never taken for whole. */
export function deleteImage(path: string): string | null {
  const doomed = join(dirname(path), `${deletingPrefix}${basename(path)}`);
  try {
    renameSync(path, doomed);
    const parent = openSync(dirname(path), 'r');
    try {
      // Also after a power cut.
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
  } catch (error) {
    return `${path}: cannot be renamed to ${doomed} (${(error as NodeJS.ErrnoException).code})`;
  }
  return deleteLeftover(doomed);
}

/** Why it failed; null after success. */
export function deleteLeftover(path: string): string | null {
  try {
    const { dev } = lstatSync(path);
    removeFolder(Buffer.from(path), dev);
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return `${path}: not wholly deleted, the next run goes on (${code === undefined ? message : `${code}: ${message}`})`;
  }
}

/** Ends at another file system, which rmSync would empty. Bytes, because names in an image need not be UTF-8. */
function removeFolder(path: Buffer, dev: number): void {
  if (lstatSync(path).dev !== dev) throw new Error(`${path} is on another file system`);
  for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'buffer' })) {
    const child = Buffer.concat([path, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) removeFolder(child, dev);
    else unlinkSync(child);
  }
  rmdirSync(path);
}
