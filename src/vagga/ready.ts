import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { buildContainer } from './build/build.ts';
import type { Container } from './config/container.ts';
import type { Project } from './config/project.ts';
import { containerOfStep, containerOfVolume } from './config/references.ts';
import type { Volume } from './config/volumes.ts';
import { type Lock, loadLock } from './lock/lock-file.ts';
import { Refusal } from './refusal.ts';
import { containerIdMaps, type IdMaps } from './run/own-id-maps.ts';
import type { Settings } from './settings.ts';
import { keptBuild } from './store/commit.ts';
import type { Store } from './store/layout.ts';
import { folderCache } from './version/cache.ts';
import type { Field } from './version/field.ts';
import { loadSubConfig } from './version/sub-config.ts';
import { type Version, versionOf } from './version/version.ts';

export interface Workplace {
  readonly project: Project;
  readonly settings: Settings;
  readonly store: Store;
  /** A line for stderr. */
  readonly tell: (message: string) => void;
}

export interface Readiness {
  /** Builds although there is a build of this version. */
  readonly force: boolean;
  /** `--no-build`: refuses where a build is needed. */
  readonly build: boolean;
  /** `--no-version-check`: takes what was built last, whatever has changed. */
  readonly versionCheck: boolean;
}

/** Containers that are built and current, each looked at once. */
export interface Containers {
  /** The folder of a container's build, `.roots/NAME.HASH8`; built where need be. Throws a Refusal. */
  ready(name: string): Promise<string>;
  mapsOf(name: string): IdMaps;
  /** `root/` of all that are ready. */
  roots(): ReadonlyMap<string, string>;
  /** `details`: each file as a field of its own. */
  version(name: string, details: boolean): Promise<Version>;
}

/** What went into a build, beside its root: what a later version is compared with. */
const fieldsFile = 'version.json';

export function containersOf(place: Workplace, how: Readiness): Containers {
  const { project, settings, store, tell } = place;
  const folders = new Map<string, string>();
  const maps = new Map<string, IdMaps>();
  // Not before it is wanted: a command that builds nothing does not stumble over it.
  let read: Lock | null = null;
  const lock = (): Lock => {
    read ??= loadLock(project.root);
    return read;
  };

  const containerOf = (name: string): Container => {
    const container = project.containers.get(name);
    if (container === undefined) throw new Refusal('launcher', `there is no container ${name}`);
    return container;
  };
  const mapsOf = (name: string): IdMaps => {
    const known = maps.get(name);
    if (known !== undefined) return known;
    const { uids, gids } = containerOf(name);
    const outcome = containerIdMaps(uids, gids);
    if ('problem' in outcome) throw new Refusal('launcher', outcome.problem);
    for (const warning of outcome.warnings) tell(`WARNING: ${warning}`);
    maps.set(name, outcome.value);
    return outcome.value;
  };
  const version = (name: string, details: boolean): Promise<Version> =>
    versionOf(project, name, {
      threads: availableParallelism(),
      details,
      cache: folderCache(join(store.cache, 'hash')),
      builtRoot: (other) => (folders.has(other) ? join(folders.get(other) ?? '', 'root') : null),
      subConfig: loadSubConfig,
      lock: lock(),
      warn: (message) => tell(`WARNING: ${message}`),
    });

  const ready = async (name: string): Promise<string> => {
    const known = folders.get(name);
    if (known !== undefined) return known;
    const container = containerOf(name);
    if (!how.versionCheck) {
      const last = lastBuild(store, name);
      if (last === null) throw new Refusal('notReady', `container ${name} was never built`);
      folders.set(name, last);
      await each(container.volumes.values(), ready);
      return last;
    }
    for (const step of container.setup) {
      const other = containerOfStep(step);
      if (other !== null) await ready(other);
    }
    const found = await version(name, false);
    if (found.kind === 'failed') throw new Refusal('launcher', `container ${name}: ${found.reason}`);
    if (found.kind === 'not-ready')
      throw new Refusal('notReady', `container ${name} has no version yet: ${found.reason}`);
    const current = keptBuild(store, name, found.hash, mapsOf(name)).kind === 'current';
    if (!current && !how.build) {
      throw new Refusal('notReady', `container ${name} must be built first (version ${found.short})`);
    }
    const fields = current ? null : await fieldsOf(version(name, true));
    const outcome = await buildContainer({
      ...{ project: project.root, store, name, container, containers: project.containers },
      hash: found.hash,
      maps: mapsOf(name),
      built: folders,
      externalVolumes: settings.externalVolumes,
      force: how.force,
      waitForLock: settings.buildLockWait,
      proxies: settings.proxyEnvVars,
      lock: lock(),
      tell,
    });
    if (outcome.kind === 'failed') throw new Refusal('launcher', outcome.problem);
    if (outcome.kind === 'built' && fields !== null) {
      writeFileSync(join(outcome.folder, fieldsFile), JSON.stringify(fields));
    }
    folders.set(name, outcome.folder);
    await each(container.volumes.values(), ready);
    return outcome.folder;
  };
  return {
    ready,
    mapsOf,
    roots: () => new Map([...folders].map(([name, folder]) => [name, join(folder, 'root')])),
    version,
  };
}

async function each(volumes: Iterable<Volume>, ready: (name: string) => Promise<string>): Promise<void> {
  for (const volume of volumes) {
    const other = containerOfVolume(volume);
    if (other !== null) await ready(other);
  }
}

async function fieldsOf(version: Promise<Version>): Promise<readonly Field[] | null> {
  const known = await version;
  return known.kind === 'known' ? known.fields : null;
}

/** The folder that `.vagga/NAME` leads to; null: it was never built, or is gone. */
export function lastBuild({ links }: Store, name: string): string | null {
  try {
    const folder = resolve(links, readlinkSync(join(links, name)), '..');
    return existsSync(join(folder, 'root')) ? folder : null;
  } catch {
    return null;
  }
}

/** What went into a build; null: an earlier vagga built it. */
export function fieldsOfBuild(folder: string): readonly Field[] | null {
  try {
    return JSON.parse(readFileSync(join(folder, fieldsFile), 'utf8')) as readonly Field[];
  } catch {
    return null;
  }
}
