import { existsSync, readFileSync } from 'node:fs';
import type { StepOf } from '../../../config/steps.ts';
import type { BuildJob, BuildState } from '../../job.ts';
import { osRelease } from '../os-release.ts';
import { tell } from './apt.ts';
import { bootstrap, type Variant, variants } from './bootstrap.ts';
import { writeAptConfig } from './config.ts';
import { sourcesOf, writeSources } from './repositories.ts';
import { type Archive, hostArchive } from './sources.ts';
import { debianArchitecture, debianArchive, debianSuites } from './suites.ts';

/** !Debian: a root of Debian's packages. */
export async function startDebian(job: BuildJob, state: BuildState, step: StepOf<'Debian'>): Promise<BuildState> {
  const variant = variants.find((each) => each === step.variant);
  if (variant === undefined) throw new Error(`variant ${step.variant}: expected ${variants.join(', ')}`);
  const codename = codenameOf(step.codename);
  const archive = debianArchiveOf(job, step.url);
  const { state: now, suites } = await bootstrap(job, state, {
    ...{ kind: 'debian', codename, variant: variant satisfies Variant, components: step.components },
    architecture: step.arch ?? ownArchitecture(),
    suites: debianSuites(codename, archive),
  });
  if (suites.length === 1 && !['sid', 'unstable'].includes(codename)) {
    tell(`WARNING: ${archive.mirror} has no updates of ${codename}`);
  }
  writeSources(job.root, suites, step.components);
  writeAptConfig(job.root);
  return now;
}

export function ownArchitecture(): string {
  const own = debianArchitecture(process.arch);
  if (own === null) throw new Error(`Debian has no name for this machine (${process.arch}); name one: arch`);
  return own;
}

/** A name becomes part of addresses and of paths. */
export function codenameOf(name: string): string {
  if (!/^[a-z][a-z0-9-]*$/.test(name))
    throw new Error(`"${name}": expected the codename of a release, as bookworm or noble`);
  return name;
}

/** The step's, the setting's, that of the host itself if it is Debian, or the public one. */
function debianArchiveOf(job: BuildJob, url: string | null): Archive {
  const asked = url ?? job.mirrors.debian;
  if (asked !== null) return { mirror: asked.replace(/\/+$/, ''), security: null };
  if (existsSync('/etc/os-release')) {
    const host = osRelease(readFileSync('/etc/os-release', 'utf8'));
    const own = host.get('ID') === 'debian' ? hostArchive(sourcesOf('/'), host.get('VERSION_CODENAME') ?? 'sid') : null;
    if (own !== null) return own;
  }
  return debianArchive;
}
