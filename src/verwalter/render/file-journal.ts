import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What a destination held before this role's first write; null = it was not there. */
interface Before {
  readonly bytes: Buffer | null;
  readonly mode: number;
}

/** Files that one run of a role wrote, and how to take it back. */
export interface FileJournal {
  /** Puts bytes in place as a whole; false where the same bytes were there already. Throws the system's error. */
  write(dest: string, bytes: Buffer, mode: number | null): boolean;
  written(): readonly string[];
  /** Puts back everything, newest first; returns what could not be put back. */
  restore(): readonly string[];
}

const defaultMode = 0o644;

/** Write, fsync, rename, fsync of the folder: after a power cut the old file is there or the new one. */
export const replaceFile = (dest: string, bytes: Uint8Array, mode: number): void => {
  const temporary = join(dirname(dest), `.tmp.${basename(dest)}`);
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', mode);
  try {
    let done = 0;
    while (done < bytes.length) done += writeSync(fd, bytes, done);
    fchmodSync(fd, mode);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, dest);
  const folder = openSync(dirname(dest), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};

const read = (dest: string): Before => {
  try {
    return { bytes: readFileSync(dest), mode: statSync(dest).mode & 0o7777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { bytes: null, mode: defaultMode };
    throw error;
  }
};

export const startJournal = (): FileJournal => {
  const before = new Map<string, Before>();
  return {
    write(dest, bytes, mode) {
      const present = read(dest);
      const wanted = mode ?? present.mode;
      if (present.bytes?.equals(bytes) === true && present.mode === wanted) return false;
      if (!before.has(dest)) before.set(dest, present);
      replaceFile(dest, bytes, wanted);
      return true;
    },
    written: () => [...before.keys()],
    restore() {
      const failed: string[] = [];
      for (const [dest, { bytes, mode }] of [...before].reverse()) {
        try {
          if (bytes === null) rmSync(dest, { force: true });
          else replaceFile(dest, bytes, mode);
        } catch (error) {
          failed.push(`${dest}: ${(error as Error).message}`);
        }
      }
      before.clear();
      return failed;
    },
  };
};
