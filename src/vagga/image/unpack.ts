import { chmodSync, lchownSync, lutimesSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { entryPath, putFile, putFolder, putHardLink, putLink, type Target } from '../build/archive-entry.ts';
import { pathInRoot } from '../build/root-path.ts';
import { compressionOf } from '../build/tar.ts';
import { throughProgram } from './through-program.ts';

/** Enough for each of the magic numbers. */
const startBytes = 8;

/** Unpacks a tar, compressed or not, as it comes, with its owners; throws with what went wrong. */
export async function unpackImage(from: Readable, root: string): Promise<void> {
  const archive = extract();
  const target: Target = { root, path: '/', subdir: '' };
  const links: { readonly path: string; readonly to: string }[] = [];
  const folders: { readonly path: string; readonly mtime: Date }[] = [];
  let failure: unknown;
  const read = async (): Promise<void> => {
    for await (const entry of archive) {
      try {
        await put(target, entry.header, entry as unknown as AsyncIterable<Uint8Array>, links, folders);
      } catch (error) {
        failure = new Error(`${entry.header.name}: ${(error as Error).message}`);
        throw error;
      }
      entry.resume();
    }
  };
  try {
    await Promise.all([decompressed(from, archive as unknown as NodeJS.WritableStream), read()]);
  } catch (error) {
    // That streams were closed follows from it.
    throw failure ?? error;
  }
  if (folders.length === 0) throw new Error('the image is empty');
  for (const { path, to } of links) putHardLink(target, path, to);
  // Innermost first: whatever is made in a folder changes its time.
  for (const { path, mtime } of folders.reverse()) lutimesSync(pathInRoot(root, path, false), mtime, mtime);
}

async function put(
  target: Target,
  { name, type, mode, mtime, linkname, uid, gid, pax }: Header,
  content: AsyncIterable<Uint8Array>,
  links: { readonly path: string; readonly to: string }[],
  folders: { readonly path: string; readonly mtime: Date }[],
): Promise<void> {
  const path = entryPath(name, '') ?? '';
  const records = (pax ?? {}) as { readonly uid?: string; readonly gid?: string };
  const own = (isLink: boolean): void => {
    const place = pathInRoot(target.root, path, false);
    lchownSync(place, Number(records.uid ?? uid), Number(records.gid ?? gid));
    if (!isLink) chmodSync(place, mode & 0o7777); // a change of the owner takes setuid away
  };
  switch (type) {
    case 'directory':
      putFolder(target, path, mode);
      own(false);
      folders.push({ path, mtime });
      return;
    case 'symlink':
      putLink(target, path, linkname);
      own(true);
      lutimesSync(pathInRoot(target.root, path, false), mtime, mtime);
      return;
    case 'link':
      links.push({ path, to: entryPath(linkname, '') ?? '' });
      return;
    case 'file':
    case 'contiguous-file':
      await putFile(target, path, mode, null, content);
      own(false);
      lutimesSync(pathInRoot(target.root, path, false), mtime, mtime);
      return;
    default: // pipes are made by who needs them; devices are the host's
  }
}

async function decompressed(from: Readable, to: NodeJS.WritableStream): Promise<void> {
  const { start, whole } = await peeked(from);
  const compression = compressionOf(start);
  switch (compression) {
    case 'none':
      return pipeline(whole, to);
    case 'gzip':
      return pipeline(whole, createGunzip(), to);
    case 'xz':
    case 'bzip2':
    case 'zstd':
      return throughProgram(whole, compression, ['-dc'], to);
    default:
      return compression satisfies never;
  }
}

/** The first bytes, and a stream that still has them. */
async function peeked(from: Readable): Promise<{ readonly start: Buffer; readonly whole: Readable }> {
  const parts: Buffer[] = [];
  const iterator = from[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (let length = 0; length < startBytes; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    parts.push(Buffer.from(next.value));
    length += next.value.length;
  }
  const start = Buffer.concat(parts);
  async function* all(): AsyncGenerator<Uint8Array> {
    yield start;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  return { start, whole: Readable.from(all(), { objectMode: false }) };
}
