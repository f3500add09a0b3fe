import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { formatProblem } from '../../config/problem.ts';
import { loadMaster } from '../config/master.ts';
import type { MasterConfig } from '../config/master-config.ts';
import { type HistoryRule, msPerDay, parseRolledName } from './config-log-reader.ts';
import { currentUse } from './current-use.ts';
import { type ImageDir, imageDirsOf, reasonToKeep, type SandboxUse } from './image-dirs.ts';
import { deleteImage, deleteLeftover, type FoundImage, mountsBelow, scanImages } from './unused.ts';
import { pastImages } from './used-images.ts';

export interface CleanOptions extends HistoryRule {
  /** The master config. */
  readonly config: string;
  readonly mode: 'used' | 'unused' | 'delete-unused';
  /** Younger images, by their mtime, stay; 0: age does not matter. */
  readonly keepRecentMs: number;
  /** Also remove rolled config logs older than `historyDays`, in every mode. */
  readonly cleanLogs: boolean;
  readonly verbose: boolean;
}

/** lithos 3, lithos_clean: it is not known what is used. */
const usedFailure = 1;
/** lithos 3, lithos_clean: an image-dir cannot be read, or an image cannot be deleted. */
const unusedFailure = 2;

const say = (text: string): true => process.stderr.write(`lithos clean: ${text}\n`) || true;
const print = (path: string): true => process.stdout.write(`${path}\n`) || true;

/**
 * Prints paths of images, one per line: used ones, unused ones, or those that it has deleted. Exit code 0; 1 where of
 * some image-dir it is not known what is used, which is then left alone; 2 where an image-dir cannot be read or an image
 * cannot be deleted.
 */
export async function clean(options: CleanOptions): Promise<number> {
  if (options.cleanLogs && options.historyDays === null) {
    say('--clean-logs needs --history-days: how old is a log that may go?');
    return usedFailure;
  }
  const loaded = loadMaster(resolve(options.config));
  if (loaded.kind === 'refused') {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return usedFailure;
  }
  const { master } = loaded;
  const nowMs = Date.now();
  const current = currentUse(master);
  for (const problem of current.problems) say(problem);
  const pasts = current.sandboxes.map(({ sandbox }) => pastImages(sandbox, master.configLogDir, options, nowMs));
  const uses = current.sandboxes.map(({ sandbox, images, problems }, index): SandboxUse => {
    const past = pasts[index];
    return {
      sandbox,
      // Current use is the better reason to tell.
      images: new Map([...(past?.images ?? []), ...images]),
      problems: [...problems, ...(past?.problems ?? [])],
    };
  });
  const dirs = imageDirsOf(uses, current.running, current.others);
  for (const { dir, problems } of dirs) {
    for (const problem of problems) say(`${dir} is left alone: ${problem}`);
  }
  let unusedFailed = false;
  if (options.mode === 'used') printUsed(dirs, options.verbose);
  else if (current.problems.length > 0) say('no image-dir is touched');
  else {
    for (const dir of dirs) if (!cleanDir(master, dir, options, nowMs)) unusedFailed = true;
  }
  const usedFailed = current.problems.length > 0 || dirs.some(({ problems }) => problems.length > 0);
  if (options.cleanLogs && current.problems.length === 0) {
    const needed = new Set(pasts.flatMap(({ files }) => files));
    const unclear = uses.filter(({ problems }) => problems.length > 0).map(({ sandbox }) => sandbox.name);
    if (!cleanLogs(master, options, nowMs, needed, new Set(unclear))) unusedFailed = true;
  }
  return usedFailed ? usedFailure : unusedFailed ? unusedFailure : 0;
}

function printUsed(dirs: readonly ImageDir[], verbose: boolean): void {
  const used = [...new Map(dirs.flatMap(({ images }) => [...images]))].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [path, reason] of used) {
    print(path);
    if (verbose) say(`${path}: ${reason}`);
  }
}

/** False where something could not be read or deleted. */
function cleanDir(master: MasterConfig, dir: ImageDir, options: CleanOptions, nowMs: number): boolean {
  const tell = (text: string): void => {
    if (options.verbose) say(text);
  };
  if (dir.problems.length > 0) return true;
  if (!dir.autoClean) {
    tell(`${dir.dir} is left alone: auto-clean is false`);
    return true;
  }
  const found = scanImages(dir.dir, dir.levels);
  for (const problem of found.problems) say(problem);
  for (const link of found.links) say(`${link}: a symbolic link, left alone`);
  for (const other of found.others) tell(`${other}: no image, left alone`);
  let good = found.problems.length === 0;
  const remove = (path: string, how: (path: string) => string | null): void => {
    const problem = mountProblem(path) ?? (options.mode === 'unused' ? null : (newUse(master, dir, path) ?? how(path)));
    if (problem === null) print(path);
    else {
      say(problem);
      good = false;
    }
  };
  for (const path of found.leftovers) {
    const reason = reasonToKeep(dir, path);
    if (reason !== null) {
      say(`${path}: kept, ${reason}; but no image should have such a name`);
      continue;
    }
    tell(`${path}: left over by an earlier run`);
    remove(path, deleteLeftover);
  }
  for (const image of found.images) {
    const reason = reasonToKeep(dir, image.path) ?? (isRecent(image, options.keepRecentMs, nowMs) ? 'recent' : null);
    tell(`${image.path}: ${reason === null ? 'unused' : `kept, ${reason}`}`);
    if (reason === null) remove(image.path, deleteImage);
  }
  return good;
}

/** At 0 even an image whose mtime lies in the future is not recent. */
function isRecent({ mtimeMs }: FoundImage, keepRecentMs: number, nowMs: number): boolean {
  return keepRecentMs > 0 && nowMs - mtimeMs < keepRecentMs;
}

function mountProblem(path: string): string | null {
  try {
    const mounts = mountsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), path);
    return mounts.length === 0 ? null : `${path}: left alone, ${mounts.join(', ')} is mounted`;
  } catch (error) {
    return `${path}: left alone, mounts are not known (${(error as NodeJS.ErrnoException).code})`;
  }
}

/** Deleting takes its time, and configs change: what came into use since the scan is seen here. */
function newUse(master: MasterConfig, { dir }: ImageDir, path: string): string | null {
  const { sandboxes, running, others, problems } = currentUse(master);
  const now = imageDirsOf(sandboxes, running, others).find((each) => each.dir === dir);
  const problem = problems[0] ?? now?.problems[0];
  if (problem !== undefined) return `${path}: left alone, ${problem}`;
  if (now === undefined || !now.autoClean) return `${path}: left alone, the configs have changed meanwhile`;
  const reason = reasonToKeep(now, path);
  return reason === null ? null : `${path}: left alone, now used by ${reason}`;
}

/** False where a log could not be removed. Logs that tell of images which are kept, or of which too little is known, stay. */
function cleanLogs(
  { configLogDir }: MasterConfig,
  { historyDays, verbose }: CleanOptions,
  nowMs: number,
  needed: ReadonlySet<string>,
  unclear: ReadonlySet<string>,
): boolean {
  if (configLogDir === null || historyDays === null) return true;
  try {
    for (const name of readdirSync(configLogDir).sort()) {
      const file = join(configLogDir, name);
      const rolled = parseRolledName(name);
      if (rolled === null || rolled.timeMs >= nowMs - historyDays * msPerDay) continue;
      if (needed.has(file) || unclear.has(rolled.sandbox)) continue;
      rmSync(file);
      if (verbose) say(`${file}: removed`);
    }
    return true;
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    say(`${path ?? configLogDir}: cannot be removed (${code})`);
    return false;
  }
}
