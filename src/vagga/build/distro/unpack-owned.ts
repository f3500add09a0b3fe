import { chmodSync, lchownSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { entryPath, putFile, putFolder, putHardLink, putLink } from '../archive-entry.ts';
import { pathInRoot } from '../root-path.ts';

/**
 * Unpacks the tar of a system into a root with the owners that it names: numbers of the container. Folders that are there
 * as links (`/bin` of a merged `/usr`) stay links. Devices are left out. `skip` sees each path, without a slash in front.
 */
export async function unpackOwned(
  tar: Readable,
  root: string,
  skip: (path: string) => boolean = () => false,
): Promise<void> {
  const target = { root, path: '/', subdir: '' };
  const archive = extract();
  tar.on('error', (error) => archive.destroy(error));
  tar.pipe(archive);
  const links: { readonly path: string; readonly to: string }[] = [];
  for await (const entry of archive) {
    const { name, type, mode = 0o644, mtime, linkname, uid = 0, gid = 0 } = entry.header;
    const path = entryPath(name, '') ?? '';
    if (path === '' || skip(path)) {
      entry.resume();
      continue;
    }
    const own = (): void => {
      const place = pathInRoot(root, path, type === 'directory');
      lchownSync(place, uid, gid);
      if (!lstatSync(place).isSymbolicLink()) chmodSync(place, mode & 0o7777); // a change of owner drops set-id bits
    };
    if (type === 'file' || type === 'contiguous-file') {
      await putFile(target, path, mode, mtime ?? null, entry as unknown as AsyncIterable<Uint8Array>);
      own();
      continue;
    }
    if (type === 'directory') {
      putFolder(target, path, mode);
      own();
    } else if (type === 'symlink') {
      if (!isMergedFolder(root, path)) {
        putLink(target, path, linkname ?? '');
        own();
      }
    } else if (type === 'link') links.push({ path, to: entryPath(linkname ?? '', '') ?? '' });
    entry.resume();
  }
  for (const { path, to } of links) putHardLink(target, path, to);
}

/** A link like `bin` → `usr/bin` that was made before: what is below it is in use. */
function isMergedFolder(root: string, path: string): boolean {
  return !path.includes('/') && (lstatSync(join(root, path), { throwIfNoEntry: false })?.isSymbolicLink() ?? false);
}
