import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import { imageNameProblem, type ProcessConfig } from '../config/process.ts';
import { planValues } from '../state-dirs.ts';
import { type HistoryRule, keptVersions, plainImageProblem, readHistory, readText } from './config-log-reader.ts';

/** What a sandbox config says about its images; paths are absolute. */
export interface CleanSandbox {
  readonly name: string;
  readonly imageDir: string;
  readonly imageDirLevels: number;
  readonly usedImagesList: string | null;
  readonly autoClean: boolean;
}

/** The images of one sandbox that have to stay. */
export interface UsedImages {
  /** Why, by image name. */
  readonly images: ReadonlyMap<string, string>;
  /** Any of these, and it is not known which images are used. */
  readonly problems: readonly string[];
}

/** What a list or the config log says, besides what is asked for now. */
export interface PastImages extends UsedImages {
  /** Config logs that tell of images which are kept. */
  readonly files: readonly string[];
}

/** A container that has a state dir; whether it lives does not matter. */
export interface RunningImage {
  /** `SANDBOX/PROCESS.N` */
  readonly name: string;
  readonly sandbox: string;
  /** Null where only the folder is known. */
  readonly image: string | null;
  /** Folders on the host; more than one where the plan has a second word that reads like its key. */
  readonly roots: readonly string[];
}

export interface RunningImages {
  readonly running: readonly RunningImage[];
  /** `sandbox` null: no sandbox's images are safe. */
  readonly problems: readonly { readonly sandbox: string | null; readonly message: string }[];
}

/** Images in a process config, also those of commands and of processes without instances. */
export function imagesOfProcesses(
  processes: LoadedConfig<ReadonlyMap<string, ProcessConfig>>,
  levels: number,
): UsedImages {
  const images = new Map<string, string>();
  const problems: string[] = [];
  for (const [name, { image }] of processes.value) {
    const problem = imageNameProblem(image, levels) ?? plainImageProblem(image);
    if (problem === null) images.set(image, `process ${name}`);
    else problems.push(formatProblem(processes.problemAt(`${name}.image`, problem)));
  }
  return { images, problems };
}

/** A used-images-list: one image name per line; blanks around it and empty lines do not count. */
export function parseUsedImages(text: string, levels: number, file: string): UsedImages {
  const images = new Map<string, string>();
  const problems: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const image = line.trim();
    if (image === '') continue;
    const problem = imageNameProblem(image, levels) ?? plainImageProblem(image);
    if (problem === null) images.set(image, `${file}:${index + 1}`);
    else problems.push(`${file}:${index + 1}: ${problem}`);
  }
  return { images, problems };
}

/** The list where there is one, otherwise the config log (lithos 3, lithos_clean). */
export function pastImages(
  sandbox: CleanSandbox,
  configLogDir: string | null,
  rule: HistoryRule,
  nowMs: number,
): PastImages {
  const unknown = (problem: string): PastImages => ({ images: new Map(), problems: [problem], files: [] });
  const { name, usedImagesList } = sandbox;
  if (usedImagesList !== null) {
    const text = readText(usedImagesList);
    if ('problem' in text) return unknown(`used-images-list ${usedImagesList}: cannot be read (${text.problem})`);
    return { ...parseUsedImages(text.text, sandbox.imageDirLevels, usedImagesList), files: [] };
  }
  const reading =
    configLogDir === null
      ? ({ kind: 'none', problem: 'config-log-dir is null' } as const)
      : readHistory(configLogDir, name);
  switch (reading.kind) {
    case 'read': {
      const kept = keptVersions(reading.history, rule, nowMs);
      const images = new Map(kept.map(({ image, file }) => [image, file]));
      return { images, problems: [], files: [...new Set(kept.map(({ file }) => file))] };
    }
    case 'broken':
      return unknown(reading.problem);
    case 'none': {
      // Images that nobody cleans need no history.
      if (!sandbox.autoClean) return { images: new Map(), problems: [], files: [] };
      const how = 'give the sandbox a used-images-list, or let the tree write its config log';
      return unknown(`which images were used is not known: ${reading.problem}, and there is no list; ${how}`);
    }
    default:
      return reading satisfies never;
  }
}

/** What containers run on, from state-dir. Also of sandboxes that are configured no more. */
export function runningImages(stateDir: string): RunningImages {
  const running: RunningImage[] = [];
  const problems: { readonly sandbox: string | null; readonly message: string }[] = [];
  const sandboxes = foldersOf(stateDir);
  if (typeof sandboxes === 'string') return { running, problems: [{ sandbox: null, message: sandboxes }] };
  for (const sandbox of sandboxes) {
    const leaves = foldersOf(join(stateDir, sandbox));
    if (typeof leaves === 'string') {
      problems.push({ sandbox, message: leaves });
      continue;
    }
    for (const leaf of leaves) {
      const found = runningImage(stateDir, sandbox, leaf);
      if ('problem' in found) problems.push({ sandbox, message: found.problem });
      else running.push(found);
    }
  }
  return { running, problems };
}

function runningImage(stateDir: string, sandbox: string, leaf: string): RunningImage | { readonly problem: string } {
  const dir = join(stateDir, sandbox, leaf);
  const plan = readText(join(dir, 'plan'));
  if ('problem' in plan && plan.problem !== 'ENOENT') {
    return { problem: `${join(dir, 'plan')}: cannot be read (${plan.problem})` };
  }
  const words = 'problem' in plan ? [] : plan.text.split('\0');
  const roots = planValues(words, 'root').filter((root) => root.startsWith('/'));
  const name = `${sandbox}/${leaf}`;
  const file = join(dir, 'instance.json');
  const json = readText(file);
  if ('problem' in json) {
    // It is written last at the start of a container, and removed with its folder after the end.
    if (json.problem === 'ENOENT') return { name, sandbox, image: null, roots };
    return { problem: `${file}: cannot be read (${json.problem})` };
  }
  const image = parseInstanceImage(json.text);
  return typeof image === 'string' ? { name, sandbox, image, roots } : { problem: `${file}: ${image.problem}` };
}

/** The image in an instance.json. */
export function parseInstanceImage(text: string): string | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: 'not JSON' };
  }
  const image = typeof value === 'object' && value !== null && 'image' in value ? value.image : undefined;
  if (typeof image !== 'string') return { problem: 'has no image' };
  const problem = plainImageProblem(image);
  return problem === null ? image : { problem };
}

/** Names of the folders in a folder, or why they are not known; none where it is not there. */
function foldersOf(dir: string): readonly string[] | string {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? [] : `${dir}: cannot be read (${code})`;
  }
}
