import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type ConfigProblem, sortProblems } from './problem.ts';
import { invalid, type Schema, startReading } from './schema.ts';
import { makeProblem, mostFileBytes, parseYaml, type YamlSource } from './yaml-source.ts';

/** A checked value together with the places of its keys, for what only shows when files are put together. */
export interface LoadedConfig<T> {
  readonly kind: 'loaded';
  readonly file: string;
  readonly value: T;
  /** A problem at a key, given as its path (`volumes./data.size`), or at the nearest key above it that is there. */
  problemAt(key: string, message: string): ConfigProblem;
}

export interface RefusedConfig {
  readonly kind: 'refused';
  readonly file: string;
  /** There is no file to look into, or no right to: nothing is known, rather than something wrong. */
  readonly unreadable: boolean;
  readonly problems: readonly ConfigProblem[];
}

/** Reads bytes of a YAML or JSON file by a schema. Never throws: whatever is wrong is told, all at once. */
export function readConfig<T>(file: string, bytes: Uint8Array, schema: Schema<T>): LoadedConfig<T> | RefusedConfig {
  return readSource(parseYaml(file, bytes), schema);
}

/** Reads a parsed file by a schema. */
export function readSource<T>(source: YamlSource, schema: Schema<T>): LoadedConfig<T> | RefusedConfig {
  const { file } = source;
  if (source.damaged) return refusal(file, source.problems);
  const reading = startReading(source);
  const value = schema.read(reading, source.root, '');
  const problems = withoutDoubles([...source.problems, ...reading.problems]);
  if (value === invalid || problems.length > 0) return refusal(file, problems);
  return {
    kind: 'loaded',
    file,
    value,
    problemAt(key, message) {
      return makeProblem(file, nearest(reading.places, key), key, message);
    },
  };
}

/** Reads a file of the host. A file that cannot be read is one problem of the whole file. */
export function loadConfig<T>(file: string, schema: Schema<T>): LoadedConfig<T> | RefusedConfig {
  const bytes = readRegularFile(file);
  if (typeof bytes === 'string') return refusal(file, [makeProblem(file, null, '', bytes)], true);
  return readConfig(file, bytes, schema);
}

/**
 * The bytes of a file, or why there are none. Never waits, as a FIFO would make a reader do, and reads one byte more
 * than a configuration may have at the most. `follow` false refuses a symbolic link at the path's end.
 */
export function readRegularFile(file: string, follow = true): Uint8Array | string {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW));
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
  try {
    if (!fstatSync(fd).isFile()) return 'not a regular file';
    const bytes = new Uint8Array(mostFileBytes + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      got = readSync(fd, bytes, length, bytes.length - length, null);
    }
    return bytes.subarray(0, length);
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  } finally {
    closeSync(fd);
  }
}

function refusal(file: string, problems: readonly ConfigProblem[], unreadable = false): RefusedConfig {
  return { kind: 'refused', file, unreadable, problems: sortProblems(problems) };
}

function nearest<P>(places: ReadonlyMap<string, P>, key: string): P | null {
  for (let at = key; at !== ''; ) {
    const place = places.get(at);
    if (place !== undefined) return place;
    at = at.slice(0, Math.max(0, at.lastIndexOf('.'), at.lastIndexOf('[')));
  }
  return null;
}

/** The same key twice is seen both while parsing and while reading. */
function withoutDoubles(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const seen = new Set<string>();
  return problems.filter(({ line, column, message }) => {
    const id = `${line}:${column}:${message}`;
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}
