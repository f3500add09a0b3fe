import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { entryPath, putFile, putFolder, putHardLink, putLink, type Target } from './archive-entry.ts';

export type Compression = 'none' | 'gzip' | 'xz' | 'bzip2' | 'zstd';

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
];

/** By the first bytes of a file, whatever its name says. */
export function compressionOf(start: Uint8Array): Compression {
  return magics.find(([, magic]) => magic.every((byte, index) => start[index] === byte))?.[0] ?? 'none';
}

/** Unpacks the archive at `file` of the host. Hard links come last: their targets may follow them. */
export async function unpackTar(file: string, target: Target): Promise<void> {
  const { stream, ended } = await decompressed(file);
  const links: { readonly path: string; readonly to: string }[] = [];
  let entries = 0;
  const archive = extract();
  stream.on('error', (error) => archive.destroy(error));
  stream.pipe(archive);
  try {
    for await (const entry of archive) {
      const { name, type, mode = 0o644, mtime, linkname } = entry.header;
      const path = entryPath(name, target.subdir);
      if (path !== null) {
        entries += 1;
        if (type === 'directory') putFolder(target, path, mode);
        else if (type === 'symlink') putLink(target, path, linkname ?? '');
        else if (type === 'link') {
          const to = entryPath(linkname ?? '', target.subdir);
          if (to === null)
            throw new Error(`"${name}" is a hard link to ${linkname}, which is outside ${target.subdir}`);
          links.push({ path, to });
        } else if (type === 'file' || type === 'contiguous-file') {
          await putFile(target, path, mode, mtime ?? null, entry as unknown as AsyncIterable<Uint8Array>);
          continue;
        }
        // Devices and pipes cannot be made without real root, and /dev is the host's anyway.
      }
      entry.resume();
    }
    await ended;
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
  for (const { path, to } of links) putHardLink(target, path, to);
  if (target.subdir !== '' && entries === 0) throw new Error(`${file}: no ${target.subdir} in the archive`);
}

export interface Decompressed {
  readonly stream: Readable;
  /** Rejects where the program that decompresses fails. */
  readonly ended: Promise<void>;
}

/** What is compressed in a file, or in the `part` of it that begins at a byte. */
export async function decompressed(
  file: string,
  part: () => Readable = () => createReadStream(file),
  startsAt = 0,
): Promise<Decompressed> {
  const handle = await open(file);
  const start = new Uint8Array(8);
  await handle.read(start, 0, start.length, startsAt);
  await handle.close();
  const compression = compressionOf(start);
  switch (compression) {
    case 'none':
      return { stream: part(), ended: Promise.resolve() };
    case 'gzip': {
      const from = part();
      const stream = from.pipe(createGunzip());
      from.on('error', (error) => stream.destroy(error));
      return { stream, ended: Promise.resolve() };
    }
    case 'xz':
    case 'bzip2':
    case 'zstd':
      return throughProgram(compression, part());
    default:
      return compression satisfies never;
  }
}

function throughProgram(program: string, from: Readable): Decompressed {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      const problem = error.code === 'ENOENT' ? new Error(`${program} is not installed on this host`) : error;
      child.stdout.destroy(problem);
      reject(problem);
    });
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ended with exit code ${code}`)),
    );
  });
  ended.catch(() => undefined); // told by whoever awaits it, or by the stream first
  child.stdin.on('error', () => undefined); // it has ended, and `ended` says how
  from.on('error', (error) => child.stdout.destroy(error));
  from.pipe(child.stdin);
  return { stream: child.stdout, ended };
}
