import { readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type OpenFile, openBelow } from '../../http/open-file.ts';
import { segmentPattern } from './indexed-log.ts';

export interface LogFile {
  /** Relative to the folder of the log. */
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** It is the one that `latest` points at. */
  readonly current: boolean;
}

/** More are no list for a person; the newest stay. */
const mostFiles = 1000;
/** How deep a folder of another program is looked through. */
const mostDepth = 5;
const mostEntries = 20_000;

/** The files of one log of ours, newest first; null: there is no such log. */
export async function logSegments(folder: string): Promise<readonly LogFile[] | null> {
  const names = await namesIn(folder);
  if (names === null) return null;
  const latest = await readlink(join(folder, 'latest')).catch(() => null);
  const files = await Promise.all(
    names.filter((name) => segmentPattern.test(name)).map(async (name) => fileOf(folder, name, name === latest)),
  );
  return present(files).sort((a, b) => (a.name < b.name ? 1 : -1));
}

/** Files of another program's folder, newest first; links are left out: where they lead may not be served. */
export async function externalFiles(folder: string): Promise<readonly LogFile[] | null> {
  const found: (LogFile | null)[] = [];
  let seen = 0;
  const walk = async (below: string, depth: number): Promise<boolean> => {
    const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => null);
    for (const entry of entries ?? []) {
      seen += 1;
      if (seen > mostEntries) break;
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isFile()) found.push(await fileOf(folder, name, false));
      else if (entry.isDirectory() && depth < mostDepth) await walk(name, depth + 1);
    }
    return entries !== null;
  };
  if (!(await walk('', 1))) return null;
  return present(found)
    .sort((a, b) => b.modifiedMs - a.modifiedMs || (a.name < b.name ? -1 : 1))
    .slice(0, mostFiles);
}

/** A file of one log of ours, by its name or as `latest`; null: there is none. */
export function openSegmentFile(folder: string, name: string): Promise<OpenFile | null> {
  return name === 'latest' || segmentPattern.test(name) ? openBelow(folder, name) : Promise.resolve(null);
}

/** Names of folders directly in `folder`. */
export async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(absentAs([]));
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

const namesIn = (folder: string): Promise<readonly string[] | null> => readdir(folder).catch(absentAs(null));

const present = (files: readonly (LogFile | null)[]): LogFile[] => files.filter((file) => file !== null);

async function fileOf(folder: string, name: string, current: boolean): Promise<LogFile | null> {
  const found = await stat(join(folder, name)).catch(() => null);
  if (found === null || !found.isFile()) return null;
  return { name, bytes: found.size, modifiedMs: Math.floor(found.mtimeMs), current };
}

const absentAs =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
