import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deviceNumbers, mkdev } from '../../src/lithos/mkdev.ts';
import { skipped } from '../skipped.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stellwerk-mkdev-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

async function run(into = dir): Promise<{ code: number; err: string }> {
  const said: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  const code = await mkdev(into).finally(() => spy.mockRestore());
  return { code, err: said.join('').replaceAll(dir, '') };
}

function mayMakeDevices(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'stellwerk-mknod-'));
  const made = spawnSync('mknod', [join(probe, 'null'), 'c', '1', '3']).status === 0;
  rmSync(probe, { recursive: true });
  return made;
}

const without = skipped(mayMakeDevices(), 'mkdev with real devices', 'it needs root with CAP_MKNOD');

describe.skipIf(without)('mkdev with devices', () => {
  it('makes every device with its numbers and mode, whatever the umask', async () => {
    const old = process.umask(0o077);
    const into = join(dir, 'new/dev');
    try {
      expect(await run(into)).toEqual({ code: 0, err: '' });
    } finally {
      process.umask(old);
    }
    const numbers = { null: '1:3', zero: '1:5', full: '1:7', random: '1:8', urandom: '1:9', tty: '5:0' };
    for (const [name, expected] of Object.entries(numbers)) {
      const stats = lstatSync(join(into, name));
      const { major, minor } = deviceNumbers(stats.rdev);
      expect([name, stats.isCharacterDevice(), `${major}:${minor}`, stats.mode & 0o7777]).toEqual([
        name,
        true,
        expected,
        0o666,
      ]);
    }
    const links = { ptmx: 'pts/ptmx', fd: '/proc/self/fd', stdin: '/proc/self/fd/0', stdout: '/proc/self/fd/1' };
    for (const [name, target] of Object.entries(links)) expect(readlinkSync(join(into, name))).toBe(target);
    expect(readlinkSync(join(into, 'stderr'))).toBe('/proc/self/fd/2');
    for (const name of ['pts', 'shm']) expect(lstatSync(join(into, name)).isDirectory()).toBe(true);
    expect(readdirSync(into)).toHaveLength(13);
    // The kernel agrees with its own /dev.
    expect(lstatSync(join(into, 'urandom')).rdev).toBe(lstatSync('/dev/urandom').rdev);
  });

  it('leaves what is right, and makes what is missing', async () => {
    expect((await run()).code).toBe(0);
    const { ino } = lstatSync(join(dir, 'null'));
    rmSync(join(dir, 'zero'));
    expect(await run()).toEqual({ code: 0, err: '' });
    expect(lstatSync(join(dir, 'null')).ino).toBe(ino);
    expect(lstatSync(join(dir, 'zero')).isCharacterDevice()).toBe(true);
  });

  it('refuses devices of another number or mode', async () => {
    expect((await run()).code).toBe(0);
    chmodSync(join(dir, 'full'), 0o600);
    rmSync(join(dir, 'zero'));
    spawnSync('mknod', ['-m', '0666', join(dir, 'zero'), 'c', '1', '3']);
    const { code, err } = await run();
    expect(code).toBe(1);
    expect(err).toContain('/zero is device 1:3; expected character device 1:5; remove it');
    expect(err).toContain('/full has mode 0600; expected 0666; remove it');
  });
});

describe('mkdev', () => {
  it('tells everything that is wrong, and then makes nothing', async () => {
    writeFileSync(join(dir, 'null'), 'no device');
    writeFileSync(join(dir, 'shm'), '');
    symlinkSync('/dev/ptmx', join(dir, 'ptmx'));
    writeFileSync(join(dir, 'fd'), '');
    const { code, err } = await run();
    expect(code).toBe(1);
    expect(err.split('\n').slice(0, -1)).toEqual([
      'lithos mkdev: /null is no device; expected character device 1:3; remove it',
      'lithos mkdev: /shm is not a folder; remove it',
      'lithos mkdev: /ptmx leads to /dev/ptmx; expected pts/ptmx; remove it',
      'lithos mkdev: /fd is no symbolic link; expected one to /proc/self/fd; remove it',
    ]);
    expect(readdirSync(dir).sort()).toEqual(['fd', 'null', 'ptmx', 'shm']);
    expect(readFileSync(join(dir, 'null'), 'utf8')).toBe('no device');
  });

  it('says what to install where mknod is missing', async () => {
    vi.stubEnv('PATH', dir);
    expect(await run()).toEqual({
      code: 1,
      err: 'lithos mkdev: mknod is not there; install the package coreutils\n',
    });
  });

  it('tells why the folder cannot be made', async () => {
    writeFileSync(join(dir, 'file'), '');
    const { code, err } = await run(join(dir, 'file/dev'));
    expect(code).toBe(1);
    expect(err).toMatch(/^lithos mkdev: ENOTDIR: .*\/file\/dev/);
  });

  it('reads device numbers as makedev(3) writes them', () => {
    expect(deviceNumbers(0x103)).toEqual({ major: 1, minor: 3 });
    expect(deviceNumbers(0x10_00fd_02)).toEqual({ major: 0xfd, minor: 0x10002 });
  });
});
