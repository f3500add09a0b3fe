/**
 * The builder: a process of its own that is root of the container's user namespace, with the host's files in sight. It
 * fills the root of the job (v8.serialize of a BuildJob on stdin) and ends with 0, or with 1 and what went wrong on stderr.
 */
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { finishDistribution } from './distro/packages.ts';
import { executeStep } from './execute.ts';
import { finishRoot, makeRoot } from './finish.ts';
import { hostFiles } from './host-files.ts';
import { type BuildJob, initialState } from './job.ts';
import { writeLanguageLists } from './languages/lists.ts';
import { checkLanguageSteps } from './languages/steps.ts';

async function build(job: BuildJob): Promise<void> {
  process.umask(0o022);
  checkLanguageSteps(job.container.setup);
  makeRoot(job.root);
  hostFiles(job.root, job.container);
  let state = initialState;
  const { setup } = job.container;
  for (const [index, step] of setup.entries()) {
    try {
      state = await executeStep(job, state, step);
    } catch (error) {
      throw new Error(`step ${index + 1} of ${setup.length}, !${step.tag}: ${(error as Error).message}`);
    }
  }
  await writeLanguageLists(job, state);
  await finishDistribution(job, state);
  finishRoot(job, state);
}

try {
  await build(deserialize(readFileSync(0)) as BuildJob);
} catch (error) {
  process.stderr.write(`ERROR: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
