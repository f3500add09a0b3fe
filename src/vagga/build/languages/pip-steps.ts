import { requirementLines } from '../../version/requirements.ts';
import type { BuildJob, BuildState } from '../job.ts';
import { nothing, type Surroundings } from './ecosystem.ts';
import {
  findPip,
  hasSources,
  ownPip,
  ownPipInstall,
  type PipSource,
  type PythonVersion,
  pipInstall,
  pipNeeds,
  pipReport,
  pipSurroundings,
  pipWords,
  pythonCompilers,
  pythonOf,
} from './pip.ts';
import { capture, distributionId, insideProject, provide, run, used } from './workshop.ts';

/** !Py2Install, !Py3Install */
export const pipPackages = (
  job: BuildJob,
  state: BuildState,
  version: PythonVersion,
  packages: readonly string[],
): Promise<BuildState> => install(job, state, version, { kind: 'packages', packages });

/** !Py2Requirements, !Py3Requirements */
export function pipRequirements(
  job: BuildJob,
  state: BuildState,
  version: PythonVersion,
  file: string,
): Promise<BuildState> {
  const lines = requirementLines(job.project, file);
  if ('kind' in lines) throw new Error(lines.reason);
  return install(job, state, version, {
    kind: 'requirements',
    file: insideProject(file),
    lines: lines.map(({ line }) => line),
  });
}

async function install(
  job: BuildJob,
  before: BuildState,
  version: PythonVersion,
  source: PipSource,
): Promise<BuildState> {
  let state = await withPython(job, before, version, source);
  if (source.kind === 'packages' && source.packages.length === 0) return state;
  const config = state.languages.settings.pip;
  const around = pipSurroundings(config, distributionId(job, state));
  let pip = await pipInside(job, state, version);
  if (config.getPipArgs.length > 0) {
    await run(job, state, around, ownPipInstall(config, pip));
    pip = [pythonOf(config, version), `${ownPip}/pip`];
  }
  if (config.installPython && (await mayCompile(job, state, around, pipReport(config, pip, source)))) {
    state = await provide(job, state, { keep: nothing, build: pythonCompilers[version] });
  }
  await run(job, state, around, pipInstall(config, pip, source));
  return used(state, `pip${version}`);
}

/** Compilers are hundreds of megabytes: where all comes as wheels they are not wanted. */
async function mayCompile(
  job: BuildJob,
  state: BuildState,
  around: Surroundings,
  report: readonly string[],
): Promise<boolean> {
  try {
    // What goes wrong here is said once more, and better, by the run that follows.
    return hasSources(await capture(job, state, around, ['/bin/sh', '-c', 'exec "$@" 2>/dev/null', 'sh', ...report]));
  } catch {
    return true;
  }
}

async function withPython(
  job: BuildJob,
  state: BuildState,
  version: PythonVersion,
  source: PipSource,
): Promise<BuildState> {
  try {
    return await provide(job, state, pipNeeds(state.languages.settings.pip, version, source));
  } catch (error) {
    if (version === 3) throw error;
    const last = 'the last distributions that have it are Debian bullseye, Ubuntu jammy and Alpine v3.15';
    throw new Error(`Python 2 could not be installed (${last}): ${(error as Error).message}`);
  }
}

/** How pip is started inside. */
export async function pipInside(job: BuildJob, state: BuildState, version: PythonVersion): Promise<readonly string[]> {
  const config = state.languages.settings.pip;
  const python = pythonOf(config, version);
  const around = pipSurroundings(config, distributionId(job, state));
  return pipWords(python, await capture(job, state, around, [python, '-c', findPip]));
}
