import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline, Readable, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { Refusal } from './refusal.ts';

const gzipMagic = Buffer.from([0x1f, 0x8b]);
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** By its first bytes: gzip (RFC 1952), zstd (RFC 8878) or plain. Media types are often wrong, these never. */
export async function decompressed(bytes: AsyncIterable<Buffer>): Promise<Readable> {
  const rest = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    head = Buffer.concat([head, next.value]);
    if (head.length >= zstdMagic.length) break;
  }
  const plain = Readable.from(startingWith(head, rest), { objectMode: false });
  if (head.subarray(0, zstdMagic.length).equals(zstdMagic)) return unpackedByZstd(plain);
  if (!head.subarray(0, gzipMagic.length).equals(gzipMagic)) return plain;
  // Errors of either destroy the decoder, which is what is read.
  return pipeline(plain, zlib.createGunzip(), () => {});
}

async function* startingWith(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function unpackedByZstd(plain: Readable): Promise<Readable> {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress !== undefined) return pipeline(plain, createZstdDecompress(), () => {});
  const child = spawn('zstd', ['-dcq'], { stdio: ['pipe', 'pipe', 'ignore'] });
  try {
    await once(child, 'spawn');
  } catch {
    throw new Refusal(`compressed by zstd, which needs the program zstd, or Node 22.15 (this is ${process.version})`);
  }
  // That it ended too early the digest of the content tells.
  pipeline(plain, child.stdin, (error) => {
    if (error) child.stdout.destroy(new Error(`zstd: ${error.message}`));
  });
  return child.stdout;
}
