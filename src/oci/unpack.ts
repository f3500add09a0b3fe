import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { decompressed } from './compression.ts';
import { applyLayer, type LayerContext } from './layer.ts';
import type { Layer } from './layout.ts';
import { Refusal } from './refusal.ts';
import type { Source } from './source.ts';

/** Unpacks a layer over what is there; its bytes are hashed on both sides of the decompression. `part`: from 0 to 1. */
export async function unpackLayer(
  source: Source,
  { name, digest, diffId }: Layer,
  context: LayerContext,
  part: (done: number) => void,
): Promise<void> {
  const [packed, plain] = [createHash('sha256'), createHash('sha256')];
  const size = source.sizeOf(name);
  let read = 0;
  const blob = hashed(source.open(name), packed, (bytes) => {
    read += bytes;
    part(size === 0 ? 1 : read / size);
  });
  try {
    const tar = padded(hashed(await decompressed(blob), plain, () => {}));
    await applyLayer(Readable.from(tar, { objectMode: false }), context);
  } catch (error) {
    // Those of the file system have a path; the others are about what was read.
    if (error instanceof Refusal || (error as NodeJS.ErrnoException).path !== undefined) throw error;
    throw new Refusal(`${name}: damaged: ${(error as Error).message}`);
  }
  if (digest !== null && packed.digest('hex') !== digest) throw new Refusal(`${name}: its content has another digest`);
  if (plain.digest('hex') !== diffId) throw new Refusal(`${name}: its files have another digest than sha256:${diffId}`);
}

const tarBlock = 512;

/** Some writers leave out the end of the last block (tar(5)); whether anything is missing the digests tell. */
async function* padded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    yield chunk;
  }
  yield Buffer.alloc((tarBlock - (bytes % tarBlock)) % tarBlock);
}

async function* hashed(
  chunks: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
  told: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    told(chunk.length);
    yield chunk;
  }
}
