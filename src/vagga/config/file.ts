import { isMap, isScalar, type Pair } from 'yaml';
import { type LoadedConfig, type RefusedConfig, readSource } from '../../config/load.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import { list, mapping, optional, record } from '../../config/record.ts';
import { nullable, text, type ValueOf } from '../../config/schema.ts';
import { makeProblem, parseYaml } from '../../config/yaml-source.ts';
import { type Command, commandSchema } from './command.ts';
import { name, pathBelow } from './common.ts';
import { type Container, containerSchema } from './container.ts';
import { expandIncludes, type ReadFile } from './include.ts';

const noContainers: ReadonlyMap<string, Container> = new Map();
const noCommands: ReadonlyMap<string, Command> = new Map();
const noMixins: readonly string[] = [];

/** Keys of a vagga.yaml and of a mixin: vagga 2.2. */
export const fileSchema = record('vagga.yaml', {
  'minimum-vagga': optional(nullable(text), null),
  mixins: optional(list(pathBelow), noMixins),
  containers: optional(mapping(name, containerSchema), noContainers),
  commands: optional(mapping(name, commandSchema), noCommands),
});

export type VaggaFile = ValueOf<typeof fileSchema>;

export type ReadVaggaFile =
  | (LoadedConfig<VaggaFile> & { readonly files: readonly string[] })
  | RefusedConfig
  /** It needs a later vagga. Told before anything else that is wrong: a later one may know those tags. */
  | { readonly kind: 'too-old'; readonly file: string; readonly needs: string };

/** Reads one file with all that it includes. `isEnough` tells whether this program is as new as the file wants. */
export function readVaggaFile(file: string, read: ReadFile, isEnough: (version: string) => boolean): ReadVaggaFile {
  const bytes = read(file);
  if (typeof bytes === 'string') {
    const problem = { file, line: 0, column: 0, key: '', message: bytes };
    return { kind: 'refused', file, unreadable: true, problems: [problem] };
  }
  const source = parseYaml(file, bytes);
  const needs = minimumOf(source.root);
  if (needs !== null && !isEnough(needs)) return { kind: 'too-old', file, needs };
  const expanded = expandIncludes(source, read);
  const loaded = readSource(expanded, fileSchema);
  return loaded.kind === 'refused' ? loaded : { ...loaded, files: expanded.files };
}

function minimumOf(root: unknown): string | null {
  if (!isMap(root)) return null;
  for (const { key, value } of root.items as Pair[]) {
    if (isScalar(key) && /^minimum[-_]vagga$/.test(String(key.value)) && isScalar(value)) return String(value.value);
  }
  return null;
}

/** A problem of a file that was loaded, at a key of it. */
export function problemIn(from: ReadVaggaFile, key: string, message: string): ConfigProblem {
  return from.kind === 'loaded' ? from.problemAt(key, message) : makeProblem(from.file, null, key, message);
}
