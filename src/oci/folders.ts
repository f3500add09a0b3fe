import { chmodSync, lstatSync, lutimesSync, realpathSync } from 'node:fs';

/** Modes and times that folders of an image get once nothing is written into them any more. */
export interface Folders {
  record(path: string, mode: number, mtime: Date): void;
  /** Whatever was at this path, or below it, is gone. */
  forget(path: string): void;
  /** Sets them all, inner folders first: a mode can close the way to them. Never follows a link that the image brought. */
  settle(): void;
}

export function recordedFolders(root: string): Folders {
  const folders = new Map<string, { readonly mode: number; readonly mtime: Date }>();
  return {
    record: (path, mode, mtime) => void folders.set(path, { mode, mtime }),
    forget(path) {
      folders.delete(path);
      for (const each of folders.keys()) if (each.startsWith(`${path}/`)) folders.delete(each);
    },
    settle() {
      const realRoot = realpathSync(root);
      for (const [path, { mode, mtime }] of [...folders].reverse()) {
        if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
        // The last line of defence against a link on the way to it: such a path is somebody else's folder.
        if (realpathSync(path) !== realRoot + path.slice(root.length)) continue;
        chmodSync(path, mode);
        lutimesSync(path, mtime, mtime);
      }
    },
  };
}
