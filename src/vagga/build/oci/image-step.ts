import { readDevcontainer } from '../../config/devcontainer.ts';
import type { StepOf } from '../../config/steps.ts';
import { pinnedImage, updateHint } from '../../lock/pinned.ts';
import { hostFiles } from '../host-files.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { variablesOf, withImageVariables } from './image-environment.ts';
import { unpackImage } from './unpack-image.ts';

export async function imageStep(job: BuildJob, state: BuildState, step: StepOf<'OciImage'>): Promise<BuildState> {
  const config = await unpackImage(job, job.root, step.image, step.platform, tell).catch((error: Error) => {
    throw isLocked(job, step.image) ? new Error(`${error.message}${updateHint}`) : error;
  });
  hostFiles(job.root, job.container);
  return withImageVariables(job, state, variablesOf(config));
}

export async function devcontainerStep(
  job: BuildJob,
  state: BuildState,
  path: StepOf<'Devcontainer'>,
): Promise<BuildState> {
  const read = readDevcontainer(job.project, path);
  if (read.kind !== 'read') throw new Error(read.reason);
  for (const warning of read.warnings) tell(`WARNING: ${warning}`);
  const image = pinnedImage(job.lock, read.image, null);
  const next = await imageStep(job, state, { image, platform: null });
  return withImageVariables(job, next, read.containerEnv);
}

/** Whether the digest of the image is the lock's. */
const isLocked = ({ lock }: BuildJob, image: string): boolean =>
  [...lock.images.values()].some(({ digest }) => image.endsWith(`@sha256:${digest}`));

function tell(message: string): void {
  process.stderr.write(`${message}\n`);
}
