import { lstatSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StepOf } from '../../config/steps.ts';
import { npmDependencyList } from '../../version/node-packages.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { ensureFolder, pathInRoot } from '../root-path.ts';
import {
  dependencySpecs,
  isDefaultYarn,
  modulesFolder,
  npmInstall,
  npmNeeds,
  npmSurroundings,
  programLink,
  yarnInstall,
  yarnPackage,
  yarnSurroundings,
} from './npm.ts';
import { insideProject, programInside, provide, run, used, warn } from './workshop.ts';

/** !NpmInstall */
export const npmPackages = (job: BuildJob, state: BuildState, specs: readonly string[]): Promise<BuildState> =>
  install(job, state, specs, '/work');

/** !NpmDependencies */
export function npmDependenciesStep(
  job: BuildJob,
  state: BuildState,
  step: StepOf<'NpmDependencies'>,
): Promise<BuildState> {
  const dependencies = npmDependencyList(job.project, step);
  if ('kind' in dependencies) throw new Error(dependencies.reason);
  // Folders that a package.json names are relative to it.
  return install(job, state, dependencySpecs(dependencies), dirname(insideProject(step.file)));
}

async function install(
  job: BuildJob,
  before: BuildState,
  specs: readonly string[],
  folder: string,
): Promise<BuildState> {
  const { npm } = before.languages.settings;
  const state = await provide(job, before, npmNeeds(npm, specs));
  if (specs.length === 0) return state;
  ensureFolder(job.root, modulesFolder);
  await run(job, state, npmSurroundings, npmInstall(npm, specs), { cwd: folder });
  return used(state, 'npm');
}

/** !YarnDependencies */
export async function yarnDependenciesStep(
  job: BuildJob,
  before: BuildState,
  step: StepOf<'YarnDependencies'>,
): Promise<BuildState> {
  const { npm } = before.languages.settings;
  let state = await provide(job, before, npmNeeds(npm, []));
  if (npm.installYarn && isDefaultYarn(npm) && programInside(job, state, npm.yarnExe) === null) {
    state = await install(job, state, [yarnPackage(npm)], '/work');
  }
  await run(job, state, yarnSurroundings, yarnInstall(npm, step), { cwd: insideProject(step.dir) });
  linkPrograms(job);
  return used(state, 'npm');
}

/** The programs of all packages come into /usr/bin; what the distribution has there stays. */
function linkPrograms(job: BuildJob): void {
  const folder = pathInRoot(job.root, `${modulesFolder}/.bin`);
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const name of readdirSync(folder)) {
    const { path, to } = programLink(name);
    const place = pathInRoot(job.root, path, false);
    const there = lstatSync(place, { throwIfNoEntry: false });
    if (there !== undefined) {
      if (!there.isSymbolicLink() || readlinkSync(place) !== to) {
        warn(`${path} is there already: ${modulesFolder}/.bin/${name} is not linked to it`);
        continue;
      }
      rmSync(place);
    }
    symlinkSync(to, place);
  }
}
