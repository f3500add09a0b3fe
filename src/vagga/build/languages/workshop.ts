import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ContainerSpec } from '../../../native/container.ts';
import { programCandidates } from '../../run/words.ts';
import { projectPath } from '../../version/project-file.ts';
import type { Distribution } from '../distro/distribution.ts';
import { addPackages, distributionOf, ensureDistribution } from '../distro/packages.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { buildEnvironment, captureInRoot, runInRoot } from '../program.ts';
import { ensureFolder, pathInRoot } from '../root-path.ts';
import { isNothing, type Needs, type Surroundings } from './ecosystem.ts';
import type { PackageManager } from './settings.ts';

// What the steps of all languages have in common.

/** Installs what a step needs; a root without a distribution gets one, unless the step keeps nothing of it. */
export async function provide(job: BuildJob, before: BuildState, { keep, build }: Needs): Promise<BuildState> {
  const none = distributionOf(job, before) === null;
  if (none && isNothing(keep)) return before;
  if (none) warn('no distribution is chosen before this step: it takes Alpine');
  let state = none ? await ensureDistribution(job, before) : before;
  if (!isNothing(keep)) state = await addPackages(job, state, keep, { keep: true });
  if (!isNothing(build)) state = await addPackages(job, state, build, { keep: false });
  return state;
}

/** For names of caches: what is built on one distribution does not fit another. */
export function distributionId(job: BuildJob, state: BuildState): string {
  const distro: Distribution | null = distributionOf(job, state);
  if (distro === null) return 'unknown';
  return `${distro.kind}-${distro.kind === 'alpine' ? distro.version : distro.codename}`;
}

/** The state for a program with these variables, unless !Env has others, and these caches. */
export function within(job: BuildJob, state: BuildState, { env, caches }: Surroundings): BuildState {
  const binds = new Map(state.binds);
  for (const [path, name] of caches) {
    const source = join(job.cache, name);
    mkdirSync(source, { recursive: true });
    ensureFolder(job.root, path);
    binds.set(path, { source, readonly: false });
  }
  return { ...state, binds, env: new Map([...Object.entries(env), ...state.env]) };
}

export const run = (
  job: BuildJob,
  state: BuildState,
  around: Surroundings,
  words: readonly string[],
  change: Partial<ContainerSpec> = {},
): Promise<void> => runInRoot(job, within(job, state, around), words, change);

export const capture = (
  job: BuildJob,
  state: BuildState,
  around: Surroundings,
  words: readonly string[],
): Promise<string> => captureInRoot(job, within(job, state, around), words);

export const used = (state: BuildState, manager: PackageManager): BuildState => ({
  ...state,
  languages: { ...state.languages, used: new Set([...state.languages.used, manager]) },
});

/** Path inside of a program; null: the root has none. */
export function programInside(job: BuildJob, state: BuildState, name: string): string | null {
  const candidates = programCandidates(name, buildEnvironment(job, state).PATH);
  return candidates.find((path) => existsSync(pathInRoot(job.root, path))) ?? null;
}

/** A path of the project as it is inside. */
export function insideProject(path: string): string {
  const relative = projectPath(path);
  if (relative === null) throw new Error(`${path} lies outside of the project`);
  return relative === '' ? '/work' : `/work/${relative}`;
}

/** The host's path of what is in the project. */
export const onHost = (job: BuildJob, inside: string): string => join(job.project, inside.slice('/work'.length));

/**
 * Runs a tool that writes a lock file where there is none. It is not left in the project: it counts in the version, and so
 * what was just built would be out of date.
 */
export async function withoutNewLock(lock: string, work: () => Promise<void>): Promise<void> {
  if (existsSync(lock)) return work();
  warn(`there is no ${basename(lock)}: each build takes the newest versions that fit`);
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

export function warn(message: string): void {
  process.stderr.write(`WARNING: ${message}\n`);
}
