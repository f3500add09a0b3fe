import type { IndexDifference } from './image-index.ts';
import type { LinkedFiles } from './link-identical.ts';

/** What a worker is told to do with roots; folders are those of builds, which have `root`. */
export type WorkerJob =
  /** Writes the index of each. */
  | { readonly kind: 'index'; readonly folders: readonly string[]; readonly threads: number }
  /** Compares with the index. */
  | { readonly kind: 'verify'; readonly folder: string; readonly threads: number }
  /** Makes files that are the same one; those of the first folders stay as they are. All have indexes. */
  | { readonly kind: 'link'; readonly folders: readonly string[] };

export type WorkerResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'verified'; readonly difference: IndexDifference }
  | { readonly kind: 'linked'; readonly linked: LinkedFiles }
  | { readonly kind: 'failed'; readonly problem: string };
