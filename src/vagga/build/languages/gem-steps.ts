import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StepOf } from '../../config/steps.ts';
import { readProjectFile } from '../../version/project-file.ts';
import type { BuildJob, BuildState } from '../job.ts';
import type { Surroundings } from './ecosystem.ts';
import {
  bundleInstall,
  bundleVariables,
  gemBundleProblem,
  gemInstall,
  gemNeeds,
  gemSurroundings,
  gemUpdate,
} from './gem.ts';
import { capture, insideProject, onHost, programInside, provide, run, used, withoutNewLock } from './workshop.ts';

const plain: Surroundings = { env: {}, caches: new Map() };

/** !GemInstall */
export async function gemPackages(job: BuildJob, before: BuildState, packages: readonly string[]): Promise<BuildState> {
  const { gem } = before.languages.settings;
  const state = await provide(job, before, gemNeeds(gem, 'gem', ''));
  if (packages.length === 0) return state;
  const around = await readyGem(job, state);
  await run(job, state, around, gemInstall(gem, packages));
  return used(state, 'gem');
}

/** !GemBundle */
export async function gemBundleStep(job: BuildJob, before: BuildState, step: StepOf<'GemBundle'>): Promise<BuildState> {
  const problem = gemBundleProblem(step);
  if (problem !== null) throw new Error(problem);
  const file = readProjectFile(job.project, step.gemfile);
  if (file.kind === 'unreadable') throw new Error(file.message);
  if (file.kind === 'absent') throw new Error(`${step.gemfile} does not exist`);
  const { gem } = before.languages.settings;
  const state = await provide(job, before, gemNeeds(gem, 'bundle', file.bytes.toString('utf8')));
  const around = await readyGem(job, state);
  if (programInside(job, state, 'bundle') === null) await run(job, state, around, gemInstall(gem, ['bundler']));
  const gemfile = insideProject(step.gemfile);
  const lock = onHost(job, `${dirname(gemfile)}/Gemfile.lock`);
  const env = { ...around.env, ...bundleVariables(gemfile, step, existsSync(lock)) };
  await withoutNewLock(lock, () => run(job, state, { ...around, env }, bundleInstall(step), { cwd: dirname(gemfile) }));
  return used(state, 'gem');
}

/** With a gem that is new enough; what its programs run with. */
async function readyGem(job: BuildJob, state: BuildState): Promise<Surroundings> {
  const { gem } = state.languages.settings;
  const folder = await capture(job, state, plain, [gem.gemExe, 'env', 'gemdir']);
  const around = gemSurroundings(folder.trim());
  const update = gemUpdate(gem, await capture(job, state, plain, [gem.gemExe, '--version']));
  if (update !== null) await run(job, state, around, update);
  return around;
}
