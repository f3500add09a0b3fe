import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const deadlineMs = 60_000; // a busy machine

/** Why images cannot be made here; null: they can. */
export function missingForImages(): string | null {
  const missing = ['umoci', 'skopeo', 'zstd', 'tar'].find((name) => spawnSync(name, ['--version']).error !== undefined);
  return missing === undefined ? null : `${missing} is missing (apt-get install umoci skopeo zstd tar)`;
}

export function run(program: string, ...words: readonly string[]): string {
  const done = spawnSync(program, words, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  if (done.status !== 0) throw new Error(`${program} ${words.join(' ')}: ${done.error?.message ?? done.stderr}`);
  return done.stdout;
}

/**
 * A layout made by umoci: `v1` is busybox with a file of 33:44, a hard link and a file that `v2` hides; `v2` brings a
 * file, hides one, and has variables.
 */
export function makeLayout(folder: string, scratch: string): void {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  const umoci = (...words: readonly string[]): string => run('umoci', ...words);
  umoci('init', '--layout', folder);
  umoci('new', '--image', `${folder}:v1`);
  const bundle = join(scratch, 'one');
  umoci('unpack', '--image', `${folder}:v1`, bundle);
  const root = join(bundle, 'rootfs');
  for (const name of ['bin', 'etc', 'data', 'tmp']) mkdirSync(join(root, name));
  chmodSync(join(root, 'tmp'), 0o1777);
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'cat', 'echo', 'id', 'ls', 'stat', 'env', 'test']) {
    symlinkSync('busybox', join(root, 'bin', name));
  }
  writeFileSync(join(root, 'data/owned'), 'owned\n');
  run('chown', '33:44', join(root, 'data/owned'));
  writeFileSync(join(root, 'data/strange'), 'of an id that no container here has\n');
  run('chown', '700000:0', join(root, 'data/strange'));
  writeFileSync(join(root, 'data/hidden'), 'hidden\n');
  writeFileSync(join(root, 'data/setuid'), '#!/bin/sh\n', { mode: 0o755 });
  chmodSync(join(root, 'data/setuid'), 0o4755);
  run('ln', join(root, 'data/owned'), join(root, 'data/hard'));
  umoci('repack', '--image', `${folder}:v1`, bundle);
  const second = join(scratch, 'two');
  umoci('unpack', '--image', `${folder}:v1`, second);
  rmSync(join(second, 'rootfs/data/hidden'));
  writeFileSync(join(second, 'rootfs/data/second'), 'second\n');
  umoci('repack', '--image', `${folder}:v2`, second);
  umoci('config', '--image', `${folder}:v2`, '--config.env', 'COLOUR=blue', '--config.env', 'TOOL=/opt/tool');
  rmSync(scratch, { recursive: true });
}

export interface Served {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  stop(): void;
}

/** Serves a folder. In a process of its own: the tests wait for the command line, and answer nothing meanwhile. */
export function serveFolder(folder: string): Promise<Served> {
  const words = ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', folder];
  return served(spawn('python3', words, { stdio: ['ignore', 'pipe', 'pipe'] }), /port (\d+)/);
}

export const missingRegistry = (): string | null =>
  spawnSync('docker-registry', ['--version']).error === undefined
    ? null
    : 'docker-registry is missing (apt-get install docker-registry)';

/** The registry of distribution, on loopback, its files below `folder`. */
export function serveRegistry(folder: string): Promise<Served> {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1
storage: { filesystem: { rootdirectory: ${join(folder, 'files')} }, delete: { enabled: true } }
http: { addr: "127.0.0.1:0" }
log: { level: info, accesslog: { disabled: true } }
`,
  );
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  return served(child, /listening on 127\.0\.0\.1:(\d+)/);
}

async function served(child: ChildProcess, port: RegExp): Promise<Served> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said += chunk));
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = port.exec(said)?.[1];
    if (found !== undefined) return { host: `127.0.0.1:${found}`, stop: () => void child.kill('SIGKILL') };
    if (Date.now() > end || child.exitCode !== null) {
      child.kill('SIGKILL');
      throw new Error(`no server: ${said}`);
    }
    await sleep(20);
  }
}
