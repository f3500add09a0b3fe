import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { localFiles, mainFiles } from '../config/project.ts';
import { projectSettingsFiles } from '../settings.ts';
import { projectStore, type Store } from '../store/layout.ts';

// What `_clean` looks at beyond the builds of one project: vagga 4, --everything and --global.

/** The store of each project in storage-dir. Links are of the projects: none of them is looked at. */
export function storesIn(storageDir: string, cache: string | null): readonly Store[] {
  return readdirSync(storageDir)
    .sort()
    .map((name) => join(storageDir, name))
    .filter((storage) => lstatSync(storage).isDirectory())
    .map((storage) => ({ ...projectStore(storage), storage, links: join(storage, '.links'), cache: cache ?? storage }));
}

/** All that vagga made of a project; what the user wrote into `.vagga` stays. */
export function everythingOf({ storage, links }: Store): readonly string[] {
  const written = new Set(
    [...mainFiles, ...localFiles, ...projectSettingsFiles]
      .filter((file) => file.startsWith('.vagga/'))
      .map((file) => file.slice('.vagga/'.length)),
  );
  const names = existsSync(links) ? readdirSync(links).sort() : [];
  const kept = names.filter((name) => written.has(name));
  const ofLinks =
    kept.length === 0
      ? [links].filter((path) => existsSync(path))
      : names.filter((name) => !written.has(name)).map((name) => join(links, name));
  return [...(storage === links ? [] : [storage]), ...ofLinks];
}

/** The contents of storage-dir and cache-dir; the folders themselves are the user's. */
export function everythingGlobal(storageDir: string, cacheDir: string | null): readonly string[] {
  return [storageDir, ...(cacheDir === null ? [] : [cacheDir])].flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder)
          .sort()
          .map((name) => join(folder, name))
      : [],
  );
}
