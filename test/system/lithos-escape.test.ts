import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type LithosHost, lithosHost } from './lithos-host.ts';

const isRoot = process.getuid?.() === 0;
const hasCompiler = spawnSync('cc', ['--version']).error === undefined;
const source = join(process.cwd(), 'test', 'system', 'escape', 'attempt.c');

let host: LithosHost;
let attempt = '';

/** Who the programs are, and whether in a user namespace: the refusals may not hang on one of the walls alone. */
const variants = [
  { name: 'an ordinary user in a user namespace', uid: 1000, mapped: true },
  { name: 'root in a user namespace', uid: 0, mapped: true },
  { name: 'an ordinary user of the host, without a user namespace', uid: 1000, mapped: false },
] as const;

function sandbox(uid: number, mapped: boolean): void {
  const file = join(host.dir, 'sandboxes', 'box.yaml');
  const text = readFileSync(file, 'utf8')
    .replace(/allow-(users|groups): \[1000\]/g, `allow-$1: [${uid}]`)
    .replace(/default-(user|group): 1000/g, `default-$1: ${uid}`);
  writeFileSync(file, mapped ? text : text.replace(/^[ug]id-map.*\n/gm, ''));
  host.sandbox(`writable-paths: { /data: ${host.dir}/data }\n`);
}

/** Runs the attempts in a container and gives what each came to, by its word. */
async function attempts(words: readonly string[], more = ''): Promise<ReadonlyMap<string, string>> {
  const quoted = words.map((word) => JSON.stringify(word)).join(', ');
  host.container('probe', `executable: /bin/attempt\narguments: [${quoted}]\nrestart-timeout: 1000\n${more}`);
  writeFileSync(host.processes, 'probe: { image: app, config: /config/probe.yaml }\n');
  await host.start();
  await host.until('the end', ({ containers: [each] }) => each?.lastEnd);
  const output = host.output();
  return new Map([...output.matchAll(/^(\S+): (\w+)$/gm)].map(([, word = '', result = '']) => [word, result]));
}

const outside = (...words: readonly string[]): string => spawnSync(attempt, words, { encoding: 'utf8' }).stdout;

describe.skipIf(
  skipped(
    isRoot && hasCompiler,
    'attempts to get out of containers',
    'needs root and a C compiler (apt-get install gcc)',
  ),
)('a program in a container', () => {
  beforeEach(() => {
    host = lithosHost(0);
    mkdirSync(join(host.dir, 'data'));
    chmodSync(join(host.dir, 'data'), 0o777);
    attempt = join(host.dir, 'images', 'app', 'usr', 'attempt');
    spawnSync('cc', ['-static', '-O1', '-o', attempt, source]);
    // /usr of the image is covered by the volume; /bin is the image's own.
    const image = join(host.dir, 'images', 'app');
    rmSync(join(image, 'bin'));
    mkdirSync(join(image, 'bin'));
    mkdirSync(join(image, 'data'));
    copyFileSync(attempt, join(image, 'bin', 'attempt'));
  });
  afterEach(() => host.remove());

  it('could do all of this outside: the attempts themselves are sound', () => {
    const told = outside(
      'clone-user',
      'chroot',
      'raw',
      `kill=${process.pid}`,
      'keyctl',
      'bpf',
      'io_uring',
      'handle',
      'clone3',
    );
    for (const word of ['clone-user', 'chroot', 'raw', `kill=${process.pid}`]) expect(told).toContain(`${word}: done`);
    for (const word of ['keyctl', 'bpf', 'io_uring', 'handle', 'clone3'])
      expect(told).not.toMatch(new RegExp(`${word}: (EPERM|ENOSYS)`));
    expect(outside(`mknod=${host.dir}/node`, `write=${host.dir}/new`)).toBe(
      `mknod=${host.dir}/node: done\nwrite=${host.dir}/new: done\n`,
    );
  });

  it.each(variants)('as $name is refused every way out, each for its reason', async ({ uid, mapped }) => {
    sandbox(uid, mapped);
    const sibling = spawnSync('sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' }).stdout.trim();
    const reasons: Readonly<Record<string, string>> = {
      // By the filter.
      'remount=/': 'EPERM',
      'remount=/usr': 'EPERM',
      'mount=/tmp': 'EPERM',
      'umount=/proc': 'EPERM',
      userns: 'EPERM',
      'clone-user': 'EPERM',
      clone3: 'ENOSYS',
      pivot: 'EPERM',
      setns: 'EPERM',
      bpf: 'EPERM',
      keyctl: 'EPERM',
      io_uring: 'EPERM',
      handle: 'EPERM',
      // By the missing capabilities.
      'mknod=/tmp/node': 'EPERM',
      chroot: 'EPERM',
      raw: 'EPERM',
      ...(uid === 0 ? {} : { 'setuid=0': 'EPERM' }),
      // By the mounts.
      'write=/new': 'EROFS',
      'write=/usr/new': 'EROFS',
      'write=/sys/new': expectEither,
      'write=/proc/sys/kernel/hostname': uid === 0 && mapped ? expectEither : 'EACCES',
      'write=/dev/new': 'EROFS',
      'read=/proc/keys': 'ENODATA',
      'read=/proc/timer_list': 'ENODATA',
      // By the pid namespace, and an init that nobody may look into.
      [`kill=${sibling}`]: 'ESRCH',
      [`ptrace=${sibling}`]: 'ESRCH',
      'ptrace=1': 'EPERM',
      'open=/proc/1/root': 'EACCES',
      'open=/proc/1/mem': 'EACCES',
      'open=/proc/1/fd/0': 'EACCES',
      // By the root: there is nothing above it.
      [`open=/proc/self/root/../../..${host.dir}/master.yaml`]: 'ENOENT',
      [`open=/../../..${host.dir}/master.yaml`]: 'ENOENT',
    };
    const told = await attempts(Object.keys(reasons));
    process.kill(Number(sibling), 'SIGKILL');
    for (const [word, reason] of Object.entries(reasons)) {
      if (reason === expectEither) expect(['EROFS', 'EACCES', 'EPERM'], word).toContain(told.get(word));
      else expect(told.get(word), word).toBe(reason);
    }
  });

  const expectEither = 'EROFS or EACCES';

  it.each(variants)(
    'as $name has no capability, no other group, no descriptor and no variable but its own',
    async ({ uid, mapped }) => {
      sandbox(uid, mapped);
      const script = `id -G; ls -l /proc/self/fd | wc -l; env | sort | sed 's/=.*//' | tr '\\n' ' '; echo; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status`;
      host.container(
        'look',
        `executable: /usr/bin/sh\narguments: [-c, ${JSON.stringify(script)}]\nenviron: { OWN: 1 }\nrestart-timeout: 1000\n`,
      );
      writeFileSync(host.processes, 'look: { image: app, config: /config/look.yaml }\n');
      await host.start();
      await host.until('the end', ({ containers: [each] }) => each?.lastEnd);
      const lines = host.output().split('\n').slice(1);
      expect(lines[0]).toBe(`${uid}`);
      // total, 0, 1, 2 and the one that ls itself has open.
      expect(lines[1]).toBe('5');
      expect(lines[2]?.trim().split(' ')).toEqual(['LITHOS_CONFIG', 'LITHOS_NAME', 'OWN', 'PWD', 'TERM']);
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(lines).toContain(`${set}:\t0000000000000000`);
      expect(lines).toContain('NoNewPrivs:\t1');
      expect(lines).toContain('Seccomp:\t2');
    },
  );

  it('gains nothing from a setuid binary, on a volume or in the image', async () => {
    sandbox(1000, false);
    const image = join(host.dir, 'images', 'app');
    chmodSync(host.dir, 0o755);
    for (const path of [join(image, 'bin', 'suid'), join(host.dir, 'data', 'suid')]) {
      copyFileSync(join(image, 'bin', 'attempt'), path);
      chmodSync(path, 0o4755);
    }
    const asNobody = spawnSync(join(host.dir, 'data', 'suid'), ['ids'], { uid: 1000, gid: 1000, encoding: 'utf8' });
    expect(asNobody.stdout).toBe('ids: 1000 0\n');
    const volumes = 'volumes: { /data: !Persistent /data, /tmp: !Tmpfs {} }\n';
    const told = await attempts(['exec=/data/suid', 'exec=/bin/suid'], volumes);
    // noexec on the volume; nosuid and no_new_privs in the image.
    expect(told.get('exec=/data/suid')).toBe('EACCES');
    expect(host.output()).toContain('\nids: 1000 1000\n');
  });

  it('cannot open a device that lies on a volume', async () => {
    sandbox(1000, false);
    const node = join(host.dir, 'data', 'zero');
    expect(spawnSync('mknod', ['-m', '666', node, 'c', '1', '5']).status).toBe(0);
    expect(outside(`open=${node}`)).toContain('done');
    const told = await attempts(['open=/data/zero', 'open=/dev/zero'], 'volumes: { /data: !Persistent /data }\n');
    expect(told.get('open=/data/zero')).toBe('EACCES');
    expect(told.get('open=/dev/zero')).toBe('done');
  });

  it('cannot write to a read-only volume, nor to what is mounted below it', async () => {
    sandbox(1000, false);
    const readonly = join(host.dir, 'readonly');
    mkdirSync(join(readonly, 'below'), { recursive: true });
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'mode=777', 'none', join(readonly, 'below')]).status).toBe(0);
    try {
      chmodSync(readonly, 0o777);
      writeFileSync(
        join(host.dir, 'sandboxes', 'box.yaml'),
        readFileSync(join(host.dir, 'sandboxes', 'box.yaml'), 'utf8').replace(
          '{ /usr: /usr }',
          `{ /usr: /usr, /ro: ${readonly} }`,
        ),
      );
      const told = await attempts(['write=/data/x', 'write=/data/below/x'], 'volumes: { /data: !Readonly /ro }\n');
      expect([...told.values()]).toEqual(['EROFS', 'EROFS']);
    } finally {
      spawnSync('umount', ['-l', join(readonly, 'below')]);
    }
  });

  it('does not see what another instance has in its Statedir', async () => {
    sandbox(1000, true);
    const script = `touch /data/\${LITHOS_NAME##*.}; sleep 0.5; echo "$LITHOS_NAME sees $(ls /data) and $(ls ${host.dir} 2>&1)"; sleep 1000`;
    host.container(
      'probe',
      `executable: /usr/bin/sh\narguments: [-c, ${JSON.stringify(script)}]\nvolumes: { /usr: !Readonly /usr, /data: !Statedir {} }\n`,
    );
    writeFileSync(host.processes, 'probe: { image: app, config: /config/probe.yaml, instances: 2 }\n');
    await host.start();
    await host.until('both lists', () => (host.output().match(/ sees /g) ?? []).length === 2);
    // Each its own, and no path of the host.
    for (const index of [0, 1]) {
      expect(host.output()).toMatch(
        new RegExp(`^box/probe\\.${index} sees ${index} and .*No such file or directory$`, 'm'),
      );
    }
  });

  it('that plants a symbolic link in its volume is not started again with what it points to', async () => {
    sandbox(1000, true);
    const data = join(host.dir, 'data');
    mkdirSync(join(data, 'sub'));
    chownSync(join(data, 'sub'), 232_000, 232_000);
    host.container(
      'probe',
      'executable: /usr/bin/sleep\narguments: ["1000"]\nrestart-timeout: 0.1\nvolumes: { /usr: !Readonly /usr, /data: !Persistent /data/sub }\n',
    );
    writeFileSync(host.processes, 'probe: { image: app, config: /config/probe.yaml }\n');
    await host.start();
    const before = await host.until('running', ({ containers: [each] }) => each?.phase === 'running' && each);
    rmSync(join(data, 'sub'), { recursive: true });
    symlinkSync('/etc', join(data, 'sub'));
    process.kill(before.pid ?? -1, 'SIGKILL');
    const end = await host.until('a refusal', ({ containers: [each] }) => each?.lastEnd?.failure);
    expect(end.message).toContain(`${data}/sub is a symbolic link`);
  });

  it('of an image whose mount points are links to the host mounts nothing there', async () => {
    sandbox(1000, true);
    const image = join(host.dir, 'images', 'app');
    symlinkSync('/etc', join(image, 'evil'));
    symlinkSync('../../../../../../etc', join(image, 'climb'));
    for (const target of ['/evil', '/climb']) {
      host.container(
        'probe',
        `executable: /usr/bin/sleep\narguments: ["1000"]\nvolumes: { /usr: !Readonly /usr, ${target}: !Tmpfs {} }\n`,
      );
      writeFileSync(host.processes, 'probe: { image: app, config: /config/probe.yaml }\n');
      const { err } = host.lithos('check', '-C', host.master);
      // /evil leads to the image's own /etc; what climbs is refused.
      if (target === '/climb') expect(err).toContain('leads out of the image');
    }
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toMatch(/ \/etc [^\n]*tmpfs/);
  });

  it('has no file of the host written by its stdout-stderr-file', async () => {
    sandbox(1000, true);
    const name = `stellwerk-${process.pid}`;
    host.container(
      'probe',
      `executable: /usr/bin/true\nstdout-stderr-file: /etc/cron.d/${name}\nrestart-timeout: 1000\n`,
    );
    mkdirSync(join(host.dir, 'images', 'app', 'etc', 'cron.d'));
    writeFileSync(host.processes, 'probe: { image: app, config: /config/probe.yaml }\n');
    await host.start();
    const end = await host.until('a refusal', ({ containers: [each] }) => each?.lastEnd?.failure);
    expect(end.message).toContain('open output');
    expect(existsSync(`/etc/cron.d/${name}`)).toBe(false);
    expect(readdirSync(join(host.dir, 'images', 'app', 'etc', 'cron.d'))).toEqual([]);
  });

  it('is granted what the sandbox grants, and nothing more', async () => {
    sandbox(1000, true);
    host.sandbox('capabilities: [NET_RAW, SYS_CHROOT]\nseccomp-allow: [keyctl]\n');
    const told = await attempts(['keyctl', 'bpf', 'mknod=/tmp/node', 'mount=/tmp', 'chroot']);
    expect(Object.fromEntries(told)).toMatchObject({
      chroot: 'done',
      bpf: 'EPERM',
      'mknod=/tmp/node': 'EPERM',
      'mount=/tmp': 'EPERM',
    });
    expect(told.get('keyctl')).not.toBe('EPERM');
  });

  it('whose end leaves processes behind takes them along', async () => {
    sandbox(1000, true);
    host.container(
      'probe',
      'executable: /usr/bin/sh\narguments: [-c, "setsid sleep 54321 & sleep 0.2"]\nrestart-timeout: 1000\n',
    );
    writeFileSync(host.processes, 'probe: { image: app, config: /config/probe.yaml }\n');
    await host.start();
    await host.until('the end', ({ containers: [each] }) => each?.lastEnd);
    expect(spawnSync('pgrep', ['-f', 'sleep 54321'], { encoding: 'utf8' }).stdout).toBe('');
  });
});
