import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { partName } from '../part-name.ts';

/** Blobs of all images under their digests (sha256 in hex): what is there is whole, and was checked when it came. */
export interface BlobCache {
  has(digest: string): boolean;
  read(digest: string): Promise<Buffer>;
  open(digest: string): Readable;
  sizeOf(digest: string): number;
  /**
   * Keeps what has this digest and at most so many bytes; anything else is thrown away, with an error that names
   * `what`. Two processes may bring the same.
   */
  keep(digest: string, what: string, mostBytes: number, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}

export function blobCache(folder: string): BlobCache {
  const place = (digest: string): string => join(folder, digest);
  return {
    has: (digest) => existsSync(place(digest)),
    read: (digest) => readFile(place(digest)),
    open: (digest) => createReadStream(place(digest)),
    sizeOf: (digest) => statSync(place(digest)).size,
    async keep(digest, what, mostBytes, bytes) {
      mkdirSync(folder, { recursive: true });
      const part = partName(place(digest));
      // Opened by now, so that no late open brings back what was removed.
      const fd = openSync(part, 'w');
      const hash = createHash('sha256');
      let size = 0;
      async function* checked(): AsyncGenerator<Uint8Array> {
        for await (const chunk of bytes) {
          size += chunk.length;
          if (size > mostBytes) throw new Error(`more than the ${mostBytes} bytes that were announced`);
          hash.update(chunk);
          yield chunk;
        }
      }
      try {
        await pipeline(checked(), createWriteStream(part, { fd }));
        const found = hash.digest('hex');
        if (found !== digest) throw new Error(`its content has the digest sha256:${found}; expected sha256:${digest}`);
        renameSync(part, place(digest));
      } catch (error) {
        rmSync(part, { force: true });
        throw new Error(`${what}: ${(error as Error).message}`);
      }
    },
  };
}
