import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFile, emptyFolder, removePath } from './files.ts';
import type { BuildJob, BuildState } from './job.ts';
import { ensureFolder } from './root-path.ts';

const systemFolders = [
  ['dev', 0o755],
  ['sys', 0o755],
  ['proc', 0o755],
  ['run', 0o755],
  ['work', 0o755],
  ['etc', 0o755],
  ['tmp', 0o1777],
] as const;

/** What every root has before its first step. */
export function makeRoot(root: string): void {
  mkdirSync(root, { mode: 0o755 });
  systemFoldersOf(root);
}

/** Those that it has not yet. */
export function systemFoldersOf(root: string): void {
  for (const [name, mode] of systemFolders) {
    if (lstatSync(join(root, name), { throwIfNoEntry: false }) !== undefined) continue;
    mkdirSync(join(root, name));
    chmodSync(join(root, name), mode); // whatever the umask is
  }
}

/** The last of a build: vagga 4, "Finish". */
export function finishRoot(job: BuildJob, state: BuildState): void {
  const { root, container } = job;
  for (const path of [container.resolvConfPath, container.hostsFilePath]) {
    if (path !== null) emptyFile(root, path);
  }
  for (const path of ['/tmp', '/var/tmp']) emptyFolder(root, path);
  for (const { kind, path } of state.atEnd) {
    switch (kind) {
      case 'remove':
        removePath(root, path);
        break;
      case 'empty':
        emptyFolder(root, path);
        break;
      case 'ensure':
        ensureFolder(root, path);
        break;
      default:
        kind satisfies never;
    }
  }
  if (container.dataDirs.length > 0) keepOnly(root, container.dataDirs);
}

/** Removes all but these paths and the folders above them. */
function keepOnly(root: string, paths: readonly string[]): void {
  const sorted = [...paths].sort();
  for (const [index, path] of sorted.entries()) {
    const inner = sorted.find((other, at) => at !== index && other.startsWith(`${path}/`));
    if (inner !== undefined) process.stderr.write(`WARNING: data-dirs: ${inner} is within ${path}\n`);
  }
  const walk = (folder: string): void => {
    for (const name of readdirSync(join(root, folder))) {
      const path = `${folder}/${name}`;
      if (sorted.some((kept) => path === kept || path.startsWith(`${kept}/`))) continue;
      const holds = sorted.some((kept) => kept.startsWith(`${path}/`));
      if (holds && lstatSync(join(root, path)).isDirectory()) walk(path);
      else rmSync(join(root, path), { recursive: true, force: true });
    }
  };
  walk('');
}
