import type { Readable } from 'node:stream';
import { type Entry, open, type ZipFile } from 'yauzl';
import { entryPath, putFile, putFolder, putLink, type Target } from './archive-entry.ts';

const typeMask = 0o170000;
const linkType = 0o120000;
const madeByUnix = 3; // APPNOTE.TXT 4.4.2: the upper byte of "version made by"

/** Unpacks the archive at `file` of the host; Unix modes where it has them, else 0644 and 0755. */
export async function unpackZip(file: string, target: Target): Promise<void> {
  const zip = await opened(file);
  let entries = 0;
  try {
    for await (const entry of all(zip)) {
      const path = entryPath(entry.fileName, target.subdir);
      if (path === null) continue;
      entries += 1;
      const mode = entry.versionMadeBy >> 8 === madeByUnix ? entry.externalFileAttributes >>> 16 : 0;
      const permissions = (fallback: number): number => (mode === 0 ? fallback : mode & 0o7777);
      if (entry.fileName.endsWith('/')) putFolder(target, path, permissions(0o755));
      else if ((mode & typeMask) === linkType) putLink(target, path, await textOf(zip, entry));
      else await putFile(target, path, permissions(0o644), entry.getLastModDate(), await content(zip, entry));
    }
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  } finally {
    zip.close();
  }
  if (target.subdir !== '' && entries === 0) throw new Error(`${file}: no ${target.subdir} in the archive`);
}

function opened(file: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    open(file, { lazyEntries: true, autoClose: false }, (error, zip) =>
      error ? reject(new Error(`${file}: ${error.message}`)) : resolve(zip),
    );
  });
}

async function* all(zip: ZipFile): AsyncGenerator<Entry> {
  for (let left = zip.entryCount; left > 0; left -= 1) {
    yield await new Promise<Entry>((resolve, reject) => {
      zip.once('entry', resolve);
      zip.once('error', reject);
      zip.readEntry();
    });
  }
}

function content(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(error) : resolve(stream)));
  });
}

async function textOf(zip: ZipFile, entry: Entry): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of await content(zip, entry)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
