import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import pLimit from 'p-limit';
import { makeBasesReady } from './bases.ts';
import type { BuildScreen } from './build/screen.ts';
import type { Container } from './config/container.ts';
import type { Project } from './config/project.ts';
import { containersOfVolumes } from './config/references.ts';
import { type Lock, loadLock } from './lock/lock-file.ts';
import { Refusal } from './refusal.ts';
import { containerIdMaps, type IdMaps } from './run/own-id-maps.ts';
import type { Settings } from './settings.ts';
import { keptBuild, touchLastUse, useBuild } from './store/commit.ts';
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
  /** A line for stderr where VAGGA_LOG asks for it. */
  readonly debug?: (message: () => string) => void;
}

export interface Readiness {
  /** Builds although there is a build of this version. */
  readonly force: boolean;
  /** `--no-build`: refuses where a build is needed. */
  readonly build: boolean;
  /** `--no-version-check`: takes what was built last, whatever has changed. */
  readonly versionCheck: boolean;
  /** False: `--no-image-download`. */
  readonly imageDownload?: boolean;
}

/** Containers that are built and current, each looked at once. */
export interface Containers {
  /** The folder of a container's build, `.roots/NAME.HASH8`; built where need be. Throws a Refusal. */
  ready(name: string): Promise<string>;
  /** The same of several, at once. */
  allReady(names: readonly string[]): Promise<void>;
  mapsOf(name: string): IdMaps;
  /** `root/` of all that are ready. */
  roots(): ReadonlyMap<string, string>;
  /** `details`: each file as a field of its own. */
  version(name: string, details: boolean): Promise<Version>;
}

/** Builds at once: they wait for the network and the disk more than they compute. */
const fewestBuilds = 4;
const mostChanges = 10;

/** What went into a build, beside its root: what a later version is compared with. */
const fieldsFile = 'version.json';

export function containersOf(place: Workplace, how: Readiness): Containers {
  const { project, settings, store, tell } = place;
  const folders = new Map<string, string>();
  const underWay = new Map<string, Promise<string>>();
  const maps = new Map<string, IdMaps>();
  const turn = pLimit(Math.max(availableParallelism(), fewestBuilds));
  // All that builds is loaded for the first build: most commands find what they need.
  let shown: BuildScreen | null = null;
  const screenOf = async (): Promise<BuildScreen> => {
    const { buildScreen } = await import('./build/screen.ts');
    shown ??= buildScreen({ stream: process.stderr, now: () => performance.now() });
    return shown;
  };
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

  const ready = (name: string): Promise<string> => {
    const known = underWay.get(name) ?? makeReady(name);
    underWay.set(name, known);
    return known;
  };
  const makeReady = async (name: string): Promise<string> => {
    const container = containerOf(name);
    // The option wants what is there; the setting only spares the check where something is.
    const last = how.versionCheck && settings.versionCheck ? null : lastBuild(store, name);
    if (last !== null) touchLastUse(last);
    const folder = last ?? (how.versionCheck ? await current(name, container) : null);
    if (folder === null) throw new Refusal('notReady', `container ${name} was never built`);
    folders.set(name, folder);
    await allReady(containersOfVolumes(container.volumes.values()));
    return folder;
  };
  // What runs goes on where another fails: it is work that the next attempt need not do.
  const allReady = async (names: readonly string[]): Promise<void> => {
    const ends = await Promise.allSettled(names.map(ready));
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  };

  const current = async (name: string, container: Container): Promise<string> => {
    await makeBasesReady(container.setup, { root: project.root, containers: project.containers, allReady, folders });
    const found = await version(name, false);
    if (found.kind === 'failed') throw new Refusal('launcher', `container ${name}: ${found.reason}`);
    const hash = found.kind === 'known' ? found.hash : null;
    const kept = hash === null ? null : keptBuild(store, name, hash, mapsOf(name));
    place.debug?.(() => `container ${name}: version ${hash ?? 'not known yet'}, ${kept?.kind ?? 'to be built'}`);
    if (hash !== null && kept?.kind === 'current' && !how.force) return useBuild(store, name, hash);
    if (!how.build) {
      const why = found.kind === 'known' ? `version ${found.short}` : found.reason;
      throw new Refusal('notReady', `container ${name} must be built first (${why})`);
    }
    return turn(() => build(name, container, hash));
  };

  const build = async (name: string, container: Container, hash: string | null): Promise<string> => {
    const before = hash === null ? null : await fieldsOf(version(name, true));
    const screen = await screenOf();
    if (before !== null) await tellChanges(name, before, screen);
    const [{ buildContainer }, { collectPolicy }, { indexingOf }] = await Promise.all([
      import('./build/build.ts'),
      import('./layers/collect.ts'),
      import('./store/indexing.ts'),
    ]);
    const outcome = await buildContainer({
      ...{ project: project.root, store, name, container, containers: project.containers, hash, screen },
      versionAfter: async () => {
        const after = await version(name, false);
        if (after.kind === 'known') return after.hash;
        throw new Refusal('launcher', `container ${name} was built and has no version yet: ${after.reason}`);
      },
      maps: mapsOf(name),
      built: folders,
      externalVolumes: settings.externalVolumes,
      force: how.force,
      waitForLock: settings.buildLockWait,
      proxies: settings.proxyEnvVars,
      caCertificates: settings.caCertificates,
      mirrors: {
        ...{ ubuntu: settings.ubuntuMirror, debian: settings.debianMirror, alpine: settings.alpineMirror },
        skipAptLocking: settings.ubuntuSkipLocking,
      },
      imageDownload: how.imageDownload ?? true,
      autoClean: container.autoClean && !settings.disableAutoClean,
      layers: settings.buildLayers && before !== null ? { fields: before, collect: collectPolicy(settings) } : null,
      indexing: indexingOf(settings, store),
      lock: lock(),
      tell: screen.tell,
    });
    if (outcome.kind === 'failed') throw new Refusal('launcher', outcome.problem);
    if (outcome.kind === 'built' && hash !== null) await checkVersion(name, hash, outcome.folder, screen);
    const fields = before ?? (await fieldsOf(version(name, true)));
    if (outcome.kind === 'built' && fields !== null) {
      writeFileSync(join(outcome.folder, fieldsFile), JSON.stringify(fields));
    }
    return outcome.folder;
  };

  /** What was changed while the build read it is told, and nothing of it is kept for others. */
  const checkVersion = async (name: string, hash: string, folder: string, screen: BuildScreen): Promise<void> => {
    const after = await version(name, false);
    if (after.kind === 'known' && after.hash === hash) return;
    screen.tell(`WARNING: files that ${name} depends on have changed while it was built`);
    const { forgetLayers } = await import('./layers/request.ts');
    await forgetLayers(store, folder);
  };

  /** Why there is a new version: what differs from the last build. */
  const tellChanges = async (name: string, fields: readonly Field[], screen: BuildScreen): Promise<void> => {
    const { explainDifference } = await import('./version/diff.ts');
    const last = lastBuild(store, name);
    const old = last === null ? null : fieldsOfBuild(last);
    const changes = old === null ? [] : explainDifference(old, fields);
    if (changes.length === 0) return;
    screen.tell(`Container ${name} is built anew:`);
    for (const change of changes.slice(0, mostChanges)) screen.tell(`  ${change}`);
    if (changes.length > mostChanges) screen.tell(`  and ${changes.length - mostChanges} changes more`);
  };

  return {
    ready,
    allReady,
    mapsOf,
    roots: () => new Map([...folders].map(([name, folder]) => [name, join(folder, 'root')])),
    version,
  };
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
