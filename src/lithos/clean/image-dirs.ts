import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { isBelow } from '../../config/paths.ts';
import type { CleanSandbox, RunningImages, UsedImages } from './used-images.ts';

export interface SandboxUse extends UsedImages {
  readonly sandbox: CleanSandbox;
}

/** One image-dir with what all its sandboxes say about it. */
export interface ImageDir {
  /** Without symbolic links, so that two ways to one folder are not taken for two. */
  readonly dir: string;
  readonly levels: number;
  readonly autoClean: boolean;
  readonly sandboxes: readonly string[];
  /** Used images by their paths, with the reason; they need not be there. */
  readonly images: ReadonlyMap<string, string>;
  /** Paths that have to stay, with what is above and below them: the images, where they lead to, and what else is here. */
  readonly kept: ReadonlyMap<string, string>;
  /** Any of these, and nothing may be removed here. */
  readonly problems: readonly string[];
}

/** Puts together what sandboxes know of their image-dirs, and what containers run on. */
export function imageDirsOf(
  uses: readonly SandboxUse[],
  { running, problems }: RunningImages,
  /** Folders of the host that are no images, with what they are. */
  others: ReadonlyMap<string, string>,
): readonly ImageDir[] {
  const groups = new Map<string, SandboxUse[]>();
  const unresolved = new Map<string, string>();
  for (const use of uses) {
    const real = realPath(use.sandbox.imageDir);
    const dir = real.path ?? use.sandbox.imageDir;
    if (real.problem !== null) unresolved.set(dir, real.problem);
    groups.set(dir, [...(groups.get(dir) ?? []), use]);
  }
  const known = new Set(uses.map(({ sandbox }) => sandbox.name));
  return [...groups].map(([dir, group]) => {
    const names = group.map(({ sandbox }) => sandbox.name);
    // Where a container's sandbox is configured no more, any image-dir may have been its own.
    const concerns = (sandbox: string | null): boolean =>
      sandbox === null || names.includes(sandbox) || !known.has(sandbox);
    const images = new Map<string, string>();
    for (const { sandbox, images: used } of group) {
      for (const [image, reason] of used) images.set(join(dir, image), `${sandbox.name}: ${reason}`);
    }
    for (const { name, sandbox, image } of running) {
      if (image !== null && concerns(sandbox)) images.set(join(dir, image), `container ${name}`);
    }
    const roots = running.flatMap(({ name, roots }) => roots.map((root) => [root, `container ${name}`] as const));
    const real = withRealPaths([...images, ...roots, ...others]);
    const ownUnresolved = unresolved.get(dir);
    return {
      dir,
      levels: group[0]?.sandbox.imageDirLevels ?? 1,
      autoClean: group.every(({ sandbox }) => sandbox.autoClean),
      sandboxes: names,
      images,
      kept: new Map([...real.paths].filter(([path]) => isBelow(path, dir) && path !== dir)),
      problems: [
        ...(ownUnresolved === undefined ? [] : [ownUnresolved]),
        ...(dir === '/' ? ['the root folder is no image-dir'] : []),
        ...conflicts(group),
        ...overlaps(dir, groups.keys()),
        ...group.flatMap(({ sandbox, problems: own }) => own.map((problem) => `sandbox ${sandbox.name}: ${problem}`)),
        ...problems.filter(({ sandbox }) => concerns(sandbox)).map(({ message }) => message),
        ...real.problems,
      ],
    };
  });
}

function conflicts(group: readonly SandboxUse[]): readonly string[] {
  const differ = (key: string, read: (sandbox: CleanSandbox) => number | boolean): readonly string[] => {
    if (new Set(group.map(({ sandbox }) => read(sandbox))).size <= 1) return [];
    const said = group.map(({ sandbox }) => `${sandbox.name}: ${read(sandbox)}`).join(', ');
    return [`sandboxes differ in ${key} (${said}); make them agree`];
  };
  return [
    ...differ('auto-clean', ({ autoClean }) => autoClean),
    ...differ('image-dir-levels', ({ imageDirLevels }) => imageDirLevels),
  ];
}

/** What one dir takes for an image may hold the images of the other. */
function overlaps(dir: string, dirs: Iterable<string>): readonly string[] {
  return [...dirs]
    .filter((other) => other !== dir && (isBelow(other, dir) || isBelow(dir, other)))
    .map((other) => `overlaps with image-dir ${other}`);
}

function withRealPaths(paths: readonly (readonly [string, string])[]): {
  readonly paths: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
} {
  const all = new Map<string, string>();
  const problems: string[] = [];
  for (const [path, reason] of paths) {
    all.set(path, reason);
    const real = realPath(path);
    if (real.problem !== null) problems.push(`${real.problem}, of ${reason}`);
    // An image may be named through a symbolic link: what it leads to is used too.
    if (real.path !== null && !all.has(real.path)) all.set(real.path, reason);
  }
  return { paths: all, problems };
}

/** Both null where there is nothing. */
function realPath(path: string): { readonly path: string | null; readonly problem: string | null } {
  try {
    return { path: realpathSync(path), problem: null };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { path: null, problem: null };
    return { path: null, problem: `${path}: cannot be resolved (${code})` };
  }
}

/** Why a folder of an image-dir has to stay; null where nothing speaks for it. */
export function reasonToKeep({ kept }: Pick<ImageDir, 'kept'>, path: string): string | null {
  const own = kept.get(path);
  if (own !== undefined) return own;
  for (const [other, reason] of kept) if (isBelow(other, path) || isBelow(path, other)) return reason;
  return null;
}
