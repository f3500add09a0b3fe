import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { decompressed } from './compression.ts';
import { Refusal } from './refusal.ts';

/** The files of a layout or an archive, by their names in it. */
export interface Source {
  has(name: string): boolean;
  /** A small file, as JSON texts are. */
  read(name: string): Buffer | Promise<Buffer>;
  open(name: string): Readable;
  sizeOf(name: string): number;
}

const mostJsonBytes = 16 * 1024 ** 2;

/** A folder is read where it is; an archive is unpacked into `scratch`, files only, under names that cannot leave it. */
export async function openSource(path: string, scratch: string): Promise<Source> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new Refusal(`${path} is not there`);
  if (stats.isDirectory()) return folderSource(path, new Map());
  const links = new Map<string, string>();
  mkdirSync(scratch, { recursive: true });
  try {
    const unpack = extract();
    const feeding = pipeline(await decompressed(createReadStream(path)), unpack);
    feeding.catch(() => {}); // told below, where the reading ends
    for await (const entry of unpack) {
      const name = posix.normalize(`/${entry.header.name}`).slice(1);
      if (entry.header.type === 'symlink' || entry.header.type === 'link') {
        // docker save of old: a layer that another image has too.
        const from = entry.header.type === 'symlink' ? posix.dirname(name) : '';
        links.set(name, posix.normalize(`/${from}/${entry.header.linkname ?? ''}`).slice(1));
      }
      if (entry.header.type === 'file' && name !== '' && !name.endsWith('/') && !name.includes('\0')) {
        const file = join(scratch, name);
        mkdirSync(dirname(file), { recursive: true });
        await pipeline(Readable.from(entry), createWriteStream(file, { mode: 0o600 }));
      } else entry.resume();
    }
    await feeding;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(`no archive: ${(error as Error).message}`);
  }
  return folderSource(scratch, links);
}

function folderSource(dir: string, links: ReadonlyMap<string, string>): Source {
  const place = (name: string): string => {
    const clean = posix.normalize(`/${name}`).slice(1);
    return join(dir, links.get(clean) ?? clean);
  };
  return {
    has: (name) => existsSync(place(name)),
    sizeOf: (name) => statSync(place(name)).size,
    open: (name) => createReadStream(place(name)),
    read(name) {
      const size = statSync(place(name), { throwIfNoEntry: false })?.size;
      if (size === undefined) throw new Refusal(`${name} is not in the image`);
      if (size > mostJsonBytes) throw new Refusal(`${name}: ${size} bytes; expected at most ${mostJsonBytes}`);
      return readFileSync(place(name));
    },
  };
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
