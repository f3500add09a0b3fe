import { existsSync, lstatSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  yarnFolder,
  yarnInstall,
  yarnLinks,
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
  linkAll(job);
  return used(state, 'npm');
}

/** Makes what yarn installed known where npm's is; what is there already stays. */
function linkAll(job: BuildJob): void {
  const folder = pathInRoot(job.root, yarnFolder);
  for (const { path, to } of yarnLinks(namesIn(join(folder, '.bin')), packagesIn(folder))) {
    ensureFolder(job.root, dirname(path));
    const place = pathInRoot(job.root, path, false);
    const there = lstatSync(place, { throwIfNoEntry: false });
    if (there?.isSymbolicLink() === true && readlinkSync(place) === to) continue;
    if (there === undefined) symlinkSync(to, place);
    else warn(`${path} is there already and is not replaced by ${to}`);
  }
}

const namesIn = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

function packagesIn(folder: string): readonly string[] {
  return namesIn(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => (name.startsWith('@') ? namesIn(join(folder, name)).map((each) => `${name}/${each}`) : [name]));
}
