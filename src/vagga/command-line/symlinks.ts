import { lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../native/load.ts';
import type { Project } from '../config/project.ts';
import { exitCodes } from '../exit-codes.ts';
import { Refusal } from '../refusal.ts';
import type { BuiltInContext } from './built-ins.ts';

// Commands that are programs of their own: vagga 2.5, symlink-name.

/** The command that is started by a link of this name; null: none is. */
export function commandOfSymlink({ commands }: Project, name: string): string | null {
  return [...commands].find(([, { value }]) => value.symlinkName === name)?.[0] ?? null;
}

const symlinkNames = ({ commands }: Project): ReadonlySet<string> =>
  new Set([...commands.values()].flatMap(({ value }) => (value.symlinkName === null ? [] : [value.symlinkName])));

/** Links each name to this very program; the exit code. */
export function updateSymlinks(
  { project, place, print }: BuiltInContext,
  { localOnly = false, userOnly = false }: { localOnly?: boolean; userOnly?: boolean },
  home: string | undefined = process.env.HOME,
  program: string = join(packageRoot(), 'bin/stellwerk.js'),
): number {
  if (localOnly && userOnly) throw new Refusal('arguments', '--local-only and --user-only; expected one of the two');
  if (!localOnly && home === undefined) {
    throw new Refusal('config', 'HOME is not set: there is no ~/.vagga/cmd (--local-only does without)');
  }
  const names = symlinkNames(project);
  const local = join(project.root, '.vagga', '.cmd');
  const folders = [
    ...(userOnly ? [] : [{ folder: local, isOwn: true }]),
    ...(localOnly || home === undefined ? [] : [{ folder: join(home, '.vagga', 'cmd'), isOwn: false }]),
  ];
  let code: number = exitCodes.ok;
  for (const { folder, isOwn } of folders) {
    mkdirSync(folder, { recursive: true });
    for (const name of names) {
      if (link(join(folder, name), program)) continue;
      place.tell(`WARNING: ${join(folder, name)} is no symbolic link: left as it is`);
      code = exitCodes.failed;
    }
    // In the home folder are those of other projects too.
    if (isOwn) removeOthers(folder, names);
    print(`${names.size} ${names.size === 1 ? 'link' : 'links'} in ${folder}\n`);
  }
  return code;
}

/** False: something else has the name. */
function link(path: string, program: string): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSymbolicLink()) return false;
  if (there !== undefined && readlinkSync(path) === program) return true;
  const made = `${path}.tmp.${process.pid}`;
  rmSync(made, { force: true });
  symlinkSync(program, made);
  renameSync(made, path);
  return true;
}

function removeOthers(folder: string, names: ReadonlySet<string>): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!names.has(name) && lstatSync(path).isSymbolicLink()) rmSync(path);
  }
}
