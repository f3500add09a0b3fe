/**
 * The builder: a process of its own that is root of the container's user namespace, with the host's files in sight. It
 * fills the root of the job (v8.serialize of a BuildJob on stdin) and ends with 0, or with 1 and what went wrong on stderr.
 * Its descriptor 3 takes events.
 */
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { layeredStage } from '../layers/stage.ts';
import { finishDistribution } from './distro/packages.ts';
import { executeStep } from './execute.ts';
import { finishRoot } from './finish.ts';
import type { BuildJob } from './job.ts';
import { writeLanguageLists } from './languages/lists.ts';
import { checkLanguageSteps } from './languages/steps.ts';
import { eventsFd } from './progress.ts';
import { report, reportTo } from './report.ts';
import { plainStage, type Stage } from './stage.ts';
import { stepTitle } from './step-title.ts';
import { timings } from './timings.ts';

async function build(job: BuildJob): Promise<void> {
  process.umask(0o022);
  reportTo(eventsFd);
  checkLanguageSteps(job.container.setup);
  const timing = timings(job.root);
  const stage = await openStage(job);
  try {
    let { state } = stage;
    const { setup } = job.container;
    for (const [index, step] of setup.entries()) {
      if (index < stage.done) continue;
      report({ kind: 'step', number: index + 1, of: setup.length, title: stepTitle(step) });
      try {
        state = await stage.step(index, state, (now) => executeStep(now, state, step));
        timing.mark(`Step ${index + 1}: !${step.tag}`);
      } catch (error) {
        throw new Error(`step ${index + 1} of ${setup.length}, !${step.tag}: ${(error as Error).message}`);
      }
    }
    await stage.finish(state, async () => {
      await writeLanguageLists(job, state);
      await finishDistribution(job, state);
      finishRoot(job, state);
    });
    timing.mark('Finish');
  } finally {
    stage.close();
  }
}

async function openStage(job: BuildJob): Promise<Stage> {
  const stage = job.layers === null ? null : await layeredStage(job, job.layers);
  if (stage === null) return plainStage(job);
  const of = job.container.setup.length;
  if (stage.done > 0) process.stderr.write(`Steps 1 to ${stage.done} of ${of} are kept from an earlier build\n`);
  return stage;
}

try {
  await build(deserialize(readFileSync(0)) as BuildJob);
} catch (error) {
  process.stderr.write(`ERROR: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
