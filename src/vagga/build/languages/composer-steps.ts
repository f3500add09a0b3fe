import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StepOf } from '../../config/steps.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { ensureFolder } from '../root-path.ts';
import {
  composerInstall,
  composerNeeds,
  composerProblem,
  composerRequire,
  composerSurroundings,
  composerWords,
  includePath,
} from './composer.ts';
import { capture, insideProject, onHost, programInside, provide, run, used, withoutNewLock } from './workshop.ts';

/** !ComposerInstall */
export async function composerPackages(
  job: BuildJob,
  before: BuildState,
  packages: readonly string[],
): Promise<BuildState> {
  const state = await withComposer(job, before, false);
  if (packages.length === 0) return state;
  const { composer } = state.languages.settings;
  await run(job, state, composerSurroundings(composer), composerRequire(composerInside(job, state), packages));
  return used(state, 'composer');
}

/** !ComposerDependencies */
export async function composerDependenciesStep(
  job: BuildJob,
  before: BuildState,
  step: StepOf<'ComposerDependencies'>,
): Promise<BuildState> {
  const problem = composerProblem(step);
  if (problem !== null) throw new Error(problem);
  const folder = insideProject(step.workingDir ?? '.');
  const state = await withComposer(job, before, step.prefer !== 'dist');
  const { composer } = state.languages.settings;
  await withoutNewLock(onHost(job, `${folder}/composer.lock`), () =>
    run(job, state, composerSurroundings(composer), composerInstall(composerInside(job, state), step), { cwd: folder }),
  );
  return used(state, 'composer');
}

/** With PHP and composer, and PHP told where libraries are. */
async function withComposer(job: BuildJob, before: BuildState, sources: boolean): Promise<BuildState> {
  const { composer } = before.languages.settings;
  const state = await provide(job, before, composerNeeds(composer, sources));
  const php = composer.runtimeExe ?? 'php';
  const plain = { env: {}, caches: new Map<string, string>() };
  const folder = (await capture(job, state, plain, [php, '-r', 'echo PHP_CONFIG_FILE_SCAN_DIR;'])).trim();
  if (folder !== '') {
    writeFileSync(join(ensureFolder(job.root, folder), '99-vagga.ini'), `include_path = "${includePath(composer)}"\n`);
  }
  return state;
}

/** How composer is started inside. */
function composerInside(job: BuildJob, state: BuildState): readonly string[] {
  const place = programInside(job, state, 'composer');
  if (place === null) {
    throw new Error('composer: no such program in the container; put one into /usr/local/bin by a step before');
  }
  return composerWords(state.languages.settings.composer, place);
}
