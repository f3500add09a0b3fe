import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Step } from '../config/steps.ts';
import { cacheDirs } from './cache-dirs.ts';
import { detectDistribution } from './distro/distribution.ts';
import { withDistribution } from './distro/packages.ts';
import type { BuildJob, BuildState } from './job.ts';
import { withSettings } from './languages/steps.ts';
import { imageVariables, withImageVariables } from './oci/image-environment.ts';
import { subConfig } from './sub-config.ts';

/** Copies the built root of another container, with owners, modes, times and hard links; blocks shared where they can be. */
export async function takeRoot(job: BuildJob, name: string): Promise<void> {
  const built = job.built.get(name);
  if (built === undefined) throw new Error(`container ${name} is not built`);
  await new Promise<void>((resolve, reject) => {
    const words = ['-a', '--reflink=auto', '--', `${join(built, 'root')}/.`, job.root];
    const child = spawn('cp', words, { stdio: ['ignore', 2, 2] });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`copying container ${name} ended with exit code ${code}`)),
    );
  });
}

/** What the steps of that container, and of those that it stands on, set for later steps and for the end. */
export function inherit(job: BuildJob, state: BuildState, name: string): BuildState {
  const container = job.containers.get(name);
  if (container === undefined) throw new Error(`there is no container ${name}`);
  // Of whichever of its steps is an image.
  const built = job.built.get(name);
  const begun = built === undefined ? state : withImageVariables(job, state, imageVariables(built));
  return inheritSteps(job, begun, container.setup);
}

function inheritSteps(job: BuildJob, state: BuildState, setup: readonly Step[]): BuildState {
  let now = state;
  for (const step of setup) {
    switch (step.tag) {
      case 'Container':
        now = inherit(job, now, step.value);
        break;
      case 'SubConfig': {
        const inner = subConfig(job, step.value);
        now = inheritSteps(inner.job, now, inner.setup);
        break;
      }
      case 'Env':
        now = { ...now, env: new Map([...now.env, ...step.value]) };
        break;
      case 'Remove':
        now = { ...now, atEnd: [...now.atEnd, { kind: 'remove', path: step.value }] };
        break;
      case 'EmptyDir':
        now = { ...now, atEnd: [...now.atEnd, { kind: 'empty', path: step.value }] };
        break;
      case 'EnsureDir':
        now = { ...now, atEnd: [...now.atEnd, { kind: 'ensure', path: step.value }] };
        break;
      case 'CacheDirs':
        now = cacheDirs(job, now, step.value);
        break;
      default: // it has done its work, which was copied; only settings are for later steps
        now = withSettings(now, step);
    }
  }
  return withDistribution(job, now, detectDistribution(job.root));
}
