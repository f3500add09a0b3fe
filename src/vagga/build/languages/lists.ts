import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildJob, BuildState } from '../job.ts';
import { composerSurroundings } from './composer.ts';
import { composerInside } from './composer-steps.ts';
import type { Surroundings } from './ecosystem.ts';
import { gemList } from './gem.ts';
import { npmList, npmSurroundings } from './npm.ts';
import { pipSurroundings } from './pip.ts';
import { pipInside } from './pip-steps.ts';
import type { PackageManager } from './settings.ts';
import { capture, distributionId } from './workshop.ts';

// What each package manager has installed: a file beside the root.

const files: Readonly<Record<PackageManager, string>> = {
  pip2: 'pip2-freeze.txt',
  pip3: 'pip3-freeze.txt',
  npm: 'npm-list.txt',
  gem: 'gems-list.txt',
  composer: 'composer-list.txt',
};

/** While the build-deps are still there. */
export async function writeLanguageLists(job: BuildJob, state: BuildState): Promise<void> {
  const folder = dirname(job.root);
  for (const name of Object.values(files)) {
    for (const step of job.container.setup) {
      const parent = step.tag === 'Container' ? join(job.built.get(step.value) ?? '', name) : null;
      if (parent !== null && existsSync(parent)) copyFileSync(parent, join(folder, name));
    }
  }
  for (const manager of state.languages.used) {
    const [around, words] = await listing(job, state, manager);
    // npm ends with 1 where it would have wished for other versions; it has listed them all the same.
    const patient = ['/bin/sh', '-c', '"$@" || true', 'sh', ...words];
    writeFileSync(join(folder, files[manager]), await capture(job, state, around, patient));
  }
}

async function listing(
  job: BuildJob,
  state: BuildState,
  manager: PackageManager,
): Promise<readonly [Surroundings, readonly string[]]> {
  const { pip, npm, gem, composer } = state.languages.settings;
  switch (manager) {
    case 'pip2':
    case 'pip3': {
      const words = await pipInside(job, state, manager === 'pip2' ? 2 : 3);
      return [pipSurroundings(pip, distributionId(job, state)), [...words, 'freeze']];
    }
    case 'npm':
      return [npmSurroundings, npmList(npm)];
    case 'gem':
      return [{ env: {}, caches: new Map() }, gemList(gem)];
    case 'composer':
      return [composerSurroundings(composer), [...composerInside(job, state), 'global', 'show', '--no-ansi']];
    default:
      return manager satisfies never;
  }
}
