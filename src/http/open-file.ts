import { constants } from 'node:fs';
import { lstat, open, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** A file as it was when it was opened: what is appended later is not in it, and its name may be gone meanwhile. */
export interface OpenFile {
  /** Bytes. */
  readonly size: number;
  readonly modifiedMs: number;
  /** Another one after each change. */
  readonly etag: string;
  /** Fewer bytes than asked for where the file has been cut. Rejects with the system's error. */
  read(at: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * Opens a regular file below a folder. Null: there is none, or `path` leads out of the folder, by `..`, by being absolute
 * or by a symbolic link (which may otherwise be part of it). What the kernel opened is looked at, not what it was asked
 * for: a link that is put in place in between leads nowhere. Rejects where the system refuses to read it.
 */
export async function openBelow(folder: string, path: string): Promise<OpenFile | null> {
  if (path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..')) return null;
  let inside: string;
  try {
    inside = await realpath(folder);
    const real = await realpath(join(inside, path));
    // A device or a pipe may do something already when it is opened.
    if (!isBelow(inside, real) || !(await lstat(real)).isFile()) return null;
    const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat({ bigint: true });
      if (!stat.isFile() || !isBelow(inside, await readlink(`/proc/self/fd/${handle.fd}`))) {
        await handle.close();
        return null;
      }
      return {
        size: Number(stat.size),
        modifiedMs: Number(stat.mtimeMs),
        etag: `"${[stat.ino, stat.size, stat.mtimeNs].map((part) => part.toString(36)).join('-')}"`,
        async read(at, length) {
          const buffer = Buffer.allocUnsafe(length);
          let done = 0;
          while (done < length) {
            const { bytesRead } = await handle.read(buffer, done, length - done, at + done);
            if (bytesRead === 0) break;
            done += bytesRead;
          }
          return buffer.subarray(0, done);
        },
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && absent.includes(code)) return null;
    throw error;
  }
}

const absent: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO'];

const isBelow = (folder: string, path: string): boolean => path.startsWith(folder === '/' ? folder : `${folder}/`);
