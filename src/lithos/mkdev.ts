import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readlinkSync, type Stats, symlinkSync } from 'node:fs';
import { join } from 'node:path';

type Entry =
  | { readonly kind: 'device'; readonly name: string; readonly major: number; readonly minor: number }
  | { readonly kind: 'folder'; readonly name: string }
  | { readonly kind: 'link'; readonly name: string; readonly target: string };

/** lithos 3, lithos_mkdev; numbers: the kernel's admin-guide/devices.txt. */
const entries: readonly Entry[] = [
  { kind: 'device', name: 'null', major: 1, minor: 3 },
  { kind: 'device', name: 'zero', major: 1, minor: 5 },
  { kind: 'device', name: 'full', major: 1, minor: 7 },
  { kind: 'device', name: 'random', major: 1, minor: 8 },
  { kind: 'device', name: 'urandom', major: 1, minor: 9 },
  { kind: 'device', name: 'tty', major: 5, minor: 0 },
  { kind: 'folder', name: 'pts' },
  { kind: 'folder', name: 'shm' },
  { kind: 'link', name: 'ptmx', target: 'pts/ptmx' },
  { kind: 'link', name: 'fd', target: '/proc/self/fd' },
  { kind: 'link', name: 'stdin', target: '/proc/self/fd/0' },
  { kind: 'link', name: 'stdout', target: '/proc/self/fd/1' },
  { kind: 'link', name: 'stderr', target: '/proc/self/fd/2' },
];

const deviceMode = 0o666;
const folderMode = 0o755;

/**
 * Fills DIR with what a /dev of a container needs; makes DIR itself where it is not there. What is there already and
 * right is left. Exit code 0; 1 where something is there that is wrong (then nothing is made), or cannot be made.
 */
export async function mkdev(dir: string): Promise<number> {
  try {
    mkdirSync(dir, { recursive: true, mode: folderMode });
    const states = entries.map((entry) => ({ entry, state: stateOf(join(dir, entry.name), entry) }));
    const wrong = states.flatMap(({ entry, state }) =>
      state === 'missing' || state === 'right' ? [] : [`${join(dir, entry.name)} ${state.wrong}; remove it`],
    );
    for (const each of wrong) say(each);
    if (wrong.length > 0) return 1;
    for (const { entry, state } of states) {
      const problem = state === 'missing' ? make(join(dir, entry.name), entry) : null;
      if (problem === null) continue;
      say(problem);
      return 1;
    }
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

const say = (text: string): boolean => process.stderr.write(`lithos mkdev: ${text}\n`);

function stateOf(path: string, entry: Entry): 'missing' | 'right' | { readonly wrong: string } {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 'missing';
  const wrong = whatIsWrong(path, stats, entry);
  return wrong === null ? 'right' : { wrong };
}

function whatIsWrong(path: string, stats: Stats, entry: Entry): string | null {
  switch (entry.kind) {
    case 'device': {
      const expected = `character device ${entry.major}:${entry.minor}`;
      if (!stats.isCharacterDevice()) return `is no device; expected ${expected}`;
      const { major, minor } = deviceNumbers(stats.rdev);
      if (major !== entry.major || minor !== entry.minor) return `is device ${major}:${minor}; expected ${expected}`;
      const mode = stats.mode & 0o7777;
      return mode === deviceMode ? null : `has mode ${octal(mode)}; expected ${octal(deviceMode)}`;
    }
    case 'folder':
      return stats.isDirectory() ? null : 'is not a folder';
    case 'link': {
      if (!stats.isSymbolicLink()) return `is no symbolic link; expected one to ${entry.target}`;
      const target = readlinkSync(path);
      return target === entry.target ? null : `leads to ${target}; expected ${entry.target}`;
    }
    default:
      return entry satisfies never;
  }
}

/** Of a dev_t as stat(2) gives it: Linux has majors of 12 and minors of 20 bits, makedev(3). */
export function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

const octal = (mode: number): string => `0${mode.toString(8)}`;

function make(path: string, entry: Entry): string | null {
  switch (entry.kind) {
    case 'device':
      return makeDevice(path, entry.major, entry.minor);
    case 'folder':
      mkdirSync(path, { mode: folderMode });
      return null;
    case 'link':
      symlinkSync(entry.target, path);
      return null;
    default:
      return entry satisfies never;
  }
}

/** By mknod(1): node:fs makes no devices. Null after success. */
function makeDevice(path: string, major: number, minor: number): string | null {
  const mode = octal(deviceMode);
  const made = spawnSync('mknod', ['-m', mode, '--', path, 'c', String(major), String(minor)], { encoding: 'utf8' });
  if (made.error !== undefined) {
    const { code, message } = made.error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'mknod is not there; install the package coreutils' : `mknod: ${code ?? message}`;
  }
  if (made.status === 0) return null;
  const reason = made.stderr.trim() || `mknod ended with ${made.status ?? made.signal}`;
  const who = process.geteuid?.() === 0 ? 'root without CAP_MKNOD may not make devices' : 'only root may make devices';
  return `${path}: ${reason}${/not permitted/.test(reason) ? ` (${who})` : ''}`;
}
