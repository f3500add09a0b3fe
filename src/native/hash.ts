/** Typed face of the `hash` addon (native/hash). */

import type { NativeFailure } from './container.ts';
import { loadAddon } from './load.ts';

/** Ids outside, from `outside` on, are ids inside from `inside` on; `count` of them. */
export interface IdSpan {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** Files to be hashed, and what of each (vagga 4, File list). */
export interface FileRequest {
  /** Absolute. */
  readonly root: string;
  /** Folder in `root` that the entries are relative to; empty for `root`. Symbolic links on the way stay within `root`. */
  readonly below: string;
  /** Each ends with NUL; in the order of the hash. `.` is the folder itself. */
  readonly entries: Buffer;
  /** Stands before `/` and the entry in what is hashed. */
  readonly prefix: string;
  readonly form: 'copy' | 'depends' | 'content';
  /** Of copy: modes as they are, or by `umask`. */
  readonly preserveModes: boolean;
  readonly umask: number;
  /** Of copy: -1 is the file's own. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  /** Empty: ids as they are. */
  readonly uidMap: readonly IdSpan[];
  readonly gidMap: readonly IdSpan[];
}

/** An opaque list of files as they were when they were looked at. */
export type FileList = object & { readonly __fileList: unique symbol };

export interface LookedAt {
  readonly list: FileList;
  /** BLAKE2b-512 over the request and path, device, inode, mode, owner, size and times of each entry. */
  readonly fingerprint: Buffer;
  /** The latest ctime of a file or symbolic link, ns since the epoch. */
  readonly newestChangeNs: bigint;
  readonly entries: number;
  /** Of all files' contents. */
  readonly bytes: number;
}

export interface HashedFile {
  /** Relative to the request's folder. */
  readonly path: string;
  /** Keys and values as they went into the hash, each with NUL behind it. */
  readonly head: string;
  readonly size: number;
  /** BLAKE2b-256 of a file's content, as `b2sum -l 256`; null for folders and symbolic links. */
  readonly digest: Buffer | null;
  /** Of a symbolic link; null for others. */
  readonly target: string | null;
}

/** ESTALE stands for a file that changed while it was read. Nothing here throws for what the kernel refuses. */
export interface HashAddon {
  /** The state of a BLAKE2b whose digest has so many bytes (1 to 64). */
  initial(digestSize: number): Buffer;
  update(state: Buffer, bytes: Buffer): Buffer;
  digest(state: Buffer): Buffer;
  /**
   * What is in each folder, in the order of the names' bytes: a kind (d folder, f file, l symbolic link, o else), the
   * name, NUL; behind each folder one more NUL. Folders (each with NUL behind it) are relative to `below` in `root`.
   */
  listFolders(root: string, below: string, folders: Buffer, threads: number): Promise<Buffer | NativeFailure>;
  lookAtFiles(request: FileRequest, threads: number): Promise<LookedAt | NativeFailure>;
  /** Feeds the list to the hash. `files` is there where `withDetails` was wanted and the list is not empty. */
  hashFiles(
    list: FileList,
    state: Buffer,
    threads: number,
    withDetails: boolean,
  ): Promise<{ readonly state: Buffer; readonly files?: readonly HashedFile[] } | NativeFailure>;
}

let addon: HashAddon | undefined;

export function hashAddon(): HashAddon {
  addon ??= loadAddon('hash') as HashAddon;
  return addon;
}
