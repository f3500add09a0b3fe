import {
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { IndexEntry } from './image-index.ts';
import { pathOfIndex } from './image-index.ts';

/** A build that has an index. */
export interface IndexedRoot {
  /** Its folder: it has `root`. */
  readonly folder: string;
  readonly entries: readonly IndexEntry[];
}

export interface LinkedFiles {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Makes files that are the same in several roots, at one path, with one mode and owner and content, one file of the disk.
 * The first root keeps its own. Links are made beside the root and renamed: whoever looks sees one file or the other.
 */
export function linkIdentical(roots: readonly IndexedRoot[]): LinkedFiles {
  const first = new Map<string, string>();
  let [files, bytes] = [0, 0];
  for (const { folder, entries } of roots) {
    const times = new Map<string, Stats>();
    for (const entry of entries) {
      // An empty file takes no space.
      if (entry.kind !== 'file' || entry.size === 0) continue;
      const { path, mode, uid, gid, size, digest } = entry;
      const same = JSON.stringify([path, mode, uid, gid, size, digest]);
      const other = first.get(same);
      if (other === undefined) {
        first.set(same, folder);
        continue;
      }
      if (!linkOne(join(other, 'root'), folder, path, times)) continue;
      files += 1;
      bytes += size;
    }
    // Renames have moved the folders' times.
    for (const [path, { atime, mtime }] of times) utimesSync(pathOfIndex(join(folder, 'root'), path), atime, mtime);
  }
  return { files, bytes };
}

function linkOne(from: string, folder: string, path: string, times: Map<string, Stats>): boolean {
  const root = join(folder, 'root');
  const [source, target] = [pathOfIndex(from, path), pathOfIndex(root, path)];
  const [a, b] = [statOf(source), statOf(target)];
  if (a === undefined || b === undefined || a.dev !== b.dev || a.ino === b.ino) return false;
  // An index tells what was: somebody may have changed one of them since.
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.size !== b.size) return false;
  if (!sameContent(source, target)) return false;
  const made = join(folder, `.link.${process.pid}`);
  try {
    rmSync(made, { force: true });
    linkSync(source, made);
  } catch (error) {
    // Removed meanwhile, or it has as many names as a file may have.
    if (['ENOENT', 'EMLINK', 'EXDEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
  const parent = dirname(path);
  if (!times.has(parent)) times.set(parent, lstatSync(pathOfIndex(root, parent)));
  renameSync(made, target);
  return true;
}

const statOf = (path: Buffer): Stats | undefined => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true ? stat : undefined;
};

const blockBytes = 1 << 20;

function sameContent(a: Buffer, b: Buffer): boolean {
  const [inA, inB] = [openSync(a, 'r'), openSync(b, 'r')];
  try {
    const [blockA, blockB] = [Buffer.allocUnsafe(blockBytes), Buffer.allocUnsafe(blockBytes)];
    for (;;) {
      const gotA = fill(inA, blockA);
      const gotB = fill(inB, blockB);
      if (gotA !== gotB || blockA.compare(blockB, 0, gotB, 0, gotA) !== 0) return false;
      if (gotA < blockBytes) return true;
    }
  } finally {
    closeSync(inA);
    closeSync(inB);
  }
}

function fill(fd: number, block: Buffer): number {
  let at = 0;
  for (;;) {
    const got = readSync(fd, block, at, block.length - at, null);
    at += got;
    if (got === 0 || at === block.length) return at;
  }
}
