/**
 * Building a container.
 *
 * The command line does, for each container that is needed, those that its steps name first:
 *
 *     const maps = containerIdMaps(container.uids, container.gids);      // problem: exit code 121
 *     const outcome = await buildContainer({ name, container, hash, maps, built, … });
 *
 * `hash` is the version (hex, of any length from 8 on), made by src/vagga/version; `built` has the folder of each container
 * that the steps of this one name (!Container, !Build). An outcome `failed` is exit code 121; its message was not told yet,
 * what the steps wrote is on stderr. The unfinished folder is left for a look and is wiped by the next attempt.
 */
import { closeSync, existsSync, mkdirSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { packageRoot } from '../../native/load.ts';
import type { Container } from '../config/container.ts';
import { takeImage } from '../image/take.ts';
import { collectUnused, type LayerRequest, layerPlan } from '../layers/request.ts';
import type { Lock } from '../lock/lock-file.ts';
import { proxyVariables } from '../run/environment.ts';
import { removeAsNamespaceRoot } from '../run/namespace-root.ts';
import type { IdMaps } from '../run/own-id-maps.ts';
import { plainSpec, runQuietly } from '../run/process.ts';
import { commitBuild, describeBuild, keptBuild, linkBuild, newestBuild, useBuild } from '../store/commit.ts';
import { type Indexing, indexAndLink } from '../store/indexing.ts';
import { buildLock, rootsFolder, type Store, shortHash, unfinishedFolder } from '../store/layout.ts';
import { lockFile } from '../store/lock.ts';
import type { BuildJob, Mirrors } from './job.ts';
import { eventsFd } from './progress.ts';
import type { BuildScreen } from './screen.ts';
import { watched } from './watched.ts';

export interface BuildRequest {
  readonly project: string;
  readonly store: Store;
  readonly name: string;
  readonly container: Container;
  /** All of the project. */
  readonly containers: ReadonlyMap<string, Container>;
  /** Its version; null: it is known once it is built, and `versionAfter` then tells it. */
  readonly hash: string | null;
  readonly versionAfter: () => Promise<string>;
  readonly maps: IdMaps;
  readonly built: ReadonlyMap<string, string>;
  /** Setting `external-volumes`. */
  readonly externalVolumes: ReadonlyMap<string, string>;
  /** Builds although there is one. */
  readonly force: boolean;
  /** Setting `build-lock-wait`. */
  readonly waitForLock: boolean;
  /** Setting `proxy-env-vars`. */
  readonly proxies: boolean;
  readonly mirrors: Mirrors;
  /** Setting `ca-certificates`. */
  readonly caCertificates: string | null;
  /** Whether `image-cache-url` is asked first; default: no. */
  readonly imageDownload?: boolean;
  /** Whether the build that was the newest so far is removed once this one is there; default: no. */
  readonly autoClean?: boolean;
  /** What each step makes is kept; null: it is not. */
  readonly layers: LayerRequest | null;
  readonly indexing: Indexing;
  readonly lock: Lock;
  /** A line for stderr. */
  readonly tell: (message: string) => void;
  readonly screen: BuildScreen;
}

export type BuildOutcome =
  /** `replaced`: there was a build of the same version. */
  | { readonly kind: 'built'; readonly folder: string }
  | { readonly kind: 'current'; readonly folder: string }
  | { readonly kind: 'failed'; readonly problem: string };

/** Builds it, unless there is a build of that version already. */
export async function buildContainer(request: BuildRequest): Promise<BuildOutcome> {
  const { store, name, hash, maps, force, tell } = request;
  const lock = await lockFile(buildLock(store, name, hash), request.waitForLock, tell);
  if (lock.kind === 'busy') return failed('Other process is doing build, aborting');
  if (lock.kind === 'failed') return failed(lock.problem);
  try {
    // Whoever held the lock may have built it.
    const kept = hash === null ? null : keptBuild(store, name, hash, maps);
    if (hash !== null && kept?.kind === 'current' && !force) {
      return { kind: 'current', folder: useBuild(store, name, hash) };
    }
    if (kept?.kind === 'other-ids')
      tell(`WARNING: the id maps of ${name} have changed since it was built; building it anew`);
    return await buildLocked(request);
  } finally {
    lock.release();
  }
}

async function buildLocked(request: BuildRequest): Promise<BuildOutcome> {
  const { store, name, maps, tell } = request;
  const unfinished = unfinishedFolder(store, name, request.hash);
  const leftover = [unfinished, `${unfinished}.old`].filter((path) => existsSync(path));
  const wiped = await removeAsNamespaceRoot(maps, leftover);
  if (wiped !== null) return failed(wiped);

  const since = Date.now();
  mkdirSync(unfinished);
  mkdirSync(store.cache, { recursive: true });
  const exitCode = (await takeImage(request, unfinished)) ? 0 : await runBuilder(request, unfinished);
  if (typeof exitCode === 'string') return failed(exitCode);
  if (exitCode !== 0) return failed(`Error building container ${name}; its unfinished root is left in ${unfinished}`);

  const hash = request.hash ?? (await request.versionAfter());
  describeBuild(unfinished, maps);
  const before = request.autoClean === true ? newestBuild(store, name) : null;
  const indexed = await indexAndLink(unfinished, maps, request.indexing);
  if (indexed.told !== null) tell(indexed.told);
  const { folder, old } = commitBuild(store, name, hash, unfinished);
  linkBuild(store, name, hash);
  tell(`Container ${name} (${shortHash(hash)}) built in ${Math.round((Date.now() - since) / 1000)} seconds.`);
  for (const needless of new Set([old, before])) {
    if (needless === null || needless === folder) continue;
    const left = await removeAsNamespaceRoot(maps, [needless]);
    if (left !== null) tell(`WARNING: ${left}`);
  }
  if (request.layers !== null) await collectUnused(store, request.layers.collect, tell);
  return { kind: 'built', folder };
}

/** Exit code of the builder, or what kept it from starting. */
async function runBuilder(request: BuildRequest, unfinished: string): Promise<number | string> {
  const { env } = process;
  const job: BuildJob = {
    name: request.name,
    root: join(unfinished, 'root'),
    project: request.project,
    cache: request.store.cache,
    externalVolumes: request.externalVolumes,
    container: request.container,
    containers: request.containers,
    built: request.built,
    environment: request.proxies ? proxyVariables(env) : new Map(),
    unmaskedProc: process.geteuid?.() !== 0,
    caCertificates: request.caCertificates,
    mirrors: request.mirrors,
    layers: request.layers === null ? null : layerPlan(request, request.layers),
    lock: request.lock,
  };
  const stdin = asStdin(rootsFolder(request.store), serialize(job));
  try {
    const spec = plainSpec({
      argv: [process.execPath, '--enable-source-maps', join(packageRoot(), 'dist', 'vagga-builder.js')],
      env: Object.fromEntries(
        Object.entries({ ...ofBundle(request.caCertificates), ...env }).filter(
          (entry): entry is [string, string] => entry[1] !== undefined,
        ),
      ),
      cwd: request.project,
      namespaces: { user: true, mount: true, pid: true, ipc: true, uts: false, cgroup: false, net: false },
      ...request.maps,
      // Of its own pid namespace: the starts inside look for their children there.
      mounts: [{ kind: 'proc', target: '/proc', unmasked: true }],
    });
    const end = await watched(request.screen.begin(request.name), join(unfinished, logFile), ({ output, events }) =>
      runQuietly({ ...spec, stdio: [stdin, output, output], passedFds: [{ from: events, to: eventsFd }] }),
    );
    return 'kind' in end ? end.exitCode : end.message;
  } finally {
    closeSync(stdin);
  }
}

/** The builder itself downloads and clones too. */
function ofBundle(bundle: string | null): Readonly<Record<string, string>> {
  return bundle === null ? {} : { NODE_EXTRA_CA_CERTS: bundle, GIT_SSL_CAINFO: bundle };
}

/** What the programs of the build printed, beside its root. */
const logFile = 'build.log';

/** A file without a name that holds the bytes. */
function asStdin(folder: string, bytes: Uint8Array): number {
  const path = join(folder, `.tmp.job.${process.pid}`);
  writeFileSync(path, bytes, { mode: 0o600 });
  const fd = openSync(path, 'r');
  unlinkSync(path);
  return fd;
}

const failed = (problem: string): BuildOutcome => ({ kind: 'failed', problem });
