import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import { mapping, optional, record } from '../../config/record.ts';
import { anything } from '../../config/schema.ts';
import { name } from '../config/common.ts';
import { type Container, containerSchema } from '../config/container.ts';
import { noteInput } from '../plan/inputs.ts';
import type { SubConfig } from './version.ts';

const none: ReadonlyMap<string, Container> = new Map();
const schema = record('a vagga.yaml', {
  'minimum-vagga': optional(anything, null),
  mixins: optional(anything, null),
  commands: optional(anything, null),
  containers: optional(mapping(name, containerSchema), none),
});

/** The containers of a file by itself, without mixins; null where there is no such file. */
export function loadSubConfig(folder: string, path: string): SubConfig | null {
  const file = join(folder, path);
  noteInput('file', file);
  if (!existsSync(file)) return null;
  const loaded = loadConfig(file, schema);
  return loaded.kind === 'loaded'
    ? { kind: 'containers', containers: loaded.value.containers }
    : { kind: 'refused', reason: loaded.problems.map(formatProblem).join('\n') };
}
