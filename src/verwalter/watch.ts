import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

/** Writers drop several files at once: look when nothing has moved for this long. */
const quietMs = 200;
/** … but not later than this, should somebody write all the time. */
const noisyMs = 10_000;
/** inotify sees no network file system and may be out of watches. */
const pollMs = 5_000;

/**
 * Calls `changed` after files below the folders were changed, and every 5 s in any case; returns the way to stop.
 * The listener decides by content whether anything is new.
 */
export const watchFolders = (folders: readonly string[], changed: () => void): (() => void) => {
  let watchers: FSWatcher[] = [];
  let quiet: NodeJS.Timeout | undefined;
  let firstNoise: number | undefined;

  const look = (): void => {
    quiet = undefined;
    firstNoise = undefined;
    rewatch();
    changed();
  };
  const noise = (): void => {
    const now = performance.now();
    firstNoise ??= now;
    clearTimeout(quiet);
    quiet = setTimeout(look, Math.max(0, Math.min(quietMs, firstNoise + noisyMs - now)));
    quiet.unref();
  };
  const rewatch = (): void => {
    for (const watcher of watchers) watcher.close();
    watchers = [];
    const add = (folder: string): void => {
      try {
        const watcher = watch(folder, { persistent: false }, noise);
        watcher.on('error', () => watcher.close());
        watchers.push(watcher);
        for (const entry of readdirSync(folder, { withFileTypes: true })) {
          if (!entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
            add(join(folder, entry.name));
        }
      } catch {
        // Not there yet, a file, or no watches left: the poll finds it.
      }
    };
    for (const folder of folders) add(folder);
  };
  rewatch();
  const poll = setInterval(() => changed(), pollMs);
  poll.unref();
  return () => {
    clearInterval(poll);
    clearTimeout(quiet);
    for (const watcher of watchers) watcher.close();
  };
};
