import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type OpenFile, openBelow } from '../http/open-file.ts';
import { maxScheduleBytes, readSchedule, type Schedule } from './schedule.ts';
import { planSnapshots, snapshotPattern } from './snapshots.ts';

/** Snapshots of schedules that were rendered here, in the folder of schedule.json. */
export interface SnapshotStore {
  /** Makes those that are due. Never rejects: `onProblem` is told. */
  take(schedule: Schedule): Promise<void>;
  /** Names of files, the newest of each kind first. */
  names(): Promise<readonly string[]>;
  /** As it is on disk, gzip; null: there is none of this name. */
  open(name: string): Promise<OpenFile | null>;
  /** Null: there is none of this name; rejects where it is damaged. */
  read(name: string): Promise<Schedule | null>;
}

export interface SnapshotOptions {
  readonly storageDir: string;
  readonly nowMs: () => number;
  readonly onProblem: (text: string) => void;
}

const fileMode = 0o600;

export const snapshotStore = ({ storageDir, nowMs, onProblem }: SnapshotOptions): SnapshotStore => {
  const dir = join(storageDir, 'schedule');
  const temporary = join(dir, '.tmp.snapshot');
  let last: Promise<void> = Promise.resolve();

  const present = async (): Promise<readonly string[]> => {
    const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.filter((name) => snapshotPattern.test(name));
  };

  const write = async (schedule: Schedule): Promise<void> => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const { make, remove } = planSnapshots(await present(), nowMs());
    if (make.length > 0) {
      const { timestamp, hash, data, origin } = schedule;
      const bytes = await promisify(gzip)(JSON.stringify({ timestamp, hash, data, origin }));
      // What a crash has left.
      await rm(temporary, { force: true });
      const file = await open(temporary, 'wx', fileMode);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      // One file on the disk, however many periods it stands for.
      for (const name of make) await link(temporary, join(dir, name));
      await rm(temporary);
    }
    for (const name of remove) await rm(join(dir, name), { force: true });
  };

  return {
    take(schedule) {
      last = last
        .then(() => write(schedule))
        .catch((error: Error) => onProblem(`snapshot of the schedule: ${error.message}`));
      return last;
    },
    names: async () => [...(await present())].sort().reverse(),
    open: (name) => (snapshotPattern.test(name) ? openBelow(dir, name) : Promise.resolve(null)),
    async read(name) {
      if (!snapshotPattern.test(name)) return null;
      const bytes = await readFile(join(dir, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (bytes === null) return null;
      const text = await promisify(gunzip)(bytes, { maxOutputLength: 2 * maxScheduleBytes });
      const schedule = readSchedule(JSON.parse(text.toString()));
      if ('error' in schedule) throw new Error(schedule.error);
      return schedule;
    },
  };
};

/** What is to be known of verwalter. */
export interface Rendered {
  status(): { readonly renderedHash: string | null };
  schedule(): Schedule | null;
  scheduleByHash(hash: string): Schedule | null;
  onChange(listener: () => void): () => void;
}

/** Takes snapshots of what is rendered, from now on. Returns the way to end it. */
export const snapshotRendered = (verwalter: Rendered, store: Pick<SnapshotStore, 'take'>): (() => void) => {
  let taken: string | null = null;
  const look = (): void => {
    const { renderedHash } = verwalter.status();
    if (renderedHash === null || renderedHash === taken) return;
    taken = renderedHash;
    const newest = verwalter.schedule();
    const schedule = newest?.hash === renderedHash ? newest : verwalter.scheduleByHash(renderedHash);
    if (schedule !== null) void store.take(schedule);
  };
  look();
  return verwalter.onChange(look);
};
