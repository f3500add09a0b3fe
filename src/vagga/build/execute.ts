import { chmodSync, copyFileSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Step, StepOf } from '../config/steps.ts';
import { pinnedStep } from '../lock/pinned.ts';
import { gitDescribe } from '../version/git-describe.ts';
import { projectPath } from '../version/project-file.ts';
import { compileRules } from '../version/rules.ts';
import { cacheDirs } from './cache-dirs.ts';
import { executeDistributionStep, isDistributionStep } from './distro/steps.ts';
import { sourceFile } from './download.ts';
import { copySelected, copyStep, emptyFolder, removePath, writeTexts } from './files.ts';
import { checkOut } from './git.ts';
import { hostFiles } from './host-files.ts';
import { inherit, takeRoot } from './inherit.ts';
import type { AtEnd, BuildJob, BuildState } from './job.ts';
import { executeLanguageStep, isLanguageStep } from './languages/steps.ts';
import { devcontainerStep, imageStep } from './oci/image-step.ts';
import { runAs, runInRoot, shellWords } from './program.ts';
import { ensureFolder, pathInRoot } from './root-path.ts';
import { subConfig } from './sub-config.ts';
import { unpackTar } from './tar.ts';
import { unpackZip } from './zip.ts';

/** Does a step; what it leaves for later ones is in the state. Throws with what went wrong. */
export async function executeStep(job: BuildJob, state: BuildState, given: Step): Promise<BuildState> {
  if (isDistributionStep(given)) return executeDistributionStep(job, state, given);
  if (isLanguageStep(given)) return executeLanguageStep(job, state, given);
  const { root } = job;
  const { step } = pinnedStep(job.lock, given);
  switch (step.tag) {
    case 'Sh':
      await runInRoot(job, state, shellWords(step.value));
      return state;
    case 'Cmd':
      await runInRoot(job, state, step.value);
      return state;
    case 'RunAs':
      await runAs(job, state, step.value);
      return state;
    case 'Env':
      return { ...state, env: new Map([...state.env, ...step.value]) };
    case 'Download': {
      const { url, path, mode, sha256 } = step.value;
      const file = await sourceFile(job, url, sha256);
      const place = join(ensureFolder(root, dirname(path)), basename(path));
      rmSync(place, { force: true });
      copyFileSync(file, place);
      chmodSync(place, mode);
      return state;
    }
    case 'Tar':
    case 'Unzip': {
      const { url, path, subdir, sha256 } = step.value;
      const file = await sourceFile(job, url, sha256);
      ensureFolder(root, path);
      await (step.tag === 'Tar' ? unpackTar : unpackZip)(file, { root, path, subdir });
      if (path === '/') hostFiles(root, job.container);
      return state;
    }
    case 'TarInstall':
      await tarInstall(job, state, step.value);
      return state;
    case 'Git': {
      const folder = ensureFolder(root, step.value.path);
      await checkOut(job, step.value, folder);
      return state;
    }
    case 'GitInstall':
      await inTemporaryFolder(root, async (inside, place) => {
        await checkOut(job, step.value, place);
        await runInRoot(job, state, shellWords(step.value.script), { cwd: join(inside, step.value.subdir) });
      });
      return state;
    case 'Text':
      writeTexts(root, step.value);
      return state;
    case 'Copy':
      await copyStep(job, state, step.value);
      return state;
    case 'Depends':
      return state;
    case 'EnsureDir': {
      const volume = [...job.container.volumes.keys()].find((at) => step.value.startsWith(`${at}/`));
      if (volume !== undefined) warn(`!EnsureDir ${step.value}: hidden by the volume at ${volume} when commands run`);
      ensureFolder(root, step.value);
      return withEnd(state, { kind: 'ensure', path: step.value });
    }
    case 'EmptyDir':
      emptyFolder(root, step.value);
      return withEnd(state, { kind: 'empty', path: step.value });
    case 'Remove':
      removePath(root, step.value);
      return withEnd(state, { kind: 'remove', path: step.value });
    case 'CacheDirs':
      return cacheDirs(job, state, step.value);
    case 'Container': {
      // A container of the file that a !SubConfig names is no build of its own.
      const steps = job.built.has(step.value) ? undefined : job.containers.get(step.value)?.setup;
      if (steps !== undefined) return executeSteps(job, state, steps);
      if (job.standsOn !== step.value) await takeRoot(job, step.value);
      hostFiles(root, job.container);
      return inherit(job, state, step.value);
    }
    case 'SubConfig': {
      const inner = subConfig(job, step.value);
      return executeSteps(inner.job, state, inner.setup);
    }
    case 'GitDescribe':
      await describe(job, step.value);
      return state;
    case 'OciImage':
      return imageStep(job, state, step.value);
    case 'Devcontainer':
      return devcontainerStep(job, state, step.value);
    case 'Build':
      return await useBuild(job, state, step.value);
    default:
      throw new Error(`!${step.tag} cannot be built by this version`);
  }
}

/** The steps of another setup, which stand in the place of one of this. */
async function executeSteps(job: BuildJob, state: BuildState, steps: readonly Step[]): Promise<BuildState> {
  let now = state;
  for (const step of steps) now = await executeStep(job, now, step);
  return now;
}

async function describe(job: BuildJob, { repo, outputFile, pattern }: StepOf<'GitDescribe'>): Promise<void> {
  if (outputFile === null) return; // it counts in the version, and that is all
  const path = projectPath(repo);
  if (path === null) throw new Error(`${repo} lies outside of the project`);
  const described = await gitDescribe(join(job.project, path), pattern);
  if (described.kind === 'failed') throw new Error(described.reason);
  ensureFolder(job.root, dirname(outputFile));
  writeTexts(job.root, new Map([[outputFile, `${described.text}\n`]]));
}

const withEnd = (state: BuildState, end: AtEnd): BuildState => ({ ...state, atEnd: [...state.atEnd, end] });

function warn(message: string): void {
  process.stderr.write(`WARNING: ${message}\n`);
}

async function tarInstall(job: BuildJob, state: BuildState, step: StepOf<'TarInstall'>): Promise<void> {
  const file = await sourceFile(job, step.url, step.sha256);
  await inTemporaryFolder(job.root, async (inside, place) => {
    await unpackTar(file, { root: job.root, path: inside, subdir: '' });
    await runInRoot(job, state, shellWords(step.script), {
      cwd: join(inside, step.subdir ?? onlyFolder(place, step.url)),
    });
  });
}

/** The one visible folder of an archive. */
function onlyFolder(folder: string, url: string): string {
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  const folders = names.filter((name) => lstatSync(join(folder, name)).isDirectory());
  const [only] = folders;
  if (only !== undefined && folders.length === 1) return only;
  const found = folders.length === 0 ? 'no folder' : `folders ${folders.sort().join(', ')}`;
  throw new Error(`${url}: ${found} in the archive; expected one, or the key subdir`);
}

/** `use` gets its path inside and on the host. */
async function inTemporaryFolder(root: string, use: (inside: string, place: string) => Promise<void>): Promise<void> {
  const place = mkdtempSync(join(ensureFolder(root, '/tmp'), 'vagga-'));
  chmodSync(place, 0o755);
  try {
    await use(`/tmp/${basename(place)}`, place);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function useBuild(job: BuildJob, state: BuildState, step: StepOf<'Build'>): Promise<BuildState> {
  const built = job.built.get(step.container);
  if (built === undefined) throw new Error(`container ${step.container} is not built`);
  const source = pathInRoot(join(built, 'root'), step.source);
  if (step.temporaryMount !== null) {
    ensureFolder(job.root, step.temporaryMount);
    const binds = new Map(state.binds).set(step.temporaryMount, { source, readonly: true });
    return { ...state, binds };
  }
  if (step.path !== null) {
    await copySelected(source, job.root, step.path, compileRules(step.rules, false), {
      ownerUid: null,
      ownerGid: null,
      preservePermissions: true,
      preserveTimes: false,
      umask: 0,
    });
  }
  return state;
}
