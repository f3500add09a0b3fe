import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** A few hundred bytes to a few hundred KiB each. */
const mostPlans = 512;

/** As in native/vagga/plan_file.cc; never in the project, where its containers write. */
export function plansFolder({ XDG_CACHE_HOME: cache, HOME: home }: NodeJS.ProcessEnv): string | null {
  if (cache?.startsWith('/')) return `${cache}/stellwerk/vagga-plans`;
  return home?.startsWith('/') ? `${home}/.cache/stellwerk/vagga-plans` : null;
}

/** The same where only this user can have written there; null: it is not there, or is not to be trusted. */
export function trustedFolder(env: NodeJS.ProcessEnv, project: string): string | null {
  const folder = plansFolder(env);
  const stats = folder === null ? undefined : lstatSync(folder, { throwIfNoEntry: false });
  if (folder === null || stats?.isDirectory() !== true) return null;
  const own = stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
  return own && !`${realpathSync.native(folder)}/`.startsWith(`${project}/`) ? folder : null;
}

/** Puts it in place whole; the problem where containers of the project could write there. */
export function keep(folder: string, project: string, name: string, bytes: Buffer): string | null {
  // Root with the home of a user must not leave folders there that the user cannot write.
  if (ownerOfNearest(folder) !== process.geteuid?.()) return `${folder} is in the home of another user`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (`${realpathSync.native(folder)}/`.startsWith(`${project}/`)) return 'containers of the project could write plans';
  const { mode } = lstatSync(folder);
  if ((mode & 0o077) !== 0) chmodSync(folder, 0o700);
  const temporary = join(folder, `.${name}.${process.pid}`);
  rmSync(temporary, { force: true });
  writeFileSync(temporary, bytes, { flag: 'wx', mode: 0o600 });
  renameSync(temporary, join(folder, name));
  removeOldest(folder);
  return null;
}

/** Of the folder, or of that above it in which it would be made. */
function ownerOfNearest(folder: string): number {
  return statSync(folder, { throwIfNoEntry: false })?.uid ?? ownerOfNearest(dirname(folder));
}

function removeOldest(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= mostPlans) return;
  const byAge = names
    .map((name) => ({ name, time: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => a.time - b.time);
  for (const { name } of byAge.slice(0, names.length - (mostPlans * 3) / 4))
    rmSync(join(folder, name), { force: true });
}
