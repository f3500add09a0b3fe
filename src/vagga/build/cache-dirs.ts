import { cacheFolder } from '../store/cache-folder.ts';
import { emptyFolder } from './files.ts';
import type { BuildJob, BuildState } from './job.ts';
import { ensureFolder } from './root-path.ts';

/** Folders of the cache, mounted for the rest of the build; in the image they are empty. */
export function cacheDirs(job: BuildJob, state: BuildState, dirs: ReadonlyMap<string, string>): BuildState {
  const binds = new Map(state.binds);
  for (const [path, name] of dirs) {
    const source = cacheFolder(job.cache, name);
    ensureFolder(job.root, path);
    emptyFolder(job.root, path);
    binds.set(path, { source, readonly: false });
  }
  return { ...state, binds };
}
