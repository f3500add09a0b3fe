import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { StepOf } from '../../../config/steps.ts';
import { openFetcher } from '../../fetch.ts';
import type { BuildJob, BuildState } from '../../job.ts';
import { ensureFolder, pathInRoot } from '../../root-path.ts';
import type { AptDistribution } from '../distribution.ts';
import { addAptPackages } from './apt.ts';
import { fetchKey, ubuntuKeyServer } from './key-server.ts';
import { type AptSource, parseSourcesFile, parseSourcesList } from './sources.ts';
import type { Suite } from './suites.ts';

// Repositories of a root: files of /etc/apt, which is also where it is read what there is already.

const launchpad = { api: 'https://api.launchpad.net/1.0', archives: 'http://ppa.launchpadcontent.net' };

/** All sources of a root, or with `/` of the host. */
export function sourcesOf(root: string): readonly AptSource[] {
  const read = (path: string): string => {
    const file = pathInRoot(root, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  const folder = '/etc/apt/sources.list.d';
  const place = pathInRoot(root, folder);
  const names = existsSync(place) ? readdirSync(place).sort() : [];
  return [
    ...parseSourcesList(read('/etc/apt/sources.list')),
    ...names.flatMap((name) => {
      if (name.endsWith('.list')) return parseSourcesList(read(`${folder}/${name}`));
      return name.endsWith('.sources') ? parseSourcesFile(read(`${folder}/${name}`)) : [];
    }),
  ];
}

/** The sources.list of a new root. */
export function writeSources(root: string, suites: readonly Suite[], components: readonly string[]): void {
  const lines = suites.map(({ mirror, suite }) => `deb ${mirror} ${suite} ${components.join(' ')}\n`);
  writeFileSync(join(ensureFolder(root, '/etc/apt'), 'sources.list'), lines.join(''));
}

/** The distribution's own: its suites with the security updates, and how they are trusted. */
function officialSources(root: string, { codename }: AptDistribution): readonly AptSource[] {
  const own = sourcesOf(root).filter(
    ({ suites, components }) =>
      components.includes('main') && suites.some((suite) => suite === codename || suite.startsWith(`${codename}-`)),
  );
  if (own.length === 0) throw new Error(`/etc/apt of the container names no mirror of ${codename}`);
  return own;
}

/** `lines` of sources.list for the next update. Of the same name: written anew. */
function addLines(root: string, name: string, lines: readonly string[]): void {
  const folder = ensureFolder(root, '/etc/apt/sources.list.d');
  const file = join(folder, `vagga-${name.replace(/[^A-Za-z0-9._-]+/g, '-')}.list`);
  const before = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const all = [...new Set([...before.filter((line) => line !== ''), ...lines])];
  writeFileSync(file, `${all.join('\n')}\n`, { mode: 0o644 });
}

const outdated = (state: BuildState, distro: AptDistribution): BuildState => ({
  ...state,
  distro: { ...distro, updated: false },
});

/** !Repo: `COMPONENT` of every suite of the distribution, or `SUITE/COMPONENT`. */
export function addOfficial(job: BuildJob, state: BuildState, distro: AptDistribution, repo: string): BuildState {
  const [first = '', second] = repo.split('/');
  const component = second ?? first;
  if (component === '' || first === '') throw new Error(`"${repo}": expected REPO or SUITE/REPO`);
  const own = officialSources(job.root, distro);
  const line = ({ options }: AptSource, uri: string, suite: string): string => {
    const keyring = options.get('signed-by');
    const signed = keyring !== undefined && /^\/\S+$/.test(keyring) ? ` [signed-by=${keyring}]` : '';
    return `deb${signed} ${uri} ${suite} ${component}`;
  };
  if (second === undefined) {
    const all = own.filter(({ components }) => !components.includes(component));
    addLines(
      job.root,
      `repo-${component}`,
      all.flatMap((source) => source.suites.flatMap((suite) => source.uris.map((uri) => line(source, uri, suite)))),
    );
    return outdated(state, distro);
  }
  const kindOf = (suite: string): boolean => /-security$|\/updates$/.test(suite);
  const like = own.find(({ suites }) => suites.some((suite) => kindOf(suite) === kindOf(first))) ?? own[0];
  const uri = like?.uris[0];
  if (like !== undefined && uri !== undefined) addLines(job.root, `repo-${first}`, [line(like, uri, first)]);
  return outdated(state, distro);
}

export async function addRepository(
  job: BuildJob,
  before: BuildState,
  distro: AptDistribution,
  { url, suite, components, trusted }: StepOf<'UbuntuRepo'>,
): Promise<BuildState> {
  const uri = url ?? officialSources(job.root, distro)[0]?.uris[0] ?? '';
  const where = suite ?? distro.codename;
  let state = before;
  if (uri.startsWith('https:')) state = await addAptPackages(job, state, distro, httpsPackages(distro.codename), true);
  const line = `deb${trusted ? ' [trusted=yes]' : ''} ${uri} ${where} ${components.join(' ')}`.trimEnd();
  addLines(job.root, `repo-${uri.replace(/^\w+:\/*/, '')}`, [line]);
  return outdated(state, (state.distro as AptDistribution | null) ?? distro);
}

/** What apt needs to reach a repository by https. */
const httpsPackages = (codename: string): readonly string[] =>
  ['wheezy', 'jessie', 'stretch', 'precise', 'trusty', 'xenial'].includes(codename)
    ? ['apt-transport-https', 'ca-certificates']
    : ['ca-certificates'];

export async function addPpa(
  job: BuildJob,
  state: BuildState,
  distro: AptDistribution,
  name: string,
): Promise<BuildState> {
  if (distro.kind !== 'ubuntu') throw new Error(`${name}: a PPA has packages for Ubuntu, this container is of Debian`);
  const [, owner, archive] = /^(?:ppa:)?([a-z0-9][a-z0-9.+-]*)\/([a-z0-9][a-z0-9.+-]*)$/.exec(name) ?? [];
  if (owner === undefined || archive === undefined) throw new Error(`"${name}": expected OWNER/NAME of a PPA`);
  const fetcher = openFetcher(job.environment);
  try {
    const url = `${launchpad.api}/~${owner}/+archive/ubuntu/${archive}`;
    const answer = await fetcher.bytes(url);
    if (answer === null) throw new Error(`Launchpad has no PPA ${owner}/${archive}`);
    const fingerprint = signingKey(answer, url);
    const keyring = `/etc/apt/keyrings/vagga-ppa-${owner}-${archive}.gpg`;
    writeKeyring(job.root, keyring, await fetchKey(fetcher, ubuntuKeyServer, fingerprint));
    const repository = `${launchpad.archives}/${owner}/${archive}/ubuntu`;
    addLines(job.root, `ppa-${owner}-${archive}`, [`deb [signed-by=${keyring}] ${repository} ${distro.codename} main`]);
  } finally {
    await fetcher.close();
  }
  return outdated(state, distro);
}

function signingKey(answer: Buffer, url: string): string {
  let fields: { readonly signing_key_fingerprint?: unknown };
  try {
    fields = JSON.parse(answer.toString('utf8')) as typeof fields;
  } catch {
    throw new Error(`${url}: the answer is not JSON`);
  }
  const fingerprint = fields.signing_key_fingerprint;
  if (typeof fingerprint !== 'string' || fingerprint === '') throw new Error(`${url}: the PPA has no signing key yet`);
  return fingerprint;
}

/** !AptTrust: keys that apt of this root trusts from now on, whatever repository they sign. */
export async function trustKeys(
  job: BuildJob,
  state: BuildState,
  distro: AptDistribution,
  { server, keys }: StepOf<'AptTrust'>,
): Promise<BuildState> {
  const fetcher = openFetcher(job.environment);
  try {
    for (const key of keys) {
      const keyring = await fetchKey(fetcher, server ?? ubuntuKeyServer, key);
      writeKeyring(job.root, `/etc/apt/trusted.gpg.d/vagga-${key.replace(/[^0-9A-Za-z]/g, '')}.gpg`, keyring);
    }
  } finally {
    await fetcher.close();
  }
  return outdated(state, distro);
}

function writeKeyring(root: string, path: string, keyring: Buffer): void {
  const file = join(ensureFolder(root, path.slice(0, path.lastIndexOf('/'))), basename(path));
  writeFileSync(file, keyring);
  chmodSync(file, 0o644);
}
