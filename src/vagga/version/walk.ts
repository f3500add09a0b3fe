import { isFailure, type NativeFailure } from '../../native/container.ts';
import { hashAddon } from '../../native/hash.ts';
import type { Judge } from './rules.ts';

export interface Walked {
  readonly kind: 'walked';
  /** Relative to the start, in the order of their parts' bytes, each once; the start itself is not among them. */
  readonly paths: readonly string[];
  /** Those that were listed, the start itself as an empty text. */
  readonly folders: readonly string[];
  readonly warnings: readonly string[];
}

interface Folder {
  readonly path: string;
  entries: readonly Entry[];
}

interface Entry {
  readonly path: string;
  readonly taken: boolean;
  /** What is in it, where it is a folder that was looked into. */
  readonly folder: Folder | null;
}

const mostWarnings = 10;

/**
 * What is taken below a folder, with the folders on the way to it. Symbolic links are entries and never followed.
 * `start` is relative to `root`; empty for `root` itself.
 */
export async function walk(
  root: string,
  start: string,
  judge: Judge,
  threads: number,
): Promise<Walked | NativeFailure> {
  const addon = hashAddon();
  const top: Folder = { path: '', entries: [] };
  const warnings: string[] = [...judge.warnings];
  const folders: string[] = [];
  const say = (warning: string): void => {
    if (warnings.length < mostWarnings) warnings.push(warning);
  };
  // Level by level: all folders of one level are listed in parallel.
  for (let level: readonly Folder[] = [top]; level.length > 0; ) {
    const names = Buffer.from(level.map(({ path }) => `${path === '' ? '.' : path}\0`).join(''));
    const listed = await addon.listFolders(root, start, names, threads);
    if (isFailure(listed)) return listed;
    const texts = listed.toString('utf8').split('\0');
    const next: Folder[] = [];
    let at = 0;
    for (const folder of level) {
      folders.push(folder.path);
      const prefix = folder.path === '' ? '' : `${folder.path}/`;
      const entries: Entry[] = [];
      for (let text = texts[at++]; text !== undefined && text !== ''; text = texts[at++]) {
        const path = prefix + text.slice(1);
        const isFolder = text.startsWith('d');
        const taken = judge.takes(path, isFolder);
        if (text.startsWith('o')) {
          if (taken) say(`${path} is neither file, folder nor symbolic link: left out`);
          continue;
        }
        const inner = isFolder && !judge.prunes(path) ? { path, entries: [] } : null;
        if (isFolder && !taken && inner === null && judge.takes(path, false)) {
          say(`a rule names the folder ${path}, and so takes nothing of it; write /${path}/ to take what is in it`);
        }
        if (inner !== null) next.push(inner);
        if (taken || inner !== null) entries.push({ path, taken, folder: inner });
      }
      folder.entries = entries;
    }
    level = next;
  }
  const paths: string[] = [];
  collect(top, paths);
  return { kind: 'walked', paths, folders, warnings };
}

/** Folders first, what is in them behind them: names are in order within each folder already. */
function collect(folder: Folder, paths: string[]): void {
  for (const entry of folder.entries) {
    const before = paths.length;
    paths.push(entry.path);
    if (entry.folder !== null) collect(entry.folder, paths);
    // Nothing in it was taken, nor the folder for itself.
    if (!entry.taken && paths.length === before + 1) paths.pop();
  }
}
