import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** One process, proc_pid_stat(5) and proc_pid_cmdline(5). Times of a process are clock ticks, `startTicks` since boot. */
export interface ProcessRow {
  readonly pid: number;
  readonly ppid: number;
  /** At most 15 bytes, as the process has it now. */
  readonly comm: string;
  readonly threads: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  /** Of ended and awaited children. */
  readonly childUserTicks: number;
  readonly childSystemTicks: number;
  readonly startTicks: number;
  /** Empty for kernel threads and for processes that have given it up. */
  readonly words: readonly string[];
}

/** What is read only of the processes that matter, proc_pid_status(5). Bytes. */
export interface ProcessDetail {
  /** Effective, on the host. */
  readonly uid: number;
  readonly rssBytes: number;
  readonly swapBytes: number;
}

export interface Boot {
  /** Milliseconds since 1970. */
  readonly bootedAtMs: number;
  readonly uptimeMs: number;
}

/** A /proc. What has vanished between two reads is null or left out. */
export interface Proc {
  processes(): readonly ProcessRow[];
  detail(pid: number): ProcessDetail | null;
  /** Working folder; null also where only root may know it. */
  folder(pid: number): string | null;
  /** Throws where `root` is no /proc at all. */
  boot(): Boot;
}

/** USER_HZ of Linux on x64 and arm64, sysconf(_SC_CLK_TCK). */
const ticksPerSecond = 100;
export const msOfTicks = (ticks: number): number => (ticks * 1000) / ticksPerSecond;

/** `root`: `/proc`, or a folder that looks like it. */
export function openProc(root: string): Proc {
  const read = (...path: readonly string[]): string | null => {
    try {
      return readFileSync(join(root, ...path), 'utf8');
    } catch {
      return null;
    }
  };
  const row = (name: string): readonly ProcessRow[] => {
    const stat = read(name, 'stat');
    const parsed = stat === null ? null : parseStat(stat);
    if (parsed === null) return [];
    // Gone since: its stat tells nothing that is true any more.
    const line = read(name, 'cmdline');
    return line === null ? [] : [{ ...parsed, words: parseWords(line) }];
  };
  return {
    processes: () => readdirSync(root).flatMap((name) => (/^\d+$/.test(name) ? row(name) : [])),
    detail(pid) {
      const text = read(String(pid), 'status');
      return text === null ? null : parseDetail(text);
    },
    folder(pid) {
      try {
        return readlinkSync(join(root, String(pid), 'cwd'));
      } catch {
        return null;
      }
    },
    boot() {
      const boot = parseBoot(read('stat') ?? '', read('uptime') ?? '');
      if (boot === null) throw new Error(`${root}: stat or uptime cannot be read there; is proc(5) mounted?`);
      return boot;
    },
  };
}

/**
 * Null for a text that is no stat, and for the dead. The name in field 2 may hold anything, so fields are counted from
 * its last parenthesis.
 */
export function parseStat(stat: string): Omit<ProcessRow, 'words'> | null {
  const open = stat.indexOf(' (');
  const close = stat.lastIndexOf(') ');
  if (open < 1 || close < open) return null;
  const fields = stat.slice(close + 2).split(' ');
  /** By its number in the man page. */
  const field = (number: number): number => Number(fields[number - 3] ?? Number.NaN);
  const row = {
    pid: Number(stat.slice(0, open)),
    ppid: field(4),
    comm: stat.slice(open + 2, close),
    threads: field(20),
    userTicks: field(14),
    systemTicks: field(15),
    childUserTicks: field(16),
    childSystemTicks: field(17),
    startTicks: field(22),
  };
  const numbers = Object.values(row).filter((value) => typeof value === 'number');
  if (numbers.some((value) => !Number.isSafeInteger(value) || value < 0) || row.pid === 0) return null;
  const state = fields[0];
  // Other threads can go on after the first one has ended; then the process is no more a zombie than before.
  const dead = state === 'X' || state === 'x' || (state === 'Z' && row.threads <= 1);
  return dead ? null : row;
}

/** Words end with NUL; a process that writes over its own command line may leave the last one open. */
export function parseWords(line: string): readonly string[] {
  const text = line.endsWith('\0') ? line.slice(0, -1) : line;
  return text === '' ? [] : text.split('\0');
}

const bytesPerKibibyte = 1024;

/** Null for a text that is no status. A process without memory of its own has no VmRSS and no VmSwap. */
export function parseDetail(status: string): ProcessDetail | null {
  const uid = /^Uid:\s+\d+\s+(\d{1,10})\b/m.exec(status)?.[1];
  if (uid === undefined) return null;
  const bytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d{1,12}) kB$`, 'm').exec(status)?.[1] ?? 0) * bytesPerKibibyte;
  return { uid: Number(uid), rssBytes: bytes('VmRSS'), swapBytes: bytes('VmSwap') };
}

/** `btime` of proc_stat(5), the first number of proc_uptime(5); null where one is missing. */
export function parseBoot(stat: string, uptime: string): Boot | null {
  const booted = /^btime (\d{1,12})$/m.exec(stat)?.[1];
  const up = /^(\d{1,12}(?:\.\d+)?) /.exec(uptime)?.[1];
  if (booted === undefined || up === undefined) return null;
  return { bootedAtMs: Number(booted) * 1000, uptimeMs: Number(up) * 1000 };
}
