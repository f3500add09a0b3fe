import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { containerAddon } from '../native/container.ts';
import { type LogLevel, logLevels } from './config/master-config.ts';

/** Messages of the supervisor (lithos 4.8): `[RFC 3339][LEVEL] text`, in a file, on standard error, or to syslog(3). */
export interface TreeLog {
  error(text: string): void;
  warn(text: string): void;
  info(text: string): void;
  debug(text: string): void;
  /** After the file was moved away. */
  reopen(): void;
}

export type LogPlace =
  | { readonly kind: 'stderr' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'syslog'; readonly facility: number; readonly name: string };

/** syslog(3): LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG, and once more. */
const priorities = [3, 4, 6, 7, 7] as const;
const standardError = 2;

/** Throws where the file cannot be opened at first; later a message is lost rather than the supervisor. */
export function treeLog(place: LogPlace, most: LogLevel, now: () => Date = () => new Date()): TreeLog {
  let fd = place.kind === 'file' ? openLog(place.path) : standardError;
  if (place.kind === 'syslog') containerAddon().openSyslog(place.name, place.facility);
  const write =
    (level: LogLevel) =>
    (text: string): void => {
      const rank = logLevels.indexOf(level);
      if (rank > logLevels.indexOf(most)) return;
      if (place.kind === 'syslog') {
        containerAddon().syslog(priorities[rank] ?? 7, text);
        return;
      }
      try {
        writeSync(fd, `[${now().toISOString()}][${level.toUpperCase()}] ${text}\n`);
      } catch {
        // A full disk.
      }
    };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    reopen() {
      if (place.kind !== 'file') return;
      try {
        const next = openLog(place.path);
        closeSync(fd);
        fd = next;
      } catch {
        // The old one stays.
      }
    },
  };
}

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  return openSync(path, 'a', 0o640);
}
