import { lstatSync } from 'node:fs';
import { constants } from 'node:os';
import { join, posix } from 'node:path';
import { isFailure, type NativeFailure } from '../../native/container.ts';
import { type FileRequest, hashAddon } from '../../native/hash.ts';
import { noteInput, noteObstacle } from '../plan/inputs.ts';
import { failed, notReady, type Stop } from './outcome.ts';
import type { Judge } from './rules.ts';
import type { VersionStream } from './stream.ts';
import { walk } from './walk.ts';

/** A tree of files that goes into a version. */
export interface TreeRequest extends Omit<FileRequest, 'below' | 'entries' | 'prefix'> {
  /** Relative to `root`, without `.` and `..`; empty for `root` itself. */
  readonly source: string;
  /** What `root` is called in what is hashed: `/work`. */
  readonly rootName: string;
  readonly judge: Judge;
}

/** A tree that is being written to is walked again so many times before that is told. */
const mostTries = 4;

export async function hashTree(
  stream: VersionStream,
  tree: TreeRequest,
  threads: number,
  warn: (message: string) => void,
): Promise<Stop | null> {
  const name = posix.join(tree.rootName, tree.source);
  for (let tries = 1; ; tries++) {
    const result = await hashOnce(stream, tree, name, threads);
    if (!isFailure(result)) {
      if ('kind' in result) return result;
      for (const warning of result.warnings) warn(`${name}: ${warning}`);
      return null;
    }
    const moved = result.errno === constants.errno.ESTALE || result.errno === constants.errno.ENOENT;
    if (!moved) return failed(`${name}: ${result.message}`);
    if (tries === mostTries) return failed(`${name}: ${result.message} (it is being written to; tried ${tries} times)`);
  }
}

async function hashOnce(
  stream: VersionStream,
  tree: TreeRequest,
  name: string,
  threads: number,
): Promise<NativeFailure | Stop | { readonly warnings: readonly string[] }> {
  const { source, rootName, judge, ...request } = tree;
  const startedMs = Date.now();
  const isFolder = kindOf(join(tree.root, source));
  if (isFolder === null) return notReady(`${name} does not exist`);
  const walked = isFolder
    ? await walk(tree.root, source, judge, threads)
    : { paths: [], folders: [], warnings: judge.warnings };
  if (isFailure(walked)) return walked;
  noteTree(tree.root, source, [...walked.paths, ...walked.folders]);
  const below = posix.dirname(source) === '.' ? '' : posix.dirname(source);
  const own = source === '' ? '.' : posix.basename(source);
  const prefix = source === '' ? '' : `${own}/`;
  const entries = Buffer.from([own, ...walked.paths.map((path) => prefix + path)].map((path) => `${path}\0`).join(''));
  const files = await hashAddon().lookAtFiles(
    { ...request, below, entries, prefix: posix.join(rootName, below).replace(/\/$/, '') },
    threads,
  );
  if (isFailure(files)) return files;
  const failure = await stream.files(name, files, startedMs);
  return failure ?? { warnings: walked.warnings };
}

/** The folders on the way are those that they are, and what was looked at is as it is. */
function noteTree(root: string, source: string, paths: readonly string[]): void {
  const parts = source.split('/');
  for (let depth = 1; depth < parts.length; depth++) {
    const folder = join(root, ...parts.slice(0, depth));
    if (kindOf(folder) !== true) noteObstacle(`${folder} is no folder, but a way to one`);
    noteInput('folder', folder, true);
  }
  noteInput('entry', join(root, source), true);
  for (const path of paths) noteInput('entry', join(root, source, path), true);
}

/** Whether it is a folder; null where there is nothing. */
function kindOf(path: string): boolean | null {
  try {
    return lstatSync(path).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    return false; // looking at it will tell what is wrong
  }
}
