import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { mostMetaBytes, mostValuesBytes, type NamedValue, parseMeta, readValues } from './values-file.ts';

export type ReadResult =
  | {
      readonly kind: 'values';
      readonly prefix: string;
      readonly values: readonly NamedValue[];
      /** What was skipped, with file and line. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'failed'; readonly prefix: string; readonly reason: string };

/** Reads what a word of the command line names: a process by its number, or files by their common path. */
export function readFileOrPid(word: string, procRoot: string): readonly ReadResult[] {
  if (!/^\d+$/.test(word)) {
    const base = word.replace(/\.(meta|values)$/, '');
    return [readPair(base, base)];
  }
  try {
    const bases = basesOfProcess(word, procRoot);
    if (bases.length > 0) return bases.map((base) => readPair(base.path, base.shown));
    return [failed(word, 'the process has no CANTAL_PATH and maps no *.values below XDG_RUNTIME_DIR or /tmp')];
  } catch (error) {
    return [failed(word, explain(error))];
  }
}

const failed = (prefix: string, reason: string): ReadResult => ({ kind: 'failed', prefix, reason });

function readPair(base: string, prefix: string): ReadResult {
  try {
    const meta = parseMeta(readRegular(`${base}.meta`, mostMetaBytes));
    if (meta.kind === 'bad') return failed(prefix, `${prefix}.meta:${meta.line}: ${meta.reason}`);
    const values = readValues(meta.meta, readRegular(`${base}.values`, mostValuesBytes));
    if (values === null)
      return failed(prefix, `${prefix}.values is shorter than the ${meta.meta.totalSize} bytes described`);
    const warnings = meta.meta.skipped.map(({ line, reason }) => `${prefix}.meta:${line}: skipped: ${reason}`);
    return { kind: 'values', prefix, values, warnings };
  } catch (error) {
    return failed(prefix, explain(error));
  }
}

/** Whatever is not a regular file of bearable size is not opened for long: a FIFO must not block, a device not act. */
function readRegular(path: string, mostBytes: number): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const info = fstatSync(fd);
    if (!info.isFile()) throw new Error(`${path} is no regular file`);
    if (info.size > mostBytes) throw new Error(`${path} is larger than ${mostBytes} bytes`);
    const bytes = Buffer.alloc(info.size);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}

interface Base {
  /** Where we open it. */
  readonly path: string;
  /** As the process names it. */
  readonly shown: string;
}

/** proc(5): environ as at exec, maps as it is now; paths are in the process's own mount namespace. */
function basesOfProcess(pid: string, procRoot: string): readonly Base[] {
  const folder = join(procRoot, pid);
  const environment = environmentOf(readFileSync(join(folder, 'environ')));
  const below = (path: string): Base => ({ path: join(folder, 'root', normalize(`/${path}`)), shown: path });
  const given = environment.get('CANTAL_PATH');
  if (given !== undefined) return [below(given.replace(/\/$/, ''))];
  const runtime = environment.get('XDG_RUNTIME_DIR') ?? '/tmp';
  return mappedFiles(readFileSync(join(folder, 'maps'), 'utf8'))
    .filter((path) => path.endsWith('.values') && (path.startsWith(`${runtime}/`) || path.startsWith('/tmp/')))
    .map((path) => below(path.slice(0, -'.values'.length)));
}

function environmentOf(bytes: Buffer): ReadonlyMap<string, string> {
  const pairs = bytes
    .toString('utf8')
    .split('\0')
    .flatMap((entry): [string, string][] => {
      const at = entry.indexOf('=');
      return at < 1 ? [] : [[entry.slice(0, at), entry.slice(at + 1)]];
    });
  return new Map(pairs);
}

/** Distinct paths of proc(5) maps: the sixth field, which may hold blanks. */
export function mappedFiles(maps: string): readonly string[] {
  const paths = maps.split('\n').flatMap((line) => /^\S+ \S+ \S+ \S+ \d+ +(\/.*)$/.exec(line)?.[1] ?? []);
  return [...new Set(paths)];
}

function explain(error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return `${path} does not exist`;
    case 'EACCES':
    case 'EPERM':
      return `${path} may not be read by this user`;
    case 'ESRCH':
      return 'the process has gone';
    default:
      return message;
  }
}
