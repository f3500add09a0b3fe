import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { localFiles, mainFiles } from './config/project.ts';

export interface FoundProject {
  /** Absolute folder; null: there is no project. */
  readonly root: string | null;
  /** Of `mainFiles` and `localFiles`, those that are there. */
  readonly files: readonly string[];
  /** Files on the way that look like a mistake in the name. */
  readonly typos: readonly string[];
}

/** Looks for a project in `from` and the folders above it (vagga 1). */
export function findProject(from: string): FoundProject {
  const typos: string[] = [];
  for (let folder = from; ; folder = dirname(folder)) {
    const typo = join(folder, 'vagga.yml');
    if (existsSync(typo)) typos.push(typo);
    const files = [...mainFiles, ...localFiles].filter((file) => isFile(join(folder, file)));
    if (files.length > 0) return { root: folder, files, typos };
    if (folder === dirname(folder)) return { root: null, files: [], typos };
  }
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
