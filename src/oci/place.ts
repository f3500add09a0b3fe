import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { resolveInView } from '../config/view.ts';
import { Refusal } from './refusal.ts';

/** The parts of a name in an archive; null where it could lead out (zip slip). */
export function partsOf(name: string): readonly string[] | null {
  if (name.includes('\0')) return null;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? null : parts;
}

/**
 * Where an entry goes on the host. Links on the way to it are followed as a program inside would follow them; missing
 * folders are made. Whatever the archive holds, the place is below `root`, and its last part is not followed.
 */
export function placeIn(root: string, parts: readonly string[], make: boolean): string | null {
  let folder = '/';
  for (const part of parts.slice(0, -1)) {
    const inside = folder === '/' ? `/${part}` : `${folder}/${part}`;
    if (make && lstatSync(join(root, inside), { throwIfNoEntry: false }) === undefined) mkdirSync(join(root, inside));
    const found = resolveInView({ root, mounts: new Map() }, inside);
    if (found.kind !== 'found' || !found.stats.isDirectory()) {
      if (!make) return null;
      throw new Refusal(`${parts.join('/')}: ${found.kind === 'refused' ? found.reason : `${inside} is not a folder`}`);
    }
    folder = found.path;
  }
  return join(root, folder, parts.at(-1) ?? '');
}
