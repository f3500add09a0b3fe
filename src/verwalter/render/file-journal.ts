import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What stood at a path before this role's first change of it. */
type Before =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'link'; readonly target: string }
  | {
      readonly kind: 'file';
      readonly bytes: Buffer;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** Rights of a file; null: as the file that is there has it, or 0644 and our own user. */
export interface WantedRights {
  readonly mode: number | null;
  readonly uid: number | null;
  readonly gid: number | null;
}

/** Files that one run of a role changed, and how to take it back. Each throws the system's error. */
export interface FileJournal {
  /** Puts bytes in place as a whole; the bytes that were there before, or null; 'same' where nothing had to be done. */
  write(dest: string, bytes: Buffer, rights: WantedRights): Buffer | null | 'same';
  remove(path: string): void;
  /** Makes `path` a link to `target` by one rename. Refuses to take the place of anything but a link. */
  point(path: string, target: string): void;
  changed(): readonly string[];
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

const lookAt = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

const before = (path: string): Before => {
  const stat = lookAt(path);
  if (stat === undefined) return { kind: 'nothing' };
  if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(path) };
  return { kind: 'file', bytes: readFileSync(path), mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
};

const replaceLink = (path: string, target: string): void => {
  const temporary = join(dirname(path), `.tmp.${basename(path)}`);
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, path);
};

const chownIfOther = (path: string, uid: number | null, gid: number | null): void => {
  const stat = statSync(path);
  if ((uid ?? stat.uid) === stat.uid && (gid ?? stat.gid) === stat.gid) return;
  chownSync(path, uid ?? stat.uid, gid ?? stat.gid);
};

export const startJournal = (): FileJournal => {
  const old = new Map<string, Before>();
  const remember = (path: string): Before => {
    const present = before(path);
    if (!old.has(path)) old.set(path, present);
    return present;
  };
  const putBack = (path: string, was: Before): void => {
    switch (was.kind) {
      case 'nothing':
        rmSync(path, { force: true });
        return;
      case 'link':
        replaceLink(path, was.target);
        return;
      case 'file':
        replaceFile(path, was.bytes, was.mode);
        chownIfOther(path, was.uid, was.gid);
        return;
      default:
        was satisfies never;
    }
  };
  return {
    write(dest, bytes, rights) {
      const present = before(dest);
      const file = present.kind === 'file' ? present : null;
      const mode = rights.mode ?? file?.mode ?? defaultMode;
      const uid = rights.uid ?? file?.uid ?? null;
      const gid = rights.gid ?? file?.gid ?? null;
      const same = file?.bytes.equals(bytes) === true;
      if (same && file.mode === mode && uid === file.uid && gid === file.gid) return 'same';
      remember(dest);
      replaceFile(dest, bytes, mode);
      chownIfOther(dest, uid, gid);
      return file?.bytes ?? null;
    },
    remove(path) {
      remember(path);
      rmSync(path, { force: true });
    },
    point(path, target) {
      const stat = lookAt(path);
      if (stat !== undefined && !stat.isSymbolicLink()) {
        throw new Error(`${path} is there and is no link; move it away, so that a link can take its place`);
      }
      remember(path);
      replaceLink(path, target);
    },
    changed: () => [...old.keys()],
    restore() {
      const failed: string[] = [];
      for (const [path, was] of [...old].reverse()) {
        try {
          putBack(path, was);
        } catch (error) {
          failed.push(`${path}: ${(error as Error).message}`);
        }
      }
      old.clear();
      return failed;
    },
  };
};
