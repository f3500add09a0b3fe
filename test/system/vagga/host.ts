import { type ChildProcessByStdio, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../../src/native/load.ts';

/** Of this process: two runs of the tests may share a machine. */
export const account = `vagga-test-${process.pid}`;
const deadlineMs = 120_000; // a busy machine

export type Who = 'user' | 'root';

/** Why rootless containers cannot be tried here; null: they can. */
export function missingForRootless(): string | null {
  if (process.getuid?.() !== 0) return 'needs root to make a user';
  if (!existsSync('/bin/busybox')) return '/bin/busybox is missing (apt-get install busybox-static)';
  const missing = ['useradd', 'newuidmap', 'newgidmap', 'setpriv', 'python3'].find(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  );
  if (missing !== undefined) return `${missing} is missing (apt-get install passwd uidmap util-linux python3)`;
  return null;
}

export interface Project {
  readonly folder: string;
  /** The real command line. */
  vagga(args: readonly string[], options?: LaunchOptions): SpawnSyncReturns<string>;
  /** As `vagga`, while this process serves what it asks for; long: it may build a distribution. */
  vaggaServed(args: readonly string[], options?: LaunchOptions): Promise<Ended>;
  /** What is installed as `vagga`: the fast path before the command line. */
  installed(args: readonly string[], options?: LaunchOptions): SpawnSyncReturns<string>;
  /** Its words. */
  program(args: readonly string[]): readonly string[];
  /** The same as `vagga`, without waiting. */
  start(args: readonly string[], options?: LaunchOptions): ReturnType<typeof spawn>;
  /** The words of that command line, for a terminal. */
  words(args: readonly string[]): readonly string[];
  file(path: string): string;
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface LaunchOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Stand in the places of /etc/subuid and /etc/subgid. */
  readonly subuid?: string;
  readonly subgid?: string;
  readonly timeoutMs?: number;
}

/** A user of its own with ids of its own, projects of it and of root, and a base root as `root.tar.gz`. */
export async function vaggaHost() {
  const source = (path: string): string => join(packageRoot(), path);
  const home = mkdtempSync(join(tmpdir(), 'vagga-test-'));
  await addAccount(home);
  const id = (kind: string): number => Number(spawnSync('id', [kind, account], { encoding: 'utf8' }).stdout);
  const [uid, gid] = [id('-u'), id('-g')];
  chownSync(home, uid, gid);
  chmodSync(home, 0o755);
  const tar = makeBase(home);

  const project = (who: Who, yaml: string, files: Readonly<Record<string, string>> = {}): Project => {
    const folder = mkdtempSync(join(home, 'project-'));
    chmodSync(folder, 0o755); // users of containers other than root come here too
    cpSync(tar, join(folder, 'root.tar.gz'));
    for (const [path, text] of Object.entries({ ...files, 'vagga.yaml': yaml })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    if (who === 'user') spawnSync('chown', ['-R', `${uid}:${gid}`, folder]);
    const asUser = who === 'user' ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] : [];
    const program = (args: readonly string[]): readonly string[] => [...asUser, source('bin/vagga'), ...args];
    const words = (args: readonly string[]): readonly string[] => [
      ...asUser,
      ...[process.execPath, source('bin/stellwerk.js'), 'vagga', ...args],
    ];
    const environment = { PATH: process.env.PATH ?? '', HOME: home, TERM: 'vt100' };
    const withOptions = (given: readonly string[], { cwd = folder, env = {}, subuid, subgid }: LaunchOptions) => {
      const script = 'mount --bind "$0" /etc/subuid && mount --bind "$1" /etc/subgid && shift && exec "$@"';
      const files = [subuid ?? '/etc/subuid', subgid ?? '/etc/subgid'];
      const other = subuid === undefined ? [] : ['unshare', '--mount', 'sh', '-c', script, ...files];
      const [first = '', ...rest] = [...other, ...given];
      return { program: first, rest, options: { cwd, env: { ...environment, ...env } } };
    };
    const runToEnd = (given: readonly string[], more: LaunchOptions) => {
      const { program: first, rest, options } = withOptions(given, more);
      const timeout = more.timeoutMs ?? deadlineMs;
      return spawnSync(first, rest, { ...options, encoding: 'utf8', timeout, input: '' });
    };
    return {
      folder,
      words,
      file: (path) => join(folder, path),
      vagga: (args, more = {}) => runToEnd(words(args), more),
      program,
      installed: (args, more = {}) => runToEnd(program(args), more),
      vaggaServed: (args, more = {}) => {
        const { program: first, rest, options } = withOptions(words(args), more);
        const timeout = 5 * deadlineMs;
        return ended(spawn(first, rest, { ...options, timeout, stdio: ['ignore', 'pipe', 'pipe'] }));
      },
      start: (args, more = {}) => {
        const { program: first, rest, options } = withOptions(words(args), more);
        return spawn(first, rest, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
      },
    };
  };
  return {
    uid,
    gid,
    project,
    /** Processes of the user, as `ps` tells them. */
    processes: () => spawnSync('ps', ['-u', String(uid), '-o', 'pid=,args='], { encoding: 'utf8' }).stdout.trim(),
    remove: () => {
      spawnSync('pkill', ['-KILL', '-u', String(uid)]);
      spawnSync('userdel', [account]);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function ended(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      texts[name] += part;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, ...texts }));
  });
}

/** Whoever else adds a user at this moment holds the lock of /etc/passwd: useradd does not wait for it. */
async function addAccount(home: string): Promise<void> {
  const words = ['--no-create-home', '--home-dir', home, '--shell', '/bin/sh', account];
  for (let left = 20; ; left -= 1) {
    const added = spawnSync('useradd', words, { encoding: 'utf8' });
    if (added.status === 0) return;
    if (left === 0 || !/cannot lock/.test(added.stderr)) throw new Error(`useradd: ${added.stderr}`);
    await sleep(100);
  }
}

/** Busybox with a link for each of its programs, and what a distribution's root has besides. */
function makeBase(home: string): string {
  const root = join(home, 'base');
  for (const folder of ['bin', 'usr/bin', 'usr/local/bin', 'etc', 'var/lib', 'data']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  spawnSync('/bin/busybox', ['--install', '-s', join(root, 'bin')]);
  spawnSync('sh', ['-c', `cd ${root}/bin; for link in *; do [ -L "$link" ] && ln -sf busybox "$link"; done`]);
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  writeFileSync(join(root, 'data/one'), 'one\n');
  writeFileSync(join(root, 'usr/local/bin/which-one'), '#!/bin/sh\necho local\n', { mode: 0o755 });
  writeFileSync(join(root, 'usr/bin/which-one'), '#!/bin/sh\necho other\n', { mode: 0o755 });
  const tar = join(home, 'root.tar.gz');
  const packed = spawnSync('tar', ['-C', root, '--owner=0', '--group=0', '-czf', tar, '.']);
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr}`);
  return tar;
}

/** Permission bits of the file itself. */
export const mode = (path: string): number => lstatSync(path).mode & 0o7777;

export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(50);
  }
}
