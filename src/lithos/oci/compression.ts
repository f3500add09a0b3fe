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
  const decoder = decoderOf(head);
  if (decoder === null) return plain;
  // Errors of either destroy the decoder, which is what is read.
  return pipeline(plain, decoder, () => {});
}

async function* startingWith(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

function decoderOf(head: Buffer): Transform | null {
  if (head.subarray(0, gzipMagic.length).equals(gzipMagic)) return zlib.createGunzip();
  if (!head.subarray(0, zstdMagic.length).equals(zstdMagic)) return null;
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new Refusal(`compressed by zstd, which Node ${process.version} cannot read; expected gzip, or Node 22.15`);
}
