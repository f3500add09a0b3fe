import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StepOf } from '../../../config/steps.ts';
import { sourceFile } from '../../download.ts';
import { openFetcher } from '../../fetch.ts';
import { hostFiles } from '../../host-files.ts';
import type { BuildJob, BuildState } from '../../job.ts';
import { runInRoot, runSilently } from '../../program.ts';
import { pathInRoot } from '../../root-path.ts';
import { decompressed } from '../../tar.ts';
import { type AptDistribution, detectDistribution } from '../distribution.ts';
import { unpackOwned } from '../unpack-owned.ts';
import { addAptPackages, tell, withApt } from './apt.ts';
import { bootstrap, denyServices } from './bootstrap.ts';
import { writeAptConfig } from './config.ts';
import { codenameOf, ownArchitecture } from './debian.ts';
import { writeSources } from './repositories.ts';
import { ubuntuCodenames, ubuntuMirrorOf, ubuntuSuites } from './suites.ts';

const components = ['main'];

/** !Ubuntu: as !UbuntuRelease with its defaults, for this machine. */
export const startUbuntu = (job: BuildJob, state: BuildState, codename: string): Promise<BuildState> =>
  startUbuntuRelease(job, state, {
    ...{ codename, url: null, version: null, arch: ownArchitecture() },
    ...{ keepChfnCommand: false, eatmydata: true },
  });

/** !UbuntuRelease: a root of Ubuntu's packages, or of the archive at an address. */
export async function startUbuntuRelease(
  job: BuildJob,
  before: BuildState,
  step: StepOf<'UbuntuRelease'>,
): Promise<BuildState> {
  const started = step.url === null ? await fromMirror(job, before, step) : await fromArchive(job, before, step.url);
  denyServices(job.root);
  writeAptConfig(job.root);
  if (!step.eatmydata) rmSync(join(job.root, 'etc/dpkg/dpkg.cfg.d/vagga'), { force: true });
  const state = await withLocales(job, started);
  if (!step.keepChfnCommand) await withoutChfn(job, state);
  return state;
}

async function fromMirror(job: BuildJob, before: BuildState, step: StepOf<'UbuntuRelease'>): Promise<BuildState> {
  const name = step.codename ?? (step.version === null ? undefined : ubuntuCodenames.get(step.version));
  if (name === undefined) {
    const known = [...ubuntuCodenames.keys()].join(', ');
    throw new Error(
      step.version === null ? 'expected codename, or url' : `version ${step.version}: known are ${known}`,
    );
  }
  const codename = codenameOf(name);
  const mirror = await resolvedMirror(job, job.mirrors.ubuntu ?? ubuntuMirrorOf(step.arch));
  const { state, suites } = await bootstrap(job, before, {
    ...{ kind: 'ubuntu', codename, architecture: step.arch, components, variant: 'minbase' },
    suites: ubuntuSuites(codename, mirror),
  });
  writeSources(job.root, suites, components);
  return state;
}

/** Such an image has its sources. */
async function fromArchive(job: BuildJob, before: BuildState, url: string): Promise<BuildState> {
  const file = await sourceFile(job, url, null);
  tell(`Unpacking ${url}`);
  const { stream, ended } = await decompressed(file);
  await unpackOwned(stream, job.root, (path) => path === 'dev' || path.startsWith('dev/'));
  await ended;
  hostFiles(job.root, job.container);
  const distro = detectDistribution(job.root);
  if (distro === null || distro.kind === 'alpine') throw new Error(`${url}: no root of Ubuntu`);
  return withApt(job, before, distro);
}

/** `mirror://HOST/FILE` is a list of mirrors at http://HOST/FILE, the best first. */
async function resolvedMirror(job: BuildJob, setting: string): Promise<string> {
  if (!setting.startsWith('mirror://')) return setting.replace(/\/+$/, '');
  const url = setting.replace(/^mirror:/, 'http:');
  const fetcher = openFetcher(job.environment);
  try {
    const list = (await fetcher.bytes(url))?.toString('utf8') ?? '';
    const first = /^https?:\/\/\S+/m.exec(list)?.[0];
    if (first === undefined) throw new Error(`${url}: no mirror in the list`);
    return first.replace(/\/+$/, '');
  } finally {
    await fetcher.close();
  }
}

/** Programs of Ubuntu expect a locale of UTF-8. */
async function withLocales(job: BuildJob, state: BuildState): Promise<BuildState> {
  const distro = state.distro as AptDistribution;
  const now = await addAptPackages(job, state, distro, ['locales'], true);
  const file = pathInRoot(job.root, '/etc/locale.gen'); // where it is looked for depends on the release
  const line = 'en_US.UTF-8 UTF-8\n';
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (!before.split('\n').includes(line.trim())) writeFileSync(file, before.replace(/([^\n])$/, '$1\n') + line);
  await runSilently(job, now, ['locale-gen', 'en_US.UTF-8']);
  return now;
}

/** Scripts that make users call it; it cannot do its work in a user namespace. */
async function withoutChfn(job: BuildJob, state: BuildState): Promise<void> {
  if (!existsSync(pathInRoot(job.root, '/usr/bin/chfn'))) return;
  await runSilently(job, state, ['dpkg-divert', '--local', '--rename', '--add', '/usr/bin/chfn']);
  await runInRoot(job, state, ['ln', '-s', '/bin/true', '/usr/bin/chfn']);
}
