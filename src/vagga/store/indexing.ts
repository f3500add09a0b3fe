import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { IdMaps } from '../run/own-id-maps.ts';
import type { Settings } from '../settings.ts';
import { sizeText } from '../size-text.ts';
import { buildsToLink, indexBuilds, linkBuilds } from './indexed.ts';
import { rootsFolder, type Store } from './layout.ts';

// What is done with each root that was built: settings index-all-images, hard-link-identical-files and
// hard-link-between-projects.

export interface Indexing {
  readonly index: boolean;
  /** The `.roots` folders in whose builds files that are the same are looked for; null: nowhere. */
  readonly linkTo: readonly string[] | null;
}

export function indexingOf(
  settings: Pick<Settings, 'indexAllImages' | 'hardLinkIdenticalFiles' | 'hardLinkBetweenProjects' | 'storageDir'>,
  store: Store,
): Indexing {
  const { indexAllImages, hardLinkIdenticalFiles, hardLinkBetweenProjects, storageDir } = settings;
  const own = rootsFolder(store);
  const all = hardLinkBetweenProjects && storageDir !== null ? [...new Set([own, ...rootsIn(storageDir)])] : [own];
  return {
    index: indexAllImages || hardLinkIdenticalFiles,
    linkTo: hardLinkIdenticalFiles ? all : null,
  };
}

/** The `.roots` folders of all projects. */
export function rootsIn(storageDir: string): readonly string[] {
  if (!existsSync(storageDir)) return [];
  return readdirSync(storageDir).map((name) => join(storageDir, name, '.roots'));
}

/** Before a build is committed: what is committed is whole. `told`: what there is to say. */
export async function indexAndLink(
  folder: string,
  maps: IdMaps,
  { index, linkTo }: Indexing,
): Promise<{ readonly told: string | null }> {
  if (!index) return { told: null };
  const indexed = await indexBuilds(maps, [folder]);
  if ('problem' in indexed) return { told: `WARNING: ${indexed.problem}` };
  if (linkTo === null) return { told: null };
  const linked = await linkBuilds(maps, [...buildsToLink(linkTo, maps), folder]);
  if ('problem' in linked) return { told: `WARNING: ${linked.problem}` };
  return { told: `Found and linked ${linked.value.files} (${sizeText(linked.value.bytes)}) identical files` };
}
