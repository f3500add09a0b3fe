import { deserialize, serialize } from 'node:v8';
import type { BuildJob, BuildState } from '../build/job.ts';

// What a step leaves for later ones is kept with its layer. Its paths are those of one project: in the layer they are
// said in a way that holds for every project that shares it.

type Source =
  | { readonly of: 'cache'; readonly path: string }
  | { readonly of: 'built'; readonly container: string; readonly path: string };

interface Packed {
  readonly state: Omit<BuildState, 'binds'>;
  readonly binds: readonly (readonly [string, Source, boolean])[];
}

/** Null: it speaks of a path that only this project has. */
export function packState(job: BuildJob, { binds, ...state }: BuildState): string | null {
  const packed: [string, Source, boolean][] = [];
  for (const [target, { source, readonly }] of binds) {
    const portable = portableSource(job, source);
    if (portable === null) return null;
    packed.push([target, portable, readonly]);
  }
  // Later kinds of state may hold paths: rather no layer than one that leads elsewhere.
  if (mentions(state, [job.root, job.project, job.cache])) return null;
  return serialize({ state, binds: packed } satisfies Packed).toString('base64');
}

function mentions(value: unknown, paths: readonly string[]): boolean {
  if (typeof value === 'string') return paths.some((path) => value.includes(path));
  if (value instanceof Map || value instanceof Set) return [...value].some((each) => mentions(each, paths));
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((each) => mentions(each, paths));
}

/** Null: a container that it mounts is not built for this job. */
export function unpackState(job: BuildJob, text: string): BuildState | null {
  const { state, binds } = deserialize(Buffer.from(text, 'base64')) as Packed;
  const found = new Map<string, { source: string; readonly: boolean }>();
  for (const [target, source, readonly] of binds) {
    const folder = source.of === 'cache' ? job.cache : job.built.get(source.container);
    if (folder === undefined) return null;
    found.set(target, { source: folder + source.path, readonly });
  }
  return { ...state, binds: found };
}

function portableSource(job: BuildJob, source: string): Source | null {
  const below = (folder: string): string | null =>
    source === folder || source.startsWith(`${folder}/`) ? source.slice(folder.length) : null;
  for (const [container, folder] of job.built) {
    const path = below(folder);
    if (path !== null) return { of: 'built', container, path };
  }
  const path = below(job.cache);
  return path === null ? null : { of: 'cache', path };
}
