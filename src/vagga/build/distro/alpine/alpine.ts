import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { packageRoot } from '../../../../native/load.ts';
import type { StepOf } from '../../../config/steps.ts';
import { lockFile } from '../../../store/lock.ts';
import { type Fetcher, openFetcher } from '../../fetch.ts';
import type { BuildJob, BuildState } from '../../job.ts';
import { partName } from '../../part-name.ts';
import { captureInRoot, runInRoot } from '../../program.ts';
import { ensureFolder, pathInRoot } from '../../root-path.ts';
import { closed, closure } from '../closure.ts';
import type { AlpineDistribution } from '../distribution.ts';
import { unpackOwned } from '../unpack-owned.ts';
import { checkedData, type Keys, openIndex } from './apk-file.ts';
import { type ApkPackage, knownPackages, parseApkIndex } from './apk-index.ts';

// A root of Alpine: apk and what it needs are checked and unpacked here, then the root's own apk installs all with scripts.

const defaultMirror = 'http://dl-cdn.alpinelinux.org/alpine';
/** What the root begins with. */
const base = 'alpine-base';
/** apk and what it needs to run scripts. */
const firstPackages = ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'busybox'];
const repositories = ['main', 'community'];
/** A folder of the project's cache while the root is built; apk keeps packages there if there is such a folder. */
const cacheFolder = '/etc/apk/cache';
/** Takes build-deps away together. */
const buildDepsName = '.vagga-build-deps';

export async function startAlpine(job: BuildJob, before: BuildState, version: string): Promise<BuildState> {
  if (!/^v\d+\.\d+$/.test(version)) throw new Error(`Error checking alpine version: '${version}'`);
  const distro: AlpineDistribution = { kind: 'alpine', version, buildDeps: [] };
  const state = withApkCache(job, before, distro);
  const mirror = mirrorOf(job);
  const architecture = alpineArchitecture();
  const fetcher = openFetcher(job.environment);
  try {
    tell(`Reading the packages of Alpine ${version} at ${mirror}`);
    const keys = knownKeys(job.root);
    const found = await Promise.all(
      repositories.map((repo) => readIndex(fetcher, `${mirror}/${version}/${repo}/${architecture}`, keys)),
    );
    if (found[0] === null) throw new Error(`${mirror} has no ${version} for ${architecture}`);
    const packages = closed(closure(knownPackages(found.flatMap((list) => list ?? [])), firstPackages));
    tell(`Unpacking ${packages.length} packages`);
    for (const each of packages) {
      const data = await packageData(fetcher, each, join(job.cache, 'alpine-cache'));
      await unpackOwned(Readable.from([data]).pipe(createGunzip()), job.root);
    }
    const lines = repositories
      .filter((_, index) => found[index] !== null)
      .map((repo) => `${mirror}/${version}/${repo}\n`);
    writeFileSync(join(ensureFolder(job.root, '/etc/apk'), 'repositories'), lines.join(''));
  } finally {
    await fetcher.close();
  }
  await runApk(job, state, ['--initdb', '--arch', architecture, '--update-cache', 'add', base]);
  return state;
}

export async function addAlpinePackages(
  job: BuildJob,
  before: BuildState,
  distro: AlpineDistribution,
  packages: readonly string[],
  keep: boolean,
): Promise<BuildState> {
  if (packages.length === 0) return { ...before, distro };
  const state = withApkCache(job, before, distro);
  if (keep) {
    await runApk(job, state, ['--update-cache', 'add', ...packages]);
    return state;
  }
  // A name of its own for each step: the same name again would take the place of what it stood for.
  const name = `${buildDepsName}-${distro.buildDeps.length}`;
  await runApk(job, state, ['--update-cache', 'add', '--virtual', name, ...packages]);
  return { ...state, distro: { ...distro, buildDeps: [...distro.buildDeps, name] } };
}

/** A line of /etc/apk/repositories. */
export function addAlpineRepository(
  job: BuildJob,
  state: BuildState,
  distro: AlpineDistribution,
  { url, branch, repo, tag }: StepOf<'AlpineRepo'>,
): BuildState {
  const file = join(ensureFolder(job.root, '/etc/apk'), 'repositories');
  const lines = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
  const address = `${(url ?? mirrorOf(job)).replace(/\/+$/, '')}/${branch ?? distro.version}/${repo}`;
  const line = tag === null ? address : `@${tag} ${address}`;
  if (!lines.includes(line)) writeFileSync(file, `${[...lines, line].join('\n')}\n`);
  return { ...state, distro };
}

export async function finishAlpine(job: BuildJob, state: BuildState, distro: AlpineDistribution): Promise<void> {
  if (!existsSync(pathInRoot(job.root, '/sbin/apk'))) return;
  if (distro.buildDeps.length > 0) await runApk(job, state, ['del', ...distro.buildDeps]);
  const list = await captureInRoot(job, state, ['/sbin/apk', 'info', '--verbose']);
  writeFileSync(join(dirname(job.root), 'alpine-packages.txt'), list);
  const cache = pathInRoot(job.root, cacheFolder);
  if (existsSync(cache)) rmdirSync(cache); // else apk would keep what it downloads in the image
}

async function runApk(job: BuildJob, state: BuildState, words: readonly string[]): Promise<void> {
  if (!existsSync(pathInRoot(job.root, '/sbin/apk'))) throw new Error('the container has no /sbin/apk');
  const path = join(job.cache, 'alpine-cache.lock');
  const lock = await lockFile(path, true, (message) =>
    tell(message.replace('of this container', 'with the same cache of apk')),
  );
  if (lock.kind !== 'locked') throw new Error(`${path}: ${lock.kind === 'failed' ? lock.problem : 'is held'}`);
  try {
    await runInRoot(job, state, ['/sbin/apk', '--no-progress', ...words]);
  } finally {
    lock.release();
  }
}

function withApkCache(job: BuildJob, state: BuildState, distro: AlpineDistribution): BuildState {
  const source = join(job.cache, 'alpine-cache');
  mkdirSync(source, { recursive: true });
  ensureFolder(job.root, cacheFolder);
  return { ...state, distro, binds: new Map(state.binds).set(cacheFolder, { source, readonly: false }) };
}

const mirrorOf = (job: BuildJob): string => (job.mirrors.alpine ?? defaultMirror).replace(/\/+$/, '');

/** Ours, and what earlier steps put into the root. */
function knownKeys(root: string): Keys {
  const read = (within: string, folder: string): readonly (readonly [string, string])[] => {
    const place = pathInRoot(within, folder);
    const names = existsSync(place) ? readdirSync(place).filter((name) => name.endsWith('.pub')) : [];
    return names.flatMap((name) => {
      const file = pathInRoot(within, join(folder, name));
      return existsSync(file) ? [[name, readFileSync(file, 'utf8')] as const] : [];
    });
  };
  return new Map([...read(packageRoot(), 'keys/alpine'), ...read(root, '/etc/apk/keys')]);
}

async function readIndex(fetcher: Fetcher, repository: string, keys: Keys): Promise<readonly ApkPackage[] | null> {
  const url = `${repository}/APKINDEX.tar.gz`;
  const bytes = await fetcher.bytes(url);
  if (bytes === null) return null;
  const files = await openIndex(bytes, keys, url);
  return parseApkIndex(files.get('APKINDEX')?.toString('utf8') ?? '', repository);
}

/** Its files, a compressed tar, once it is checked; the package is kept as apk keeps it. */
async function packageData(fetcher: Fetcher, each: ApkPackage, folder: string): Promise<Buffer> {
  const short = Buffer.from(each.checksum.slice(2), 'base64').subarray(0, 4).toString('hex');
  const file = join(folder, `${each.name}-${each.version}.${short}.apk`);
  if (existsSync(file)) {
    try {
      return await checkedData(readFileSync(file), each.checksum, file);
    } catch {
      // Broken by whatever: it is downloaded again.
    }
  }
  tell(`Downloading ${each.name} ${each.version}`);
  const bytes = await fetcher.bytes(each.url);
  if (bytes === null) throw new Error(`${each.url}: the mirror lacks it; it may be updating, try again later`);
  const data = await checkedData(bytes, each.checksum, each.url);
  const part = partName(file);
  writeFileSync(part, bytes);
  renameSync(part, file);
  return data;
}

/** Alpine's name of this machine's architecture. */
function alpineArchitecture(): string {
  const names: Readonly<Record<string, string>> = {
    x64: 'x86_64',
    ia32: 'x86',
    arm64: 'aarch64',
    arm: 'armv7',
    ppc64: 'ppc64le',
    s390x: 's390x',
    riscv64: 'riscv64',
    loong64: 'loongarch64',
  };
  const own = names[process.arch];
  if (own === undefined) throw new Error(`Alpine has no packages for this machine (${process.arch})`);
  return own;
}

function tell(message: string): void {
  process.stderr.write(`${message}\n`);
}
