import type { BuildJob, BuildState } from '../../job.ts';
import type { AlpineDistribution } from '../distribution.ts';

export async function startAlpine(_job: BuildJob, _state: BuildState, version: string): Promise<BuildState> {
  throw new Error(`Alpine ${version} cannot be built by this version`);
}

export async function addAlpinePackages(
  _job: BuildJob,
  _state: BuildState,
  distro: AlpineDistribution,
  _packages: readonly string[],
  _keep: boolean,
): Promise<BuildState> {
  throw new Error(`packages of Alpine ${distro.version} cannot be installed by this version`);
}

export async function finishAlpine(_job: BuildJob, _state: BuildState, _distro: AlpineDistribution): Promise<void> {}

export async function addAlpineRepository(
  _job: BuildJob,
  _state: BuildState,
  distro: AlpineDistribution,
  _step: { url: string | null; branch: string | null; repo: string; tag: string | null },
): Promise<BuildState> {
  throw new Error(`packages of Alpine ${distro.version} cannot be installed by this version`);
}
