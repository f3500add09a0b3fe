import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, emptyRecord, isObject, type Json, type JsonObject } from './canonical.ts';
import { FileError, type FileProblem, parseYamlText, plainYaml } from './yaml-text.ts';

// runtime/ and machine/ of the config folder (spec/verwalter.md 2.2).

export interface Metadata {
  readonly data: JsonObject;
  /** Files left out, and why; the others are in `data` all the same. */
  readonly problems: readonly FileProblem[];
}

/** Metadata is written by a build system by the kilobyte; more is a mistake. */
const maxFileBytes = 8 * 1024 * 1024;
const maxDepth = 32;
const keySuffix = /\.(yaml|yml|json|txt|d)$/;
const fileSuffix = /\.(yaml|yml|json|txt)$/;

/** Values of the files as they last were when they could be read, by path. */
export type GoodValues = Map<string, Json>;

/**
 * Reads a tree of metadata; a folder that is not there is an empty tree. A file that is there but cannot be read counts
 * with its value in `good`, where it has one. Never throws.
 */
export const readMetadata = (root: string, good: GoodValues = new Map()): Metadata => {
  const problems: FileProblem[] = [];
  const seen = new Set<string>();
  const report = (file: string, error: unknown): void => {
    problems.push(
      error instanceof FileError
        ? error.problem
        : { file, line: 0, text: error instanceof Error ? error.message : String(error) },
    );
  };

  const merge = (into: Record<string, Json>, key: string, value: Json, file: string): void => {
    const present = into[key];
    if (!(key in into)) {
      into[key] = value;
    } else if (isObject(present) && isObject(value)) {
      const joined = Object.assign(emptyRecord<Json>(), present);
      for (const [name, item] of Object.entries(value)) merge(joined, name, item, file);
      into[key] = joined;
    } else {
      report(file, new Error(`${key}: another file or folder gives this key too; this one is taken`));
      into[key] = value;
    }
  };

  const walk = (folder: string, depth: number): JsonObject => {
    const result = emptyRecord<Json>();
    let names: Buffer[];
    try {
      names = readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || depth > 0) report(folder, error);
      return result;
    }
    for (const bytes of names) {
      const name = bytes.toString();
      if (name.startsWith('.') || name.endsWith('.tmp')) continue;
      const path = join(folder, name);
      let stat: Stats;
      try {
        stat = statSync(path);
      } catch (error) {
        report(path, error);
        continue;
      }
      const key = name.replace(keySuffix, '');
      if (stat.isDirectory()) {
        if (depth >= maxDepth) report(path, new Error(`deeper than ${maxDepth} folders`));
        else merge(result, key, walk(path, depth + 1), path);
      } else if (stat.isFile() && fileSuffix.test(name)) {
        seen.add(path);
        let value: Json | undefined;
        try {
          if (stat.size > maxFileBytes) throw new Error(`larger than ${maxFileBytes} bytes`);
          const bytes = readFileSync(path);
          if (!isUtf8(bytes)) throw new FileError({ file: path, line: brokenLine(bytes), text: 'not UTF-8' });
          value = parse(path, name, bytes.toString());
          good.set(path, value);
        } catch (error) {
          report(path, error);
          value = good.get(path);
        }
        if (value !== undefined) merge(result, key, value, path);
      }
    }
    return result;
  };
  const data = walk(root, 0);
  for (const path of good.keys()) if (!seen.has(path)) good.delete(path);
  return { data, problems };
};

const parse = (path: string, name: string, text: string): Json => {
  if (name.endsWith('.txt')) return text;
  let value: Json;
  if (name.endsWith('.json')) {
    try {
      value = JSON.parse(text) as Json;
    } catch (error) {
      throw new FileError({ file: path, line: jsonErrorLine(text, error), text: (error as Error).message });
    }
  } else {
    const yaml = parseYamlText(path, text);
    value = plainYaml(yaml, yaml.root);
  }
  // What the input's hash cannot take would stop every round: 1e999, half a surrogate pair.
  canonicalJson(value);
  return value;
};

/** Line of the first bytes that are no UTF-8. */
const brokenLine = (bytes: Buffer): number => {
  let line = 0;
  for (let start = 0; start <= bytes.length; ) {
    line++;
    const end = bytes.indexOf(10, start);
    if (!isUtf8(bytes.subarray(start, end === -1 ? bytes.length : end))) break;
    if (end === -1) break;
    start = end + 1;
  }
  return line;
};

/** V8 names the line in newer versions and the position in older ones; elsewhere the text ended too early. */
const jsonErrorLine = (text: string, error: unknown): number => {
  const message = (error as Error).message;
  const line = /line (\d+)/.exec(message);
  if (line !== null) return Number(line[1]);
  const position = /position (\d+)/.exec(message);
  return text.slice(0, position === null ? text.length : Number(position[1])).split('\n').length;
};
