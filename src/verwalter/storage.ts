import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './render/file-journal.ts';
import { readSchedule, type Schedule } from './schedule.ts';

const fileOf = (storageDir: string): string => join(storageDir, 'schedule', 'schedule.json');

/** The last schedule of this node; null where there is none, and an error where it is damaged. */
export const loadSchedule = (storageDir: string): Schedule | null | { readonly error: string } => {
  const file = fileOf(storageDir);
  try {
    const schedule = readSchedule(JSON.parse(readFileSync(file, 'utf8')));
    return 'error' in schedule ? { error: `${file}: ${schedule.error}` } : schedule;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return { error: `${file}: ${(error as Error).message}` };
  }
};

/** Throws the system's error. */
export const saveSchedule = (storageDir: string, schedule: Schedule): void => {
  mkdirSync(join(storageDir, 'schedule'), { recursive: true, mode: 0o700 });
  const { timestamp, hash, data, origin } = schedule;
  replaceFile(fileOf(storageDir), Buffer.from(JSON.stringify({ timestamp, hash, data, origin })), 0o600);
};
