import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lockFile } from '../../../store/lock.ts';
import type { BuildJob, BuildState } from '../../job.ts';
import { captureInRoot, runInRoot, runSilently } from '../../program.ts';
import { ensureFolder, pathInRoot } from '../../root-path.ts';
import type { AptDistribution } from '../distribution.ts';

// apt and dpkg of the root itself do the work; what they download stays in the project's cache.

/** Where a root has what apt downloads; both are folders of the cache while it is built. */
export const archives = '/var/cache/apt/archives';
const lists = '/var/lib/apt/lists';

/** Nobody answers questions; no user but root downloads: a namespace's folder may be closed to `_apt`. */
const environment = [
  ...['DEBIAN_FRONTEND=noninteractive', 'DEBCONF_NONINTERACTIVE_SEEN=true', 'DEBCONF_NOWARNINGS=yes'],
  'LC_ALL=C.UTF-8',
];
const options = (job: BuildJob): readonly string[] =>
  [
    ...['APT::Sandbox::User=root', 'APT::Install-Recommends=false', 'Acquire::Retries=3'],
    // What is in the cache must outlast the build, and is there for others, who know other repositories.
    ...['APT::Keep-Downloaded-Packages=true', 'APT::Get::List-Cleanup=false'],
    ...['Dpkg::Use-Pty=0', 'Dpkg::Options::=--force-confold'],
    ...(job.mirrors.skipAptLocking ? ['Debug::NoLocking=true'] : []),
  ].flatMap((option) => ['-o', option]);

/** The state with the distribution and its caches mounted. */
export function withApt(job: BuildJob, state: BuildState, distro: AptDistribution): BuildState {
  const binds = new Map(state.binds);
  for (const [path, name] of [
    [archives, 'apt-cache'],
    [lists, `apt-lists-${distro.kind}-${distro.codename}`],
  ] as const) {
    const source = join(job.cache, name);
    mkdirSync(join(source, 'partial'), { recursive: true });
    ensureFolder(job.root, path);
    binds.set(path, { source, readonly: false });
  }
  return { ...state, binds, distro };
}

/** Runs a program of apt or dpkg in the root. Two builds that share a cache take turns. */
export async function runApt(
  job: BuildJob,
  state: BuildState,
  words: readonly string[],
  run: typeof runSilently = runInRoot,
): Promise<void> {
  const all = ['/usr/bin/env', ...environment, ...words];
  try {
    await withLock(job, () => run(job, state, all));
  } catch (error) {
    // What it was told beside what it was asked for is of no interest to who reads it.
    const asked = words.filter((word, index) => word !== '-o' && words[index - 1] !== '-o');
    throw new Error((error as Error).message.replace(all.join(' '), asked.join(' ')));
  }
}

async function withLock<T>(job: BuildJob, work: () => Promise<T>): Promise<T> {
  if (job.mirrors.skipAptLocking) return work();
  const path = join(job.cache, 'apt-cache.lock');
  const lock = await lockFile(path, true, (message) =>
    tell(message.replace('of this container', 'with the same cache of apt')),
  );
  if (lock.kind !== 'locked') throw new Error(`${path}: ${lock.kind === 'failed' ? lock.problem : 'is held'}`);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

export async function addAptPackages(
  job: BuildJob,
  before: BuildState,
  distro: AptDistribution,
  packages: readonly string[],
  keep: boolean,
): Promise<BuildState> {
  if (packages.length === 0) return { ...before, distro };
  const state = withApt(job, before, distro);
  if (!distro.updated) {
    tell('Updating the lists of packages');
    await runApt(job, state, ['apt-get', ...options(job), '-o', 'APT::Update::Error-Mode=any', 'update'], runSilently);
  }
  const present = keep ? new Set<string>() : await manualPackages(job, state);
  await runApt(job, state, ['apt-get', ...options(job), '-qq', 'install', '--yes', '--', ...packages]);
  const names = packages.map(packageName);
  const buildDeps = keep
    ? distro.buildDeps.filter((name) => !names.includes(name))
    : [...new Set([...distro.buildDeps, ...names.filter((name) => !present.has(name))])];
  return { ...state, distro: { ...distro, buildDeps, updated: true } };
}

/** Without a version, release or architecture that was asked for. */
export const packageName = (asked: string): string => asked.replace(/[=/:].*$/, '');

async function manualPackages(job: BuildJob, state: BuildState): Promise<ReadonlySet<string>> {
  const shown = await captureInRoot(job, state, ['apt-mark', 'showmanual']);
  return new Set(shown.split('\n').map(packageName));
}

export async function finishApt(job: BuildJob, state: BuildState, distro: AptDistribution): Promise<void> {
  if (distro.buildDeps.length > 0) {
    await runApt(job, state, ['apt-mark', 'auto', '--', ...distro.buildDeps], runSilently);
    const important = ['Recommends', 'Suggests'].flatMap((kind) => ['-o', `APT::AutoRemove::${kind}Important=false`]);
    await runApt(job, state, ['apt-get', ...options(job), ...important, '-qq', 'autoremove', '--purge', '--yes']);
  }
  for (const name of ['pkgcache.bin', 'srcpkgcache.bin']) {
    rmSync(pathInRoot(job.root, `/var/cache/apt/${name}`), { force: true }); // made anew whenever they are needed
  }
  if (existsSync(join(job.root, 'var/lib/dpkg/status'))) {
    const format = `\${Package} \${Version} \${Architecture}\\n`;
    const list = await captureInRoot(job, state, ['dpkg-query', '--show', `--showformat=${format}`]);
    writeFileSync(join(dirname(job.root), 'debian-packages.txt'), list);
  }
}

export function tell(message: string): void {
  process.stderr.write(`${message}\n`);
}
