import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContainerSpec, containerAddon, isFailure, type NativeFailure } from '../../src/native/container.ts';
import { skipped } from '../skipped.ts';
import { busyboxMissing, fullSpec, hasBusybox, makeRoot } from './root.ts';

const isRoot = process.getuid?.() === 0;
const noBusybox = skipped(hasBusybox, 'containers of the addon', busyboxMissing);
const addon = containerAddon();
let root: ReturnType<typeof makeRoot>;
let mountsBefore: string;

beforeAll(() => {
  mountsBefore = readFileSync('/proc/self/mountinfo', 'utf8');
  root = makeRoot();
});
afterAll(() => {
  root.remove();
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(mountsBefore);
});

async function run(argv: readonly string[], change: Partial<ContainerSpec> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-out-'));
  const fd = openSync(join(folder, 'out'), 'a+');
  try {
    const started = addon.start(fullSpec(root.path, argv, { stdio: [-1, fd, fd], ...change }));
    if (isFailure(started)) throw new Error(started.message);
    const ending = await addon.waitPidfd(started.pidfd);
    addon.closeFd(started.pidfd);
    return { ...ending, output: readFileSync(join(folder, 'out'), 'utf8') };
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

const shell = (script: string, change: Partial<ContainerSpec> = {}) => run(['/bin/sh', '-c', script], change);

function failureOf(change: Partial<ContainerSpec>, argv: readonly string[] = ['/bin/true']): NativeFailure {
  const result = addon.start(fullSpec(root.path, argv, change));
  if (!isFailure(result)) throw new Error('it started');
  return result;
}

describe.skipIf(noBusybox)('a container', () => {
  it('sees a root that cannot be written to', async () => {
    const { output, exitCode } = await shell('touch /x');
    expect(output).toContain('Read-only file system');
    expect(exitCode).toBe(1);
  });

  it('may write to its root when told so', async () => {
    // The root belongs to the host user; uid 0 inside is somebody else when root started it, so map it to itself.
    const own = isRoot
      ? { uidMap: [{ inside: 0, outside: 0, count: 1 }], gidMap: [{ inside: 0, outside: 0, count: 1 }] }
      : {};
    expect((await shell('touch /data/x && ls /data', { writableRoot: true, ...own })).output).toBe('x\n');
  });

  it('has the program as process 2 beneath the init', async () => {
    expect((await shell('echo $$; cat /proc/1/comm; ls -d /proc/[0-9]* | head -n 1')).output).toMatch(/^2\ninit\n/);
  });

  it('has the program as process 1 without an init', async () => {
    expect((await shell('echo $$', { init: false })).output).toBe('1\n');
  });

  it('gets exactly the environment that was asked for', async () => {
    expect((await run(['/bin/env'], { env: { ONE: '1', TWO: 'a=b c' } })).output).toBe('ONE=1\nTWO=a=b c\n');
  });

  it('has no capabilities, no_new_privs and a filter', async () => {
    const { output } = await shell('cat /proc/self/status');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(output).toMatch(new RegExp(`${set}:\\t0000000000000000\\n`));
    }
    expect(output).toMatch(/NoNewPrivs:\t1\n/);
    expect(output).toMatch(/Seccomp:\t2\n/);
  });

  it('keeps exactly the capabilities it was told to keep', async () => {
    const { output } = await shell('cat /proc/self/status', { keepCapabilities: ['NET_BIND_SERVICE'] });
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(output).toContain(`${set}:\t0000000000000400`);
  });

  it('refuses mount and unshare', async () => {
    expect((await shell('mount -t tmpfs x /tmp')).exitCode).not.toBe(0);
    const { output } = await shell('unshare -U true');
    expect(output).toContain('Operation not permitted');
  });

  it('allows unshare of a user namespace without the filter: the refusal above is the filter’s', async () => {
    expect((await shell('unshare -U true', { seccomp: 'off' })).exitCode).toBe(0);
  });

  it('has a network of nothing but lo, which is up', async () => {
    const { output } = await shell('ip -o link');
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(output).toMatch(/ lo: <LOOPBACK,UP/);
  });

  it('has its own host name', async () => {
    expect((await shell('cat /proc/sys/kernel/hostname')).output).toBe('box\n');
  });

  it('cannot steer the kernel through proc', async () => {
    const { output } = await shell('echo x > /proc/sys/kernel/hostname; echo b > /proc/sysrq-trigger');
    expect(output).toMatch(/hostname: Read-only file system/);
    expect(output).toMatch(/sysrq-trigger: (Read-only file system|nonexistent|Permission denied)/);
  });

  it('has a dev with the usual nodes and nothing of the host', async () => {
    const { output } = await shell('ls /dev; echo x > /dev/null && head -c 2 /dev/zero | wc -c; touch /dev/x');
    expect(output).toMatch(/^fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n/);
    expect(output).toContain('Read-only file system');
  });

  it('gets the exit code of the program', async () => {
    expect(await shell('exit 7')).toMatchObject({ exitCode: 7, signal: null });
  });

  it('gets the signal of the program, though an init stands between', async () => {
    expect(await shell('kill -9 $$')).toMatchObject({ exitCode: null, signal: 9 });
    expect(await shell('exit 137')).toMatchObject({ exitCode: 137, signal: null });
  });

  it('has the limits that it was given', async () => {
    expect((await shell('ulimit -n; ulimit -c', { rlimits: { nofile: 77, core: 0 } })).output).toBe('77\n0\n');
  });

  it('binds read-only and without exec, with submounts', async () => {
    const mounts: ContainerSpec['mounts'] = [
      { kind: 'bind', source: root.path, target: '/data', readonly: true, exec: false },
    ];
    const { output } = await shell('touch /data/x; /data/bin/true', { mounts });
    expect(output).toContain('Read-only file system');
    expect(output).toContain('Permission denied');
  });

  it('has the sys of the host, submounts included, that cannot be written to', async () => {
    const { output } = await shell('cat /proc/mounts', {
      mounts: [
        { kind: 'proc', target: '/proc' },
        { kind: 'sys', target: '/sys' },
      ],
    });
    const lines = output.split('\n').filter((line) => line.split(' ')[1]?.startsWith('/sys'));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line.split(' ')[3]).toMatch(/^ro,nosuid,nodev,noexec/);
  });

  it('dies as a whole when its pidfd is killed', async () => {
    const started = addon.start(fullSpec(root.path, ['/bin/sh', '-c', 'sleep 1000 & sleep 1000']));
    if (isFailure(started)) throw new Error(started.message);
    expect(addon.pidfdSendSignal(started.pidfd, 9)).toBe(true);
    expect(await addon.waitPidfd(started.pidfd)).toEqual({ exitCode: null, signal: 9 });
    addon.closeFd(started.pidfd);
    expect(() => process.kill(started.programPid, 0)).toThrow('ESRCH');
  });

  it('has its program’s pid, as the host sees it', async () => {
    const started = addon.start(fullSpec(root.path, ['/bin/sleep', '1000']));
    if (isFailure(started)) throw new Error(started.message);
    expect(readFileSync(`/proc/${started.programPid}/cmdline`, 'utf8')).toBe('/bin/sleep\x001000\0');
    expect(addon.pidfdSendSignal(started.pidfd, 15)).toBe(true);
    expect(await addon.waitPidfd(started.pidfd)).toEqual({ exitCode: null, signal: 15 });
    addon.closeFd(started.pidfd);
  });

  it('lets no symlink of the root lead a mount outside', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'stellwerk-outside-'));
    symlinkSync(outside, join(root.path, 'trap'));
    symlinkSync('../../../../data', join(root.path, 'inner'));
    try {
      const target = (path: string): Partial<ContainerSpec> => ({
        mounts: [{ kind: 'tmpfs', target: path, sizeBytes: 4096, mode: 0o755 }],
      });
      // `outside` does not exist inside the root.
      expect(failureOf(target('/trap'))).toMatchObject({
        step: 'mount tmpfs',
        call: 'openat2',
        subject: '/trap',
        code: 'ENOENT',
      });
      expect((await shell('touch /inner/x && ls /data', target('/inner'))).output).toBe('x\n');
    } finally {
      rmSync(join(root.path, 'trap'));
      rmSync(join(root.path, 'inner'));
      rmSync(outside, { recursive: true });
    }
  });

  const noRoot = skipped(isRoot, 'containers without a user namespace', 'they need root');
  it.skipIf(noRoot)('works as root without a user namespace', async () => {
    const namespaces = { user: false, mount: true, pid: true, ipc: true, uts: true, cgroup: true, net: false };
    const { output } = await shell('id; cat /proc/self/uid_map; grep CapEff /proc/self/status', {
      namespaces,
      uid: 1234,
      gid: 4321,
      uidMap: [],
      gidMap: [],
    });
    expect(output).toMatch(/^uid=1234 gid=4321/);
    expect(output).toContain('4294967295');
    expect(output).toContain('CapEff:\t0000000000000000');
  });

  const pidsCgroup = '/sys/fs/cgroup/pids';
  const noCgroup = skipped(
    isRoot && existsSync(pidsCgroup),
    'a container in its cgroup',
    'needs root and /sys/fs/cgroup/pids',
  );
  it.skipIf(noCgroup)('is in its cgroup, which its cgroup namespace shows as /', async () => {
    const folder = join(pidsCgroup, `stellwerk-test-${process.pid}`);
    mkdirSync(folder);
    try {
      const script = 'cat /proc/self/cgroup';
      expect((await shell(script, { cgroups: [folder] })).output).toMatch(/:pids:\/\n/);
      const { namespaces } = fullSpec(root.path, []);
      const seen = await shell(script, { cgroups: [folder], namespaces: { ...namespaces, cgroup: false } });
      expect(seen.output).toContain(`:pids:/stellwerk-test-${process.pid}\n`);
    } finally {
      rmdirSync(folder);
    }
  });

  it('works without a root of its own', async () => {
    const { root: _, ...spec } = fullSpec(root.path, ['/bin/busybox', 'true'], { mounts: [] });
    const started = addon.start(spec);
    if (isFailure(started)) throw new Error(started.message);
    expect(await addon.waitPidfd(started.pidfd)).toEqual({ exitCode: 0, signal: null });
    addon.closeFd(started.pidfd);
  });
});

describe.skipIf(noBusybox)('a start that fails', () => {
  it('names the step and the path of the mount', () => {
    const failure = failureOf({ mounts: [{ kind: 'proc', target: '/nowhere' }] });
    expect(failure).toMatchObject({ step: 'mount proc', subject: '/nowhere', code: 'ENOENT' });
    expect(failure.message).toBe('mount proc: openat2: /nowhere: No such file or directory');
  });

  it('names the source that is missing', () => {
    const mount = { kind: 'bind', source: '/not/there', target: '/data', readonly: true, exec: false } as const;
    expect(failureOf({ mounts: [mount] })).toMatchObject({ step: 'bind', subject: '/not/there', code: 'ENOENT' });
  });

  it('names the program that is missing', () => {
    expect(failureOf({}, ['/bin/nothing'])).toMatchObject({ call: 'execve', subject: '/bin/nothing', code: 'ENOENT' });
  });

  it('names the limit that cannot be raised', () => {
    const hard = Number(/Max processes\s+\S+\s+(\S+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
    const raises = /CapEff:\s+(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    if (!Number.isFinite(hard) || (BigInt(`0x${raises}`) >> 24n) & 1n) return; // CAP_SYS_RESOURCE: nothing to refuse
    expect(failureOf({ rlimits: { nproc: hard + 1 } })).toMatchObject({ step: 'set resource limit', subject: 'nproc' });
  });

  it('names the unknown limit and the unknown capability', () => {
    expect(failureOf({ rlimits: { nofiles: 1 } }).message).toContain('nofiles');
    expect(failureOf({ keepCapabilities: ['FLY'] }).message).toContain('FLY');
  });

  it('is a TypeError that names the field when the spec itself is wrong', () => {
    const wrong = (change: object) => () =>
      addon.start({ ...fullSpec(root.path, ['/bin/true']), ...change } as ContainerSpec);
    expect(wrong({ argv: 'x' })).toThrow(new TypeError('container: argv: expected an array'));
    expect(wrong({ uid: -1 })).toThrow('uid');
    expect(wrong({ mounts: [{ kind: 'tape', target: '/x' }] })).toThrow('mounts[0].kind');
    expect(wrong({ namespaces: {} })).toThrow('namespaces.user');
  });

  it('leaves no process behind', () => {
    failureOf({}, ['/bin/nothing']);
    expect(readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim()).toBe('');
  });
});

describe.skipIf(noBusybox)('locks and peers', () => {
  it('gives the lock to one holder only', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stellwerk-lock-'));
    const first = addon.tryLock(join(folder, 'lock'));
    expect(first).toBeTypeOf('number');
    expect(addon.tryLock(join(folder, 'lock'))).toBeNull();
    addon.closeFd(first as number);
    const again = addon.tryLock(join(folder, 'lock'));
    expect(again).toBeTypeOf('number');
    addon.closeFd(again as number);
    rmSync(folder, { recursive: true });
  });

  it('answers the probe with a detail for every feature', () => {
    for (const { feature, detail } of addon.probe()) expect(detail, feature).not.toBe('');
  });
});

// The same file again as an ordinary user.
const nobody = 65_534;
const setpriv = spawnSync('setpriv', ['--version']).status === 0;
const noOther = skipped(
  isRoot && setpriv && hasBusybox,
  'containers as another user',
  'needs root, setpriv and busybox-static',
);
describe.skipIf(noOther)('as an ordinary user', () => {
  it('everything above holds too, with a map of the own id only', () => {
    const home = mkdtempSync(join(tmpdir(), 'stellwerk-home-'));
    spawnSync('chown', [`${nobody}`, home]);
    const vitest = join(process.cwd(), 'node_modules/vitest/vitest.mjs');
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      [
        `--reuid=${nobody}`,
        `--regid=${nobody}`,
        '--clear-groups',
        process.execPath,
        vitest,
        'run',
        '--project',
        'unit',
        '--configLoader',
        'runner',
        '--pool',
        'forks',
        '--reporter',
        'verbose',
        'test/container/container.test.ts',
      ],
      { encoding: 'utf8', env: { ...process.env, HOME: home, TMPDIR: home, VITE_CACHE_DIR: home } },
    );
    rmSync(home, { recursive: true, force: true });
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toContain('sees a root that cannot be written to');
  }, 60_000);
});
