import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { isFailure } from '../../native/container.ts';
import type { StepOf } from '../config/steps.ts';
import { hostPath } from '../run/mounts.ts';
import { type CompiledSelection, compileSelection } from '../version/rules.ts';
import { walk } from '../version/walk.ts';
import type { BuildJob, BuildState } from './job.ts';
import { ensureFolder, pathInRoot } from './root-path.ts';

// The steps that only change files: Text, EnsureDir, EmptyDir, Remove, Copy.

export function writeTexts(root: string, texts: ReadonlyMap<string, string>): void {
  for (const [path, text] of texts) {
    const place = pathInRoot(root, path);
    writeFileSync(place, text);
    chmodSync(place, 0o644);
  }
}

/** File, folder or link; what is not there is no error. */
export function removePath(root: string, path: string): void {
  rmSync(pathInRoot(root, path, false), { recursive: true, force: true });
}

/** Removes what the folder holds; its mode stays. */
export function emptyFolder(root: string, path: string): void {
  const folder = pathInRoot(root, path);
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** Whom, with which modes and times, the copy belongs to. */
export interface CopyAttributes {
  readonly ownerUid: number | null;
  readonly ownerGid: number | null;
  readonly preservePermissions: boolean;
  readonly preserveTimes: boolean;
  readonly umask: number;
}

export function copyStep(job: BuildJob, state: BuildState, step: StepOf<'Copy'>): Promise<void> {
  const fromHost = step.source.startsWith('/') ? hostPath(step.source, job) : hostPath(`/work/${step.source}`, job);
  const bound = [...state.binds].find(([at]) => step.source === at || step.source.startsWith(`${at}/`));
  const source =
    fromHost ??
    (bound === undefined
      ? pathInRoot(job.root, step.source)
      : pathInRoot(bound[1].source, step.source.slice(bound[0].length)));
  if (lstatSync(source, { throwIfNoEntry: false }) === undefined) throw new Error(`${step.source} is not there`);
  return copySelected(source, job.root, step.path, compileSelection(step), step);
}

/** `source` is a file, a link or a folder of the host; `path` is where it, or what it holds, is to be in the root. */
export async function copySelected(
  source: string,
  root: string,
  path: string,
  selection: CompiledSelection,
  attributes: CopyAttributes,
): Promise<void> {
  if (selection.kind === 'invalid') throw new Error(selection.message);
  const stat = lstatSync(source);
  if (!stat.isDirectory()) {
    ensureFolder(root, dirname(path));
    copyEntry(source, stat, pathInRoot(root, path, false), attributes);
    return;
  }
  const top = ensureFolder(root, path);
  const folders: [string, Stats][] = [[top, stat]];
  setAttributes(top, stat, attributes);
  const selected = await walk(source, '', selection.judge, availableParallelism());
  if (isFailure(selected)) throw new Error(selected.message);
  for (const relative of selected.paths) {
    const from = join(source, relative);
    const to = join(pathInRoot(root, dirname(join(path, relative))), relative.slice(relative.lastIndexOf('/') + 1));
    const each = lstatSync(from);
    const place = each.isDirectory() ? pathInRoot(root, join(path, relative)) : to;
    copyEntry(from, each, place, attributes);
    if (each.isDirectory()) folders.push([place, each]);
  }
  // Last, since filling a folder changes its times.
  for (const [folder, each] of folders.reverse()) setTimes(folder, each, attributes);
}

function copyEntry(from: string, stat: Stats, to: string, attributes: CopyAttributes): void {
  const there = lstatSync(to, { throwIfNoEntry: false });
  if (stat.isDirectory()) {
    if (there?.isDirectory() !== true) {
      if (there !== undefined) rmSync(to);
      mkdirSync(to);
    }
    setAttributes(to, stat, attributes);
    return;
  }
  if (there !== undefined) rmSync(to, { recursive: true });
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
    own(to, stat, attributes, lchownSync);
    const { atime, mtime } = timesOf(stat, attributes);
    lutimesSync(to, atime, mtime);
  } else if (stat.isFile()) {
    copyFileSync(from, to, reflinkWhereItCan);
    setAttributes(to, stat, attributes);
    setTimes(to, stat, attributes);
  }
  // Sockets, pipes and devices are no content.
}

const reflinkWhereItCan = 2; // fs.constants.COPYFILE_FICLONE

function setAttributes(path: string, stat: Stats, attributes: CopyAttributes): void {
  own(path, stat, attributes, chownSync);
  const open = stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o777 : 0o666;
  chmodSync(path, attributes.preservePermissions ? stat.mode & 0o7777 : open & ~attributes.umask);
}

function own(path: string, stat: Stats, { ownerUid, ownerGid }: CopyAttributes, change: typeof chownSync): void {
  try {
    change(path, ownerUid ?? stat.uid, ownerGid ?? stat.gid);
  } catch (error) {
    // An id that the container has not: the file stays root's, unless it was asked for.
    if (ownerUid !== null || ownerGid !== null || !isIdProblem(error)) throw error;
  }
}

const isIdProblem = (error: unknown): boolean =>
  ['EINVAL', 'EPERM', 'EOVERFLOW'].includes((error as NodeJS.ErrnoException).code ?? '');

function setTimes(path: string, stat: Stats, attributes: CopyAttributes): void {
  const { atime, mtime } = timesOf(stat, attributes);
  utimesSync(path, atime, mtime);
}

/** Seconds since 1970. */
function timesOf(stat: Stats, { preserveTimes }: CopyAttributes): { readonly atime: number; readonly mtime: number } {
  return preserveTimes ? { atime: stat.atimeMs / 1000, mtime: stat.mtimeMs / 1000 } : { atime: 1, mtime: 1 };
}

/** An empty file in place of whatever has that name; nothing where its folder is missing. */
export function emptyFile(root: string, path: string): void {
  const place = join(pathInRoot(root, dirname(path)), path.slice(path.lastIndexOf('/') + 1));
  if (lstatSync(dirname(place), { throwIfNoEntry: false })?.isDirectory() !== true) return;
  rmSync(place, { force: true, recursive: true });
  closeSync(openSync(place, 'w', 0o644));
}
