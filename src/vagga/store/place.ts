import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Refusal } from '../refusal.ts';
import type { Settings } from '../settings.ts';
import { projectStore, type Store } from './layout.ts';

// Where a project keeps its builds: vagga 1, storage-dir and cache-dir.

/** In `.vagga` it leads to the project's part of storage-dir, and there back to the project. */
export const lnk = '.lnk';

/** A hundred projects of one name are a mistake rather than a wish. */
const mostOfOneName = 100;

type StorageSettings = Pick<Settings, 'storageDir' | 'cacheDir' | 'storageSubdirFromEnvVar' | 'versionedBuildDir'>;

/** The store of a project, its folder in storage-dir made at the first use. Throws a Refusal. */
export function storeOf(project: string, settings: StorageSettings, env: NodeJS.ProcessEnv): Store {
  const own = { ...projectStore(project), versionedBuildDir: settings.versionedBuildDir };
  const cache = settings.cacheDir === null ? null : existingFolder('cache-dir', settings.cacheDir);
  if (settings.storageDir === null) return { ...own, cache: cache ?? own.cache };
  const storageDir = existingFolder('storage-dir', settings.storageDir);
  const subdir = subdirOf(settings.storageSubdirFromEnvVar, env);
  const storage = linkedStorage(own.links, storageDir) ?? newStorage(project, own.links, storageDir, subdir);
  return { ...own, storage, linkPrefix: '.lnk/', cache: cache ?? join(storage, '.cache') };
}

function existingFolder(setting: string, path: string): string {
  if (!path.startsWith('/')) {
    throw new Refusal('config', `setting ${setting}: ${path}: expected an absolute path, or one that begins with ~/`);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new Refusal('config', `setting ${setting}: ${path} is not a folder\nhint: mkdir -p ${path}`);
  }
  return realpathSync(path);
}

/** What the variable says, as a name of a folder; null: no variable is set to decide. */
export function subdirOf(variable: string | null, env: NodeJS.ProcessEnv): string | null {
  if (variable === null) return null;
  const name = (env[variable] ?? '').replace(/[^A-Za-z0-9_-]+/g, '-');
  if (name !== '') return name;
  throw new Refusal(
    'config',
    `setting storage-subdir-from-env-var: the variable ${variable} is ${env[variable] === undefined ? 'not set' : 'empty'}` +
      `\nhint: ${variable}=NAME vagga …`,
  );
}

/** Where `.vagga/.lnk` leads; null: there is none. Throws a Refusal where it leads astray. */
function linkedStorage(links: string, storageDir: string): string | null {
  const link = join(links, lnk);
  const stat = lstatSync(link, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (!stat.isSymbolicLink()) throw new Refusal('config', `${link}: expected a symbolic link; move it away`);
  const target = readlinkSync(link);
  const again = `to begin anew there: rm ${link}`;
  let storage: string;
  try {
    storage = realpathSync(link);
  } catch {
    throw new Refusal(
      'config',
      `${link} leads to ${target}, which is not there` +
        `\nhint: bring the folder back, or ${again}  (containers are then built anew)`,
    );
  }
  if (dirname(storage) === storageDir) return storage;
  throw new Refusal(
    'config',
    `${link} leads to ${target}, outside of the setting storage-dir, ${storageDir}` +
      `\nhint: to keep what was built: mv ${target} ${storageDir}/ && ln -sfn ${storageDir}/${basename(storage)} ${link}` +
      `\nhint: ${again}  (${target} stays as it is)`,
  );
}

function newStorage(project: string, links: string, storageDir: string, subdir: string | null): string {
  if (subdir === null) return linkTo(links, ownFolder(project, storageDir), true);
  const storage = join(storageDir, subdir);
  mkdirSync(storage, { recursive: true });
  return linkTo(links, storage, false);
}

/** A folder that nobody has, or the one that leads back to this project: its `.vagga` was removed, not its builds. */
function ownFolder(project: string, storageDir: string): string {
  const name = basename(project) || 'root';
  for (let index = 0; index <= mostOfOneName; index++) {
    const storage = join(storageDir, index === 0 ? name : `${name}-${index}`);
    if (makeFolder(storage)) {
      symlinkSync(project, join(storage, lnk));
      return storage;
    }
    if (leadsBackTo(storage, project)) return storage;
  }
  throw new Refusal(
    'config',
    `${storageDir} has ${name} and ${name}-1 to ${name}-${mostOfOneName} already` +
      '\nhint: remove those whose .lnk leads to no project any more',
  );
}

function leadsBackTo(storage: string, project: string): boolean {
  try {
    return readlinkSync(join(storage, lnk)) === project && lstatSync(storage).uid === process.geteuid?.();
  } catch {
    return false;
  }
}

/** False: it was there. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new Refusal('config', `storage-dir: ${(error as Error).message}`);
  }
}

/** `.vagga/.lnk` → storage. Another vagga may have been quicker: then it is as that one made it. */
function linkTo(links: string, storage: string, isOwn: boolean): string {
  mkdirSync(links, { recursive: true });
  try {
    symlinkSync(storage, join(links, lnk));
    return storage;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const theirs = realpathSync(join(links, lnk));
  if (theirs !== storage && isOwn) discardUnused(storage);
  return theirs;
}

function discardUnused(storage: string): void {
  if (readdirSync(storage).some((name) => name !== lnk)) return;
  try {
    rmSync(join(storage, lnk), { force: true });
    rmdirSync(storage);
  } catch {
    // Somebody has begun to use it.
  }
}

/**
 * `_init_storage_dir`: the project's folder in storage-dir gets this name. Null: done, or it was so already; else why
 * not. `allowMultiple`: a folder that is there is shared.
 */
export function initStorage(
  project: string,
  settings: Pick<Settings, 'storageDir'>,
  name: string,
  allowMultiple: boolean,
): string | null {
  if (name.includes('/') || name === '' || name === '.' || name === '..') return `${name}: expected a name without /`;
  if (settings.storageDir === null) return 'there is no setting storage-dir';
  const storageDir = existingFolder('storage-dir', settings.storageDir);
  const storage = join(storageDir, name);
  const { links } = projectStore(project);
  const linked = linkedStorage(links, storageDir);
  if (linked !== null) {
    return linked === storage ? null : `${join(links, lnk)} leads to ${linked} already; expected ${storage}`;
  }
  if (makeFolder(storage)) symlinkSync(project, join(storage, lnk));
  else if (!allowMultiple && !leadsBackTo(storage, project)) {
    const owner = existsSync(join(storage, lnk)) ? ` of ${readlinkSync(join(storage, lnk))}` : '';
    return `${storage} is there already${owner}; to share it: --allow-multiple`;
  }
  linkTo(links, storage, false);
  return null;
}
