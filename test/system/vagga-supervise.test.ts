import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, until, vaggaHost } from './vagga/host.ts';
import { playInShell } from './vagga/terminal.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'supervise of vagga', missing ?? '');

/** Of this run: processes of other tests may sleep too. */
const nap = 100_000 + process.pid;

const [shared, own] = [18_000 + (process.pid % 1000), 19_000 + (process.pid % 1000)];
/** As /proc/net/tcp has it. */
const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

const yaml = `
containers:
  c:
    setup: [!Tar { url: ./root.tar.gz }, !EnsureDir /data]
  late: { setup: [!Container c, !Depends late] }
commands:
  first: !Command { container: c, run: "echo first" }
  of-child: !Command { container: c, run: "echo of-child" }
  _fill: !Command { container: c, run: "echo filled >> /data/log", volumes: &data { /data: !Persistent { name: d, init-command: _fill } } }
  pair: !Supervise
    epilog: "All well.\\n"
    banner: "Two of them."
    prerequisites: [first]
    mode: wait-all-successful
    children:
      one: !Command { container: c, prerequisites: [of-child], tags: [odd, all], volumes: *data, run: 'cat /data/log; echo "$VAGGA_COMMAND/$VAGGA_SUBCOMMAND"' }
      two: !Command { container: c, tags: [even, all], run: 'echo "$VAGGA_COMMAND/$VAGGA_SUBCOMMAND"' }
      three: !Command { container: c, tags: [odd, never], run: 'echo three; exit 1' }
  fails: !Supervise
    children:
      stays: !Command { container: c, run: 'trap "echo told; exit 0" TERM; echo up > /work/stays-up; while :; do sleep 0.1; done' }
      ends: !Command { container: c, run: 'while ! [ -e /work/stays-up ]; do sleep 0.05; done; exit 3' }
  stubborn: !Supervise
    kill-unresponsive-after: 1
    children:
      deaf: !Command { container: c, run: 'trap "" TERM INT; echo up > /work/deaf-up; while :; do sleep 0.1; done' }
      ends: !Command { container: c, run: 'while ! [ -e /work/deaf-up ]; do sleep 0.05; done; exit 4' }
  patient: !Supervise
    mode: wait-all-successful
    children:
      a: !Command { container: c, run: 'true' }
      b: !Command { container: c, run: 'sleep 0.2; exit 6' }
      c: !Command { container: c, run: 'sleep ${nap}' }
  cannot: !Supervise
    epilog: "never"
    children:
      good: !Command { container: c, run: 'sleep ${nap}' }
      bad: !Command { container: c, run: [no-such-program] }
  alone: !Supervise
    isolate-network: true
    mode: wait-all-successful
    children:
      server: !Command { container: c, run: 'grep -c : /proc/net/dev; echo hello | nc -l -p 8000' }
      client: !Command { container: c, user-id: 1, run: 'while ! nc 127.0.0.1 8000 </dev/null; do sleep 0.1; done' }
  plain: !Supervise
    mode: wait-all-successful
    children:
      a: !Command { container: c, run: 'grep -c : /proc/net/dev; readlink /proc/self/ns/net' }
      b: !Command { container: c, run: 'grep -c : /proc/net/dev; readlink /proc/self/ns/net' }
  single: !Command { container: c, run: 'grep -c : /proc/net/dev', isolate-network: true }
  sockets: !Supervise
    mode: wait-all-successful
    pass-tcp-socket: ${shared}
    children:
      a: !Command { container: c, run: &listening 'i=$(readlink /proc/self/fd/3 | tr -dc 0-9); awk -v i=$i "\\$10 == i && \\$4 == \\"0A\\" { print i, \\$2 }" /proc/net/tcp' }
      b: !Command { container: c, run: *listening }
      own: !Command { container: c, pass-tcp-socket: "*:${own}", run: *listening }
  opts: !Supervise
    description: Serve it
    mode: wait-all-successful
    options: |
      Usage: vagga opts [options] [--port=<n>] [<word>]
      Options:
        --port <n>  Port [default: 9000]
    children:
      a: !Command { container: c, run: 'echo "a=$VAGGAOPT_PORT,$VAGGACLI_WORD,$VAGGAOPT_ONLY"' }
      b: !Command { container: c, tags: [tag], run: 'echo "b=$VAGGAOPT_PORT"' }
  sleepers: !Supervise
    children:
      a: !Command { container: c, run: 'sleep ${nap} & echo up; wait' }
      b: !Command { container: c, user-id: 5, run: 'sleep ${nap} & echo up; wait' }
  late: !Supervise { children: { a: !Command { container: late, run: "echo late" } } }
  copies: !Supervise
    mode: wait-all-successful
    children:
      a: !Command { container: c, write-mode: transient-hard-link-copy, run: 'touch /mine; sleep 0.3; ls / | grep -c mine' }
      b: !Command { container: c, write-mode: transient-hard-link-copy, run: 'touch /mine; sleep 0.3; ls / | grep -c mine' }
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const sleepers = (): string => spawnSync('pgrep', ['-fx', `sleep ${nap}`], { encoding: 'utf8' }).stdout;
const sorted = (text: string): readonly string[] => text.trimEnd().split('\n').sort();

describe.skipIf(noRootless).each(['user', 'root'] as const)('a supervise, as %s', (who) => {
  let project: Project;
  const vagga = (...args: readonly string[]) => project.vagga(args);
  beforeAll(() => {
    project = host.project(who, yaml, { late: '1' });
    expect(vagga('_build', 'c')).toMatchObject({ status: 0 });
  });

  it('runs its children together, after what it and they say must run before, and tells banner and epilog', () => {
    const done = vagga('pair', '--exclude', 'three');
    expect(done.stderr).toBe('Two of them.\n');
    const lines = done.stdout.split('\n');
    expect(lines.slice(0, 2)).toEqual(['first', 'of-child']);
    expect(lines.slice(2, 5).sort()).toEqual(['filled', 'pair/one', 'pair/two']);
    expect([done.status, lines.slice(5)]).toEqual([0, ['All well.', '']]);
  });

  it('runs only those that are chosen by name or tag', () => {
    const ran = (...args: readonly string[]) => {
      const { status, stdout } = project.vagga(['--no-prerequisites', 'pair', ...args]);
      const names = ['one', 'two', 'three'].filter(
        (name) => stdout.includes(`pair/${name}\n`) || stdout.includes(`${name}\n`),
      );
      return [status, names.join(' ')];
    };
    expect(ran('--only', 'two')).toEqual([0, 'two']);
    expect(ran('--only', 'one', 'even')).toEqual([0, 'one two']);
    expect(ran('--only', 'all', '--exclude', 'one')).toEqual([0, 'one two']);
    expect(ran('--exclude', 'odd')).toEqual([0, 'two']);
    expect(ran('--exclude', 'even', 'never')).toEqual([0, 'one']);
    expect(ran('--only', 'never')).toEqual([1, 'three']);
    expect(vagga('pair', '--only', 'onee')).toMatchObject({
      status: 127,
      stdout: '',
      stderr: expect.stringMatching(/no tag onee.*one[\s\S]*no children to supervise/),
    });
    expect(vagga('pair', 'word')).toMatchObject({ status: 122, stdout: '' });
    expect(vagga('pair', '--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--only <names...>') });
  });

  it('shuts down with the first that ends, whose code it has', () => {
    const done = vagga('fails');
    expect(done.stdout).toMatch(/^---------- Process ends:\d+ exited with code 3\. Shutting down -----------\ntold\n$/);
    expect([done.status, done.stderr]).toEqual([3, '']);
  });

  it('kills who does not end in time', () => {
    const done = vagga('stubborn');
    expect(done.stdout).toContain('exited with code 4. Shutting down -----------\n');
    expect(done.stdout).toContain('---------- Processes ["deaf"] are still alive. Killing ... -----------\n');
    expect(done.status).toBe(4);
  });

  it('waits for all where it is told to, until one fails', () => {
    const done = vagga('patient');
    expect(done.stdout).toMatch(/^-+ Process b:\d+ exited with code 6\. Shutting down -+\n$/);
    expect([done.status, sleepers()]).toEqual([6, '']);
  });

  it('ends with 127 and no child left when one cannot be started', () => {
    const done = vagga('cannot');
    expect(done.stderr).toBe('vagga: child bad cannot be started: no-such-program: no such program in the container\n');
    expect([done.status, done.stdout, sleepers()]).toEqual([127, '', '']);
  });

  it('has one network of its own for all children, with lo alone, whoever they are inside', () => {
    const here = Number(spawnSync('grep', ['-c', ':', '/proc/net/dev'], { encoding: 'utf8' }).stdout);
    const done = vagga('alone');
    expect([done.status, sorted(done.stdout), done.stderr]).toEqual([0, ['1', 'hello'], '']);
    const plain = vagga('plain').stdout.trim().split('\n').sort();
    const isolated = project.vagga(['--isolate-network', 'plain']).stdout.trim().split('\n').sort();
    expect(plain.slice(0, 2)).toEqual([String(here), String(here)]);
    expect(isolated.slice(0, 2)).toEqual(['1', '1']);
    for (const [one, other] of [plain.slice(2), isolated.slice(2)]) expect(one).toBe(other);
    expect(isolated[2]).not.toBe(plain[2]);
    expect(vagga('single').stdout).toBe('1\n');
    expect(project.vagga(['--no-net', '_run', 'c', 'grep', '-c', ':', '/proc/net/dev']).stdout).toBe('1\n');
  });

  it('hands its socket to children that have none of their own', () => {
    const { status, stdout } = vagga('sockets');
    const sockets = sorted(stdout).map((line) => line.split(' '));
    expect([status, sockets.map(([, address]) => address).sort()]).toEqual([
      0,
      [`00000000:${hex(own)}`, `0100007F:${hex(shared)}`, `0100007F:${hex(shared)}`],
    ]);
    expect(new Set(sockets.map(([inode]) => inode)).size).toBe(2);
  });

  it('reads options for its children, and names of children beside them', () => {
    expect(sorted(vagga('opts', '--port', '80', 'x y').stdout)).toEqual(["a=80,'x y',", 'b=80']);
    expect(vagga('opts', '--only', 'tag', '--port=1').stdout).toBe('b=1\n');
    expect(vagga('opts', '--exclude', 'tag', 'word').stdout).toBe('a=9000,word,\n');
    expect(vagga('opts', '--nope')).toMatchObject({ status: 121, stderr: expect.stringContaining("'--nope'") });
    expect(vagga('opts', '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Serve it\n[\s\S]*--only <names>\.\.\./),
    });
  });

  it('takes flags of builds after its name', () => {
    expect(vagga('late', '--no-build')).toMatchObject({ status: 29, stdout: '' });
    expect(vagga('late').stdout).toContain('late\n');
    writeFileSync(project.file('late'), '2');
    expect(vagga('late', '--no-build')).toMatchObject({ status: 29 });
    expect(vagga('late', '--no-version-check').stdout).toContain('late\n');
  });

  it('gives each child a copy of its own', () => {
    expect(vagga('copies')).toMatchObject({ status: 0, stdout: '1\n1\n', stderr: '' });
    expect(existsSync(project.file('.vagga/c/mine'))).toBe(false);
    expect(spawnSync('ls', [project.file('.vagga/.transient')], { encoding: 'utf8' }).stdout).toBe('');
  });

  it.each([
    ['SIGINT', 130, []],
    ['SIGTERM', 143, []],
    ['SIGKILL', null, []],
    ['SIGKILL', null, ['--isolate-network']],
  ] as const)('leaves no process after %s', async (signal, code, options) => {
    const launcher = project.start([...options, 'sleepers']);
    let output = '';
    launcher.stdout?.on('data', (text) => {
      output += text;
    });
    const ended = new Promise((resolve) => launcher.once('exit', resolve));
    await until('both children', () => output.split('up\n').length === 3);
    expect(sleepers().trim().split('\n')).toHaveLength(2);
    launcher.kill(signal);
    expect(await ended).toBe(code);
    await until('their end', () => sleepers() === '');
    expect(output).toBe('up\nup\n');
  });
});

describe.skipIf(noRootless)('a supervise of a user to whom no ids are granted', () => {
  it('has one network for all children too', () => {
    const project = host.project('user', yaml, { late: '' });
    const nothing = { subuid: '/dev/null', subgid: '/dev/null' };
    const { status, stdout } = project.vagga(['--isolate-network', '--no-prerequisites', 'plain'], nothing);
    const lines = sorted(stdout);
    expect([status, lines.length, new Set(lines).size, lines[0]]).toEqual([0, 4, 2, '1']);
  });
});

describe.skipIf(noRootless)('a command', () => {
  const expected = (limit: number): string => `
containers: { c: { setup: [!Tar { url: ./root.tar.gz }] } }
commands:
  watch: !Command { container: c, expect-inotify-limit: ${limit}, run: 'true' }
  both: !Supervise
    mode: wait-all-successful
    expect-inotify-limit: 1
    children: { a: !Command { container: c, expect-inotify-limit: ${limit}, run: 'true' } }
  later: !Command { container: c, banner: "It is up.", banner-delay: 0.1, run: 'while ! [ -e /work/go ]; do sleep 0.1; done' }
  soon: !Command { container: c, banner: "Never told.", banner-delay: 3600, run: 'true' }
`;
  const limit = Number(readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8'));

  it('tells its banner after a while, unless it has ended by then', async () => {
    const project = host.project('user', expected(1));
    const soon = project.vagga(['soon']);
    expect([soon.status, soon.stderr]).toEqual([0, expect.not.stringContaining('Never told.')]);
    const launcher = project.start(['later']);
    let told = '';
    launcher.stderr?.on('data', (text) => {
      told += text;
    });
    const ended = new Promise((resolve) => launcher.once('exit', resolve));
    await until('the banner', () => told === 'It is up.\n');
    writeFileSync(project.file('go'), '');
    expect(await ended).toBe(0);
  });

  it('that watches many files says so where it may not, and runs', () => {
    const project = host.project('user', expected(limit + 1));
    const warning = `WARNING: fs.inotify.max_user_watches is ${limit}, the command expects ${limit + 1}: sudo -k sysctl fs.inotify.max_user_watches=${limit + 1}\n`;
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    for (const name of ['watch', 'both']) expect(project.vagga([name])).toMatchObject({ status: 0, stderr: warning });
  });

  it.skipIf(limit + 1 > 524_288)('has the limit raised by sudo where settings allow it', () => {
    const project = host.project('user', expected(limit + 1), { 'bin/sudo': '#!/bin/sh\necho "sudo: $*"\nexit 1\n' });
    chmodSync(project.file('bin/sudo'), 0o755);
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    const env = { PATH: `${project.file('bin')}:${process.env.PATH}`, VAGGA_SETTINGS: 'auto-apply-sysctl: true' };
    const sysctl = `-k sysctl fs.inotify.max_user_watches=${limit + 1}\n`;
    expect(project.vagga(['watch'], { env }).stderr).toBe(
      `sudo ${sysctl}sudo: ${sysctl}WARNING: fs.inotify.max_user_watches stays ${limit}, the command expects ${limit + 1}\n`,
    );
  });
});

describe.skipIf(noRootless)('at a terminal', () => {
  it('a supervise is one job: Ctrl-C, Ctrl-Z and fg are for all children, and they read one after the other', () => {
    const project = host.project(
      'user',
      `
containers: { c: { setup: [!Tar { url: ./root.tar.gz }] } }
commands:
  wait: !Supervise
    children:
      a: !Command { container: c, run: 'trap "echo A-INT; exit 1" INT; echo A""-READY; while :; do sleep 0.1; done' }
      b: !Command { container: c, run: 'trap "echo B-INT; exit 1" INT; echo B""-READY; while :; do sleep 0.1; done' }
  count: !Supervise
    children:
      a: !Command { container: c, run: ': counting; trap "echo A-AGAIN" CONT; echo A""-READY; while :; do sleep 0.1; done' }
      b: !Command { container: c, run: ': counting; trap "echo B-AGAIN" CONT; echo B""-READY; while :; do sleep 0.1; done' }
  read: !Supervise
    mode: wait-all-successful
    children:
      a: !Command { container: c, run: 'echo RE""ADY; read x; echo "got=$x"' }
      b: !Command { container: c, run: 'read x; echo "got=$x"' }
  first: !Supervise
    children:
      reader: !Command { container: c, run: 'echo RE""ADY; read x; echo "1=$x"; read x; echo "2=$x"; exit 3' }
      idle: !Command { container: c, run: 'sleep ${nap}' }
`,
    );
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    const words = project.words([]);
    const setUser = words.slice(0, words.indexOf(process.execPath));
    const v = words.slice(setUser.length).join(' ');
    const script = [
      ['type', `PS1='P''> '; cd ${project.folder}; v() { ${v} "$@"; }\n`],
      ['expect', 'P> '],
      // Ctrl-C
      ['type', `${v} wait; echo code=$?\n`],
      ['expect', '-READY'],
      ['expect', '-READY'],
      ['type', '\x03'],
      ['expect', '-INT'],
      ['expect', '-INT'],
      ['expect', 'code=130'],
      ['expect', 'P> '],
      // Ctrl-Z stops all, fg lets all go on.
      ['type', `${v} count\n`],
      ['expect', '-READY'],
      ['expect', '-READY'],
      ['type', '\x1a'],
      ['expect', 'Stopped'],
      ['expect', 'P> '],
      ['repeat', `echo running=$(ps -o stat=,args= -u ${host.uid} | grep "[c]ounting" | grep -vc "^T")\n`, 'running=0'],
      ['type', 'fg\n'],
      ['expect', 'count'],
      ['expect', '-AGAIN'],
      ['expect', '-AGAIN'],
      ['type', '\x03'],
      ['expect', 'P> '],
      // Each reads when its turn comes.
      ['type', `${v} read; echo code=$?\n`],
      ['expect', 'READY'],
      ['repeat', 'one\n', 'got=one'],
      ['repeat', 'two\n', 'got='],
      ['expect', 'code=0'],
      ['expect', 'P> '],
      // One that has the terminal is stopped by its Ctrl-Z with all others, and has it again.
      ['type', `${v} first\n`],
      ['expect', 'READY'],
      ['repeat', 'one\n', '1=one'],
      ['repeat', '\x1a', 'Stopped'],
      ['expect', 'P> '],
      ['type', 'fg\n'],
      ['expect', 'first'],
      ['repeat', 'two\n', '2='],
      ['expect', 'exited with code 3. Shutting down'],
      ['expect', 'P> '],
      ['type', 'echo code=$?\n'],
      ['expect', 'code=3'],
    ];
    const done = playInShell(setUser, script, project.folder);
    expect(done.stderr).toBe('');
    expect([done.status, sleepers()]).toEqual([0, '']);
  });
});
