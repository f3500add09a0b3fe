import {
  closeSync,
  createReadStream,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Header, type Pack, pack } from 'tar-stream';
import type { ImageJob } from './job.ts';
import { throughProgram } from './through-program.ts';

type Compression = Extract<ImageJob, { kind: 'pack' }>['compression'];

type NewHeader = Partial<Header> & Pick<Header, 'name'>;

/** Read at once; larger ones as a stream. */
const wholeBytes = 1024 ** 2;
/** What the octal digits of a tar header hold (POSIX.1-2017, ustar); more goes into a PAX record. */
const mostUstarId = 0o7777777;

/**
 * Writes a tar of the folder: owners as this process sees them, names in the order of their bytes, no access times, no
 * names of accounts. Of one root it is always the same bytes. Throws with what went wrong.
 */
export async function packImage(root: string, compression: Compression, to: Writable): Promise<void> {
  const archive = pack();
  const filled = fill(archive, root).catch((error: Error) => void archive.destroy(error));
  await compressed(archive as unknown as Readable, compression, to);
  await filled;
}

async function compressed(from: Readable, compression: Compression, to: Writable): Promise<void> {
  switch (compression) {
    case 'none':
      return pipeline(from, to);
    case 'gzip':
      return pipeline(from, createGzip(), to);
    case 'bzip2':
      return throughProgram(from, 'bzip2', ['-c'], to);
    case 'xz':
      // Of more than one thread the bytes do not depend on how many.
      return throughProgram(from, 'xz', ['-c', `-T${Math.max(2, availableParallelism())}`], to);
    default:
      return compression satisfies never;
  }
}

async function fill(archive: Pack, root: string): Promise<void> {
  /** Names in the archive of files that have more than one. */
  const linked = new Map<string, string>();
  const add = async (path: string): Promise<void> => {
    const place = join(root, path);
    const stat = lstatSync(place);
    const name = `./${path}`;
    const header: NewHeader = {
      ...{ name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, uname: '', gname: '' },
      mtime: new Date(Math.max(0, Math.floor(stat.mtimeMs / 1000)) * 1000),
      ...bigIds(stat),
    };
    if (stat.isDirectory()) {
      await entry(archive, { ...header, name: path === '' ? './' : `${name}/`, type: 'directory' });
      for (const child of sortedNames(place)) await add(path === '' ? child : `${path}/${child}`);
      return;
    }
    const inode = `${stat.dev}:${stat.ino}`;
    const first = linked.get(inode);
    if (first !== undefined) return entry(archive, { ...header, type: 'link', linkname: first });
    if (stat.nlink > 1) linked.set(inode, name);
    if (stat.isSymbolicLink()) {
      return entry(archive, { ...header, type: 'symlink', linkname: readlinkSync(place) });
    }
    if (stat.isFile()) return addFile(archive, header, place);
    if (stat.isFIFO()) return entry(archive, { ...header, type: 'fifo' });
    // A socket is of a process, and devices are the host's.
    process.stderr.write(`WARNING: /${path}: a socket or a device, is left out\n`);
  };
  await add('');
  archive.finalize();
}

function bigIds({ uid, gid }: { uid: number; gid: number }): { pax?: Record<string, string> } {
  const pax = {
    ...(uid > mostUstarId ? { uid: String(uid) } : {}),
    ...(gid > mostUstarId ? { gid: String(gid) } : {}),
  };
  return Object.keys(pax).length === 0 ? {} : { pax };
}

function sortedNames(folder: string): readonly string[] {
  const names = readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare);
  return names.map((name) => {
    const text = name.toString();
    if (Buffer.from(text).equals(name)) return text;
    throw new Error(`${folder}/${text}: the name is not UTF-8`);
  });
}

function entry(archive: Pack, header: NewHeader, content: Buffer | null = null): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (content === null) archive.entry(header, done);
    else archive.entry(header, content, done);
  });
}

async function addFile(archive: Pack, header: NewHeader, place: string): Promise<void> {
  const fd = openSync(place, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size <= wholeBytes) return await entry(archive, { ...header, type: 'file', size }, readFileSync(fd));
    await new Promise<void>((resolve, reject) => {
      const sink = archive.entry({ ...header, type: 'file', size }, (error) => (error ? reject(error) : resolve()));
      const from = createReadStream(place, { fd, autoClose: false, start: 0, end: size - 1 });
      pipeline(from, sink as unknown as Writable).catch(reject);
    });
  } finally {
    closeSync(fd);
  }
}
