import { lstatSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { readRegularFile } from '../../config/load.ts';
import { isBelow } from '../../config/paths.ts';
import { resolveInView } from '../../config/view.ts';

/** The folder of an image, without symbolic links; or why it cannot be used. The name was checked before. */
export function findImage(imageDir: string, image: string): { readonly root: string } | { readonly problem: string } {
  const path = join(imageDir, image);
  try {
    const root = realpathSync(path);
    if (!isBelow(root, realpathSync(imageDir))) return { problem: `${path} leads out of ${imageDir}, to ${root}` };
    return lstatSync(root).isDirectory() ? { root } : { problem: `${path} is not a folder` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { problem: code === 'ENOENT' ? `image ${path} is not there` : `image ${path}: ${code}` };
  }
}

/** A file of an image, found as a program in it would find it: no link leads to a file of the host. */
export function readInImage(
  root: string,
  path: string,
): { readonly file: string; readonly bytes: Uint8Array } | { readonly problem: string } {
  const place = resolveInView({ root, mounts: new Map() }, path);
  if (place.kind === 'refused') return { problem: place.reason };
  if (place.kind !== 'found') return { problem: `${path} is not in the image` };
  const bytes = readRegularFile(place.host, false);
  return typeof bytes === 'string' ? { problem: `${path}: ${bytes}` } : { file: place.host, bytes };
}
