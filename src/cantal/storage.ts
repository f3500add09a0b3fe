import { readFileSync, renameSync } from 'node:fs';
import { link, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../cluster/durable-file.ts';
import type { Scanner } from '../native/scanner.ts';

/** The last snapshot on disk. */
export interface StorageStatus {
  /** When it was begun, milliseconds since the epoch. */
  readonly time: number;
  /** Of the newest scan in it. */
  readonly timestamp: number;
  /** Until it was on disk, ms. */
  readonly duration: number;
  /** Bytes. */
  readonly size: number;
}

export interface StorageOptions {
  readonly scanner: Pick<Scanner, 'saveHistory' | 'restoreHistory' | 'snapshot'>;
  readonly folder: string;
  readonly keepHistoryMs: number;
  readonly log: (message: string) => void;
  /** Told where no snapshot can be made any more, for a reason that lies in this process; default: it is said. */
  readonly ended?: (error: Error) => void;
  /** For tests; default 60 s (spec cantal 5.5). */
  readonly everyMs?: number;
  /** For tests; default 256 MiB. */
  readonly mostBytes?: number;
}

export interface Storage {
  /** Null until the first snapshot is on disk. */
  status(): StorageStatus | null;
  /** One more snapshot, then no more. */
  stop(): Promise<void>;
}

const current = 'current.history';
/** Kept for whoever wants to know what damaged it; the next damaged one takes its place. */
const aside = 'damaged.history';
const hourly = /^hourly-(\d+)\.history$/;
const msPerHour = 3_600_000;
const hoursKept = 36;
const usualEveryMs = 60_000;
/** Ten times what 10 000 metrics need. */
const usualMostBytes = 256 * 1024 * 1024;
/** A mishap is said again only after it has ended. */
type Mishap = 'none' | 'write' | 'size';

/** Takes back the hour that the last run left; to be called before the first scan. Never throws: what fails is said. */
export function restoreHistory({ scanner, folder, log }: StorageOptions, nowMs: number): void {
  const path = join(folder, current);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      log(`${path} cannot be read, the history starts empty: ${(error as Error).message}`);
    }
    return;
  }
  const { problem, newerScans } = scanner.restoreHistory(bytes, nowMs);
  if (newerScans > 0)
    log(`${path}: ${newerScans} scans are newer than now, as the clock was set back; they are left out`);
  if (problem === null) return;
  const place = join(folder, aside);
  try {
    renameSync(path, place);
    log(`${path} cannot be used: ${problem}; it is kept as ${place}, the history starts empty`);
  } catch (error) {
    log(`${path} cannot be used: ${problem}; nor can it be set aside: ${(error as Error).message}`);
  }
}

/**
 * Writes the history each minute: beside the old file, then in its place. A slow disk makes snapshots rarer, it never
 * lets them queue. Where an hour or more is kept, the first of each hour stays for 36 hours.
 */
export function startStorage(options: StorageOptions): Storage {
  const { scanner, folder, keepHistoryMs, log, everyMs = usualEveryMs, mostBytes = usualMostBytes } = options;
  let status: StorageStatus | null = null;
  let mishap: Mishap = 'none';
  let stopping = false;
  let running: Promise<void> = Promise.resolve();
  let busy = false;

  const fails = (what: Mishap, message: string): void => {
    if (mishap !== what) log(message);
    mishap = what;
  };

  const save = async (): Promise<void> => {
    const time = Date.now();
    const { timestamp } = scanner.snapshot();
    if (timestamp === 0) return;
    const path = join(folder, current);
    let bytes: Buffer;
    try {
      bytes = await scanner.saveHistory();
    } catch (error) {
      if (options.ended === undefined) fails('write', `no snapshot can be made: ${(error as Error).message}`);
      else options.ended(error as Error);
      return;
    }
    // A hanging disk must hold nobody up but its own thread of the pool: no call that waits for it here.
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (bytes.length > mostBytes) {
        fails('size', `${path} is not written: the history takes ${bytes.length} bytes, and ${mostBytes} are allowed`);
        return;
      }
      await writeDurably(path, bytes, 0o600);
      if (keepHistoryMs >= msPerHour) await keepHourly(folder, path, time);
      status = { time, timestamp, duration: Date.now() - time, size: bytes.length };
      mishap = 'none';
    } catch (error) {
      fails('write', `${path} cannot be written, the former one stays: ${(error as Error).message}`);
    }
  };

  const timer = setInterval(() => {
    if (busy || stopping) return;
    busy = true;
    running = save().finally(() => {
      busy = false;
    });
  }, everyMs);
  return {
    status: () => status,
    async stop() {
      if (stopping) return;
      stopping = true;
      clearInterval(timer);
      await running;
      await save();
    },
  };
}

async function keepHourly(folder: string, path: string, nowMs: number): Promise<void> {
  const hour = Math.floor(nowMs / msPerHour);
  // A link: the next snapshot takes the name `current`, not the bytes. One that is there already is of this hour.
  await link(path, join(folder, `hourly-${hour}.history`)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  for (const name of await readdir(folder)) {
    const of = Number(hourly.exec(name)?.[1] ?? hour);
    if (hour - of > hoursKept) await rm(join(folder, name), { force: true });
  }
}
