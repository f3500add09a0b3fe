import { existsSync, mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fetcher, openFetcher } from '../../fetch.ts';
import type { BuildJob, BuildState } from '../../job.ts';
import { partName } from '../../part-name.ts';
import { runInRoot, runSilently } from '../../program.ts';
import { ensureFolder, pathInRoot } from '../../root-path.ts';
import { closed, closure } from '../closure.ts';
import type { AptDistribution } from '../distribution.ts';
import { archives, runApt, tell, withApt } from './apt.ts';
import { unpackDeb } from './deb.ts';
import { isSound, readPackages, readRelease } from './indexes.ts';
import { archiveKeyrings } from './keyrings.ts';
import { type DebPackage, dependenciesFirst, newest } from './package-index.ts';
import { hasMergedUsr, type Suite } from './suites.ts';

// A root of packages from a mirror, as debootstrap makes one, without any tool of Debian on the host but gpgv: the essential
// packages are unpacked so that the root's own dpkg runs, which then installs all of them anew with their scripts.

export interface BaseRequest {
  readonly kind: 'debian' | 'ubuntu';
  readonly codename: string;
  readonly architecture: string;
  /** The first must be there. */
  readonly suites: readonly Suite[];
  readonly components: readonly string[];
  readonly variant: Variant;
}

export const variants = ['minbase', 'buildd', 'standard'] as const;
export type Variant = (typeof variants)[number];

/** Fills the root. The suites of the result are those that the mirror has. */
export async function bootstrap(
  job: BuildJob,
  before: BuildState,
  request: BaseRequest,
): Promise<{ readonly state: BuildState; readonly suites: readonly Suite[] }> {
  refuseSingleId();
  const distro: AptDistribution = {
    ...{ kind: request.kind, codename: request.codename },
    ...{ buildDeps: [], updated: false },
  };
  const state = withApt(job, before, distro);
  const fetcher = openFetcher(job.environment);
  let suites: readonly Suite[];
  let base: BasePackages;
  try {
    const found = await choosePackages(job, fetcher, request);
    suites = found.suites;
    base = found.base;
    await downloadAll(fetcher, base.all, join(job.cache, 'apt-cache'));
  } finally {
    await fetcher.close();
  }
  if (hasMergedUsr(request.codename)) mergeUsr(job.root, request.architecture);
  tell(`Unpacking ${base.all.length} packages`);
  for (const each of base.essential) {
    const file = join(job.cache, 'apt-cache', fileName(each));
    await unpackDeb(file, statSync(file).size, job.root);
  }
  prepareDpkg(job.root);
  await install(job, state, base.all, request.architecture);
  return { state, suites };
}

interface BasePackages {
  readonly essential: readonly DebPackage[];
  /** With the essential ones. */
  readonly all: readonly DebPackage[];
}

async function choosePackages(
  job: BuildJob,
  fetcher: Fetcher,
  { kind, codename, architecture, suites, components, variant }: BaseRequest,
): Promise<{ readonly base: BasePackages; readonly suites: readonly Suite[] }> {
  const [main] = suites;
  tell(`Reading the packages of ${codename} at ${main?.mirror}`);
  const keyrings = archiveKeyrings(kind);
  const found = await Promise.all(
    suites.map(async (suite) => ({ suite, release: await readRelease(fetcher, suite, keyrings, new Date()) })),
  );
  const there = found.flatMap(({ suite, release }) => (release === null ? [] : [{ suite, release }]));
  if (found[0]?.release === null || main === undefined) {
    throw new Error(`${main?.mirror} has no release ${codename} (no dists/${codename}/InRelease there)`);
  }
  const folder = join(job.cache, 'apt-indexes');
  const lists = await Promise.all(
    there.flatMap(({ suite, release }) =>
      components
        .filter((component) => suite === main || release.components.some((each) => each.endsWith(component)))
        .map((component) => readPackages(fetcher, suite, release, component, architecture, folder)),
    ),
  );
  const known = newest(lists.flat());
  return { base: basePackages(known, variant), suites: there.map(({ suite }) => suite) };
}

/** What a root of this kind begins with. */
export function basePackages(known: ReadonlyMap<string, DebPackage>, variant: Variant): BasePackages {
  // Chosen first, it is what other packages take for their merged /usr: the other choice would merge it by a script.
  const merged = known.has('usr-is-merged') ? ['usr-is-merged'] : [];
  const names = (wanted: (each: DebPackage) => boolean): readonly string[] =>
    [...known.values()].filter(wanted).map(({ name }) => name);
  const priorities = variant === 'standard' ? ['required', 'important', 'standard'] : ['required'];
  const essential = closed(closure(known, [...merged, ...names((each) => each.essential)]));
  const all = closed(
    closure(known, [
      ...essential.map(({ name }) => name),
      ...names((each) => priorities.includes(each.priority)),
      'apt',
      ...(variant === 'buildd' ? ['build-essential'] : []),
    ]),
  );
  return { essential, all };
}

/** As apt names it in its cache. */
export const fileName = ({ name, version, architecture }: DebPackage): string =>
  `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`;

const parallelDownloads = 8;

async function downloadAll(fetcher: Fetcher, packages: readonly DebPackage[], folder: string): Promise<void> {
  const absent = packages.filter((each) => !isSound(join(folder, fileName(each)), each.sha256));
  if (absent.length === 0) return;
  const megabytes = absent.reduce((sum, { size }) => sum + size, 0) / 1e6;
  tell(`Downloading ${absent.length} packages (${megabytes.toFixed(1)} MB)`);
  const pending = [...absent];
  const worker = async (): Promise<void> => {
    for (let each = pending.shift(); each !== undefined; each = pending.shift()) {
      const file = join(folder, fileName(each));
      const part = partName(join(folder, 'partial', fileName(each)));
      await fetcher.toFile(each.url, part);
      if (!isSound(part, each.sha256)) throw new Error(`Hashsum mismatch: ${each.url}: expected ${each.sha256}`);
      renameSync(part, file);
    }
  };
  await Promise.all(Array.from({ length: parallelDownloads }, worker));
}

/** `/bin` and its like become links into `/usr`, before any package has files there. */
function mergeUsr(root: string, architecture: string): void {
  const more: Readonly<Record<string, readonly string[]>> = {
    amd64: ['lib32', 'lib64', 'libx32'],
    i386: ['lib64', 'libx32'],
    ppc64el: ['lib64'],
    loong64: ['lib64'],
  };
  for (const name of ['bin', 'sbin', 'lib', ...(more[architecture] ?? [])]) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    if (!existsSync(join(root, name))) symlinkSync(`usr/${name}`, join(root, name));
  }
}

/** What dpkg and the first scripts expect, which no package brings. */
function prepareDpkg(root: string): void {
  const dpkg = ensureFolder(root, '/var/lib/dpkg');
  for (const name of ['info', 'updates', 'triggers', 'alternatives', 'parts']) {
    mkdirSync(join(dpkg, name), { recursive: true });
  }
  for (const name of ['status', 'available']) writeFileSync(join(dpkg, name), '', { flag: 'a' });
  ensureFolder(root, '/etc/dpkg/dpkg.cfg.d');
  writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/vagga'), 'force-unsafe-io\n');
  // Of base-passwd: packages before it give files to these users.
  for (const name of ['passwd', 'group']) {
    const [file, master] = [join(root, 'etc', name), pathInRoot(root, `/usr/share/base-passwd/${name}.master`)];
    if (!existsSync(file) && existsSync(master)) writeFileSync(file, readFileSync(master));
  }
  denyServices(root);
}

/** No package may start a service: invoke-rc.d(8) asks this script. */
export function denyServices(root: string): void {
  ensureFolder(root, '/usr/sbin');
  writeFileSync(pathInRoot(root, '/usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
}

async function install(
  job: BuildJob,
  state: BuildState,
  packages: readonly DebPackage[],
  architecture: string,
): Promise<void> {
  try {
    await runInRoot(job, state, ['/bin/sh', '-c', 'exit 0']);
  } catch (error) {
    throw new Error(`this machine does not run programs for ${architecture}: ${(error as Error).message}`);
  }
  tell(`Configuring ${packages.length} packages`);
  const files = dependenciesFirst(packages).map((each) => `${archives}/${fileName(each)}`);
  await runApt(job, state, ['dpkg', '--force-depends', '--force-confold', '--install', ...files], runSilently);
}

/** A package's files belong to several users. */
function refuseSingleId(): void {
  const ids = ['uid', 'gid'].map((kind) =>
    readFileSync(`/proc/self/${kind}_map`, 'utf8')
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2] ?? 0), 0),
  );
  if (ids.every((count) => count > 1)) return;
  throw new Error(
    'a distribution needs more ids than one: grant some to the user in /etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER) and install newuidmap (Debian: uidmap)',
  );
}
