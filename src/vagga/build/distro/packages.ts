/**
 * Packages of the distribution, for steps that need some:
 *
 *     state = await addPackages(job, state, { debian: ['python3-venv'], alpine: ['python3', 'py3-pip'] }, { keep: true });
 *
 * installs them now, whichever distribution the root has. With `keep: false` they are build-deps: gone at the end of this
 * build, unless a step asked to keep them or something that is kept needs them. Throws with what to do where the root has no
 * distribution that is known; `distributionOf` tells which it has, `ensureDistribution` gives it one (vagga 3: language
 * steps without a distribution stand on Alpine).
 */
import type { BuildJob, BuildState } from '../job.ts';
import { addAlpinePackages, finishAlpine, startAlpine } from './alpine/alpine.ts';
import { addAptPackages, finishApt, withApt } from './apt/apt.ts';
import { type Distribution, detectDistribution } from './distribution.ts';

export interface PackageNames {
  /** Of Debian, and of Ubuntu where it has no list of its own. */
  readonly debian: readonly string[];
  readonly ubuntu?: readonly string[];
  readonly alpine: readonly string[];
}

/** Of language steps in a root without a distribution. */
const implicitAlpine = 'v3.22';

export async function addPackages(
  job: BuildJob,
  state: BuildState,
  names: PackageNames,
  { keep }: { readonly keep: boolean },
): Promise<BuildState> {
  const distro = distributionOf(job, state);
  switch (distro?.kind) {
    case undefined:
      throw new Error(
        'no distribution is selected; put one before this step: !Debian bookworm, !Ubuntu noble or !Alpine v3.22',
      );
    case 'debian':
    case 'ubuntu': {
      const packages = distro.kind === 'ubuntu' ? (names.ubuntu ?? names.debian) : names.debian;
      return addAptPackages(job, state, distro, packages, keep);
    }
    case 'alpine':
      return addAlpinePackages(job, state, distro, names.alpine, keep);
    default:
      return distro satisfies never;
  }
}

/** That a step selected, or else the one whose files the root has. */
export function distributionOf(job: BuildJob, state: BuildState): Distribution | null {
  return state.distro ?? detectDistribution(job.root);
}

/** The state with a distribution that the root has already; caches of its tools are mounted for what follows. */
export function withDistribution(job: BuildJob, state: BuildState, distro: Distribution | null): BuildState {
  return distro === null || distro.kind === 'alpine' ? { ...state, distro } : withApt(job, state, distro);
}

/** The state with a distribution: what the root has, or a new Alpine. */
export async function ensureDistribution(job: BuildJob, state: BuildState): Promise<BuildState> {
  const distro = distributionOf(job, state);
  return distro === null ? startAlpine(job, state, implicitAlpine) : withDistribution(job, state, distro);
}

/** At the end of a build, before the root is tidied: removes build-deps, writes the list of packages beside the root. */
export async function finishDistribution(job: BuildJob, state: BuildState): Promise<void> {
  const { distro } = state;
  switch (distro?.kind) {
    case undefined:
      return;
    case 'debian':
    case 'ubuntu':
      return finishApt(job, state, distro);
    case 'alpine':
      return finishAlpine(job, state, distro);
    default:
      return distro satisfies never;
  }
}
