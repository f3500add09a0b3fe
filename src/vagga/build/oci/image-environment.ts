import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ImageConfig } from '../../../oci/layout.ts';
import { noteInput } from '../../plan/inputs.ts';
import type { BuildJob, BuildState } from '../job.ts';

// Variables that an image brings stand for later steps, as those of !Env do, and below all others when commands run.

/** Beside the root of a build. */
const file = 'image-environ.json';

/** `KEY=value`; what is neither is no variable. */
export function variablesOf({ Env }: ImageConfig): ReadonlyMap<string, string> {
  return new Map(
    (Env ?? []).flatMap((each) => {
      const at = each.indexOf('=');
      return at < 1 ? [] : [[each.slice(0, at), each.slice(at + 1)] as const];
    }),
  );
}

/** Of a build; empty where none of its steps was an image. */
export function imageVariables(build: string): ReadonlyMap<string, string> {
  const path = join(build, file);
  noteInput('file', path);
  if (!existsSync(path)) return new Map();
  return new Map(Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, string>>));
}

/** From this step on, and for the build's commands. */
export function withImageVariables(
  job: BuildJob,
  state: BuildState,
  variables: ReadonlyMap<string, string>,
): BuildState {
  const build = dirname(job.root);
  const all = new Map([...imageVariables(build), ...variables]);
  if (all.size > 0) writeFileSync(join(build, file), JSON.stringify(Object.fromEntries([...all].sort())));
  return { ...state, env: new Map([...state.env, ...variables]) };
}
