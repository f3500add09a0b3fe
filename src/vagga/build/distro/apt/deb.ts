import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { decompressed } from '../../tar.ts';
import { unpackOwned } from '../unpack-owned.ts';

export interface ArMember {
  readonly name: string;
  /** Where its bytes are in the file. */
  readonly offset: number;
  readonly size: number;
}

const magic = '!<arch>\n';
const headerBytes = 60;

/** Members of an ar archive (ar(5)) of `length` bytes, read by `at(offset, size)`. Throws on what is none. */
export function arMembers(length: number, at: (offset: number, size: number) => Buffer): readonly ArMember[] {
  if (length < magic.length || at(0, magic.length).toString('latin1') !== magic) throw new Error('not an ar archive');
  const members: ArMember[] = [];
  for (let offset = magic.length; offset < length; ) {
    if (offset + headerBytes > length) throw new Error('an ar header is cut off');
    const header = at(offset, headerBytes).toString('latin1');
    const size = /^\d+$/.exec(header.slice(48, 58).trim())?.[0];
    if (size === undefined || header.slice(58) !== '`\n') throw new Error(`no ar header at byte ${offset}`);
    const start = offset + headerBytes;
    if (start + Number(size) > length) throw new Error('an ar member is cut off');
    members.push({ name: header.slice(0, 16).trim().replace(/\/$/, ''), offset: start, size: Number(size) });
    offset = start + Number(size) + (Number(size) % 2); // members begin at even bytes
  }
  return members;
}

/** Puts the files of a .deb (deb(5)) into a root; no script is run. */
export async function unpackDeb(file: string, length: number, root: string): Promise<void> {
  const fd = openSync(file, 'r');
  let members: readonly ArMember[];
  try {
    members = arMembers(length, (offset, size) => {
      const bytes = Buffer.alloc(size);
      readSync(fd, bytes, 0, size, offset);
      return bytes;
    });
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  } finally {
    closeSync(fd);
  }
  const data = members.find((member) => member.name.startsWith('data.tar'));
  if (data === undefined) throw new Error(`${file}: no data.tar in it`);
  const part = (): Readable => createReadStream(file, { start: data.offset, end: data.offset + data.size - 1 });
  const { stream, ended } = await decompressed(file, part, data.offset);
  await unpackOwned(stream, root);
  await ended;
}
