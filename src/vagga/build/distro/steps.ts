import type { Step } from '../../config/steps.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { addAlpineRepository, startAlpine } from './alpine/alpine.ts';
import { startDebian } from './apt/debian.ts';
import { addOfficial, addPpa, addRepository, trustKeys } from './apt/repositories.ts';
import { startUbuntu, startUbuntuRelease } from './apt/ubuntu.ts';
import type { AptDistribution } from './distribution.ts';
import { addPackages, distributionOf } from './packages.ts';

const distributionTags = [
  ...(['Alpine', 'AlpineRepo', 'Ubuntu', 'UbuntuRelease', 'UbuntuRepo', 'UbuntuPPA', 'UbuntuUniverse'] as const),
  ...(['AptTrust', 'Repo', 'Install', 'BuildDeps', 'Debian'] as const),
] as const;

export type DistributionStep = Extract<Step, { readonly tag: (typeof distributionTags)[number] }>;

export const isDistributionStep = (step: Step): step is DistributionStep =>
  (distributionTags as readonly string[]).includes(step.tag);

/** Does a step that selects a distribution or asks something of it. */
export async function executeDistributionStep(
  job: BuildJob,
  state: BuildState,
  step: DistributionStep,
): Promise<BuildState> {
  switch (step.tag) {
    case 'Debian':
      return startDebian(job, withoutOther(job, state), step.value);
    case 'Ubuntu':
      return startUbuntu(job, withoutOther(job, state), step.value);
    case 'UbuntuRelease':
      return startUbuntuRelease(job, withoutOther(job, state), step.value);
    case 'Alpine':
      return startAlpine(job, withoutOther(job, state), step.value);
    case 'UbuntuRepo':
      return addRepository(job, state, aptOf(job, state), step.value);
    case 'UbuntuPPA':
      return addPpa(job, state, aptOf(job, state), step.value);
    case 'UbuntuUniverse':
      return addOfficial(job, state, aptOf(job, state), 'universe');
    case 'AptTrust':
      return trustKeys(job, state, aptOf(job, state), step.value);
    case 'AlpineRepo': {
      const distro = distributionOf(job, state);
      if (distro?.kind !== 'alpine')
        throw new Error('the container is not of Alpine; put !Alpine v3.22 before this step');
      return addAlpineRepository(job, state, distro, step.value);
    }
    case 'Repo': {
      const distro = distributionOf(job, state);
      if (distro?.kind !== 'alpine') return addOfficial(job, state, aptOf(job, state), step.value);
      const [first = '', second] = step.value.split('/');
      const [branch, repo] = second === undefined ? [null, first] : [first, second];
      return addAlpineRepository(job, state, distro, { url: null, branch, repo, tag: null });
    }
    case 'Install':
      return addPackages(job, state, { debian: step.value, alpine: step.value }, { keep: true });
    case 'BuildDeps':
      return addPackages(job, state, { debian: step.value, alpine: step.value }, { keep: false });
    default:
      return step satisfies never;
  }
}

function withoutOther(job: BuildJob, state: BuildState): BuildState {
  const distro = distributionOf(job, state);
  if (distro !== null) throw new Error(`the container is of ${distro.kind} already; a container has one distribution`);
  return state;
}

function aptOf(job: BuildJob, state: BuildState): AptDistribution {
  const distro = distributionOf(job, state);
  if (distro === null || distro.kind === 'alpine') {
    const found = distro === null ? 'no distribution is selected' : 'the container is of Alpine';
    throw new Error(`${found}; put !Debian bookworm or !Ubuntu noble before this step`);
  }
  return distro;
}
