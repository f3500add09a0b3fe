import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
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
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { packageRoot } from '../../../src/native/load.ts';

/** Of this process: two runs of the tests may share a machine. */
export const account = `vagga-test-${process.pid}`;
const launchBundle = join(packageRoot(), 'build/test/vagga-launch.mjs');
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
  /** As `launch.ts` takes them. */
  launch(args: readonly string[], options?: LaunchOptions): SpawnSyncReturns<string>;
  /** The command line itself. */
  vagga(args: readonly string[], options?: LaunchOptions): SpawnSyncReturns<string>;
  /** What is installed as `vagga`: the fast path before the command line. */
  installed(args: readonly string[], options?: LaunchOptions): SpawnSyncReturns<string>;
  /** Its words. */
  program(args: readonly string[]): readonly string[];
  /** As `launch`, without waiting. */
  start(args: readonly string[]): ReturnType<typeof spawn>;
  /** The words of a command line that launches, for a terminal. */
  words(args: readonly string[]): readonly string[];
  file(path: string): string;
}

interface LaunchOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A user of its own with ids of its own, projects of it and of root, and a base root as `root.tar.gz`. */
export async function vaggaHost() {
  const bundle = { bundle: true, platform: 'node', format: 'esm', logLevel: 'warning' } as const;
  const banner = {
    js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
  };
  const source = (path: string): string => join(packageRoot(), path);
  await build({ ...bundle, banner, entryPoints: [source('test/system/vagga/launch.ts')], outfile: launchBundle });
  // As scripts/build.mjs makes it; a working tree may be newer than what was built.
  const builder = source('dist/vagga-builder.js');
  await build({ ...bundle, banner, entryPoints: [source('src/vagga/build/builder.ts')], outfile: builder });

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
    const as = (script: string, args: readonly string[]): readonly string[] => [
      ...asUser,
      ...[process.execPath, script, ...args],
    ];
    const words = (args: readonly string[]): readonly string[] => as(launchBundle, args);
    const environment = { PATH: process.env.PATH ?? '', HOME: home, TERM: 'vt100' };
    const run = ([program = '', ...rest]: readonly string[], { cwd = folder, env = {} }: LaunchOptions = {}) => {
      const options = { cwd, env: { ...environment, ...env }, encoding: 'utf8', timeout: deadlineMs } as const;
      return spawnSync(program, rest, { ...options, input: '' });
    };
    return {
      folder,
      words,
      file: (path) => join(folder, path),
      launch: (args, options) => run(words(args), options),
      vagga: (args, options) => run(as(source('bin/stellwerk.js'), ['vagga', ...args]), options),
      program: (args) => [...asUser, source('bin/vagga'), ...args],
      installed: (args, options) => run([...asUser, source('bin/vagga'), ...args], options),
      start: (args) => {
        const [program = '', ...rest] = words(args);
        return spawn(program, rest, { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
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
