import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AuditEntry } from '../../http/audit.ts';
import { type LogKeep, outdatedSegments } from './retention.ts';

/** As it is stored and shown: a JSON line each. */
export interface AuditRecord extends AuditEntry {
  /** RFC 3339, UTC. */
  readonly time: string;
  /** Refused requests of unknown people before it that were counted and not written. */
  readonly left_out?: number;
}

/**
 * Who changed, or tried to change, what on this node: LOG/.audit/audit.YYYYMMDD.json, one append a line. A log that cannot
 * be written stops nothing; `problem()` tells of it.
 */
export interface AuditLog {
  note(entry: AuditEntry): void;
  /** The newest ones since a time (ms since the epoch), oldest first. */
  read(sinceMs: number, limit: number): readonly AuditRecord[];
  problem(): string | null;
}

export interface AuditLogOptions {
  readonly dir: string;
  readonly keep: LogKeep;
  readonly nowMs: () => number;
}

/** A stranger who knocks all day must not push out what others did: of the unknown so many a minute are written. */
const mostUnknownPerMinute = 60;
/** A path or an error beyond it is cut. */
const mostText = 500;
/** So far back from the end of a day's file is looked. */
const readBytes = 4 * 1024 * 1024;
const filePattern = /^audit\.\d{8}\.json$/;

export const openAuditLog = ({ dir, keep, nowMs }: AuditLogOptions): AuditLog => {
  const folder = join(dir, '.audit');
  let problem: string | null = null;
  let day = '';
  let minute = 0;
  let unknown = 0;
  let leftOut = 0;

  const clean = (): void => {
    const segments = filesOf(folder).map((name) => {
      const path = join(folder, name);
      const { size, mtimeMs } = statSync(path);
      return { path, bytes: size, modifiedMs: mtimeMs, current: name === fileOf(day) };
    });
    for (const path of outdatedSegments(segments, keep, nowMs())) rmSync(path, { force: true });
  };

  /** True: one too many of those who are not known. */
  const isTooMany = ({ principal, status }: AuditEntry): boolean => {
    if (principal !== null || status < 400) return false;
    const now = Math.floor(nowMs() / 60_000);
    if (now !== minute) {
      minute = now;
      unknown = 0;
    }
    unknown += 1;
    return unknown > mostUnknownPerMinute;
  };

  return {
    problem: () => problem,
    note(entry) {
      if (isTooMany(entry)) {
        leftOut += 1;
        return;
      }
      const record: AuditRecord = {
        time: new Date(nowMs()).toISOString(),
        ...entry,
        path: entry.path.slice(0, mostText),
        error: entry.error?.slice(0, mostText) ?? null,
        ...(leftOut === 0 ? {} : { left_out: leftOut }),
      };
      try {
        const today = record.time.slice(0, 10).replaceAll('-', '');
        if (today !== day) {
          day = today;
          mkdirSync(folder, { recursive: true, mode: 0o700 });
          clean();
        }
        appendFileSync(join(folder, fileOf(today)), `${JSON.stringify(record)}\n`, { mode: 0o600 });
        leftOut = 0;
        problem = null;
      } catch (error) {
        day = '';
        problem = `the audit log cannot be written: ${(error as Error).message}`;
      }
    },
    read(sinceMs, limit) {
      const found: AuditRecord[] = [];
      for (const name of filesOf(folder).reverse()) {
        const lines = endOf(join(folder, name)).split('\n');
        for (const record of lines.reverse().flatMap(recordOf)) {
          if (Date.parse(record.time) < sinceMs || found.length >= limit) return found.reverse();
          found.push(record);
        }
      }
      return found.reverse();
    },
  };
};

const fileOf = (day: string): string => `audit.${day}.json`;

/** Oldest first. */
const filesOf = (folder: string): string[] => {
  try {
    return readdirSync(folder)
      .filter((name) => filePattern.test(name))
      .sort();
  } catch {
    return [];
  }
};

const endOf = (file: string): string => {
  try {
    const fd = openSync(file, 'r');
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(Math.min(size, readBytes));
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, size - bytes.length));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
};

/** A line that was cut, at the beginning of what was read or by a full disk, is none. */
const recordOf = (line: string): readonly AuditRecord[] => {
  try {
    const record = JSON.parse(line) as AuditRecord;
    return typeof record?.time === 'string' ? [record] : [];
  } catch {
    return [];
  }
};
