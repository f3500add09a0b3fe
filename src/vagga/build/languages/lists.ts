import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildJob, BuildState } from '../job.ts';
import { pathInRoot } from '../root-path.ts';
import { installedList, vendorFolder } from './composer.ts';
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
    writeFileSync(join(folder, files[manager]), await listOf(job, state, manager));
  }
}

async function listOf(job: BuildJob, state: BuildState, manager: PackageManager): Promise<string> {
  const { pip, npm, gem, composer } = state.languages.settings;
  switch (manager) {
    case 'pip2':
    case 'pip3': {
      const words = await pipInside(job, state, manager === 'pip2' ? 2 : 3);
      return capture(job, state, pipSurroundings(pip, distributionId(job, state)), [...words, 'freeze']);
    }
    case 'npm':
      // It ends with 1 where it would have wished for other versions; it has listed them all the same.
      return capture(job, state, npmSurroundings, ['/bin/sh', '-c', '"$@" || true', 'sh', ...npmList(npm)]);
    case 'gem':
      return capture(job, state, { env: {}, caches: new Map() }, gemList(gem));
    case 'composer': {
      const file = pathInRoot(job.root, `${vendorFolder(composer)}/composer/installed.json`);
      return existsSync(file) ? installedList(readFileSync(file, 'utf8')) : '';
    }
    default:
      return manager satisfies never;
  }
}
