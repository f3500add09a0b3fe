import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, until, vaggaHost } from './vagga/host.ts';
import { playInShell } from './vagga/terminal.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'the capsule of vagga', missing ?? '');

/** Of this run: processes of other tests may sleep too. */
const nap = 200_000 + process.pid;

const port = 20_000 + (process.pid % 1000);

const yaml = `
containers:
  c: { setup: [!Tar { url: ./root.tar.gz }, !Sh "echo by-capsule > /etc/built"] }
  narrow: { uids: [0-10], gids: [0-10], setup: [!Tar { url: ./root.tar.gz }] }
commands:
  first: !Command { container: c, run: "echo first" }
  look: !CapsuleCommand { run: 'echo "$PATH"; pwd; id -u; ls /work/vagga.yaml /vagga/base/.roots >/dev/null && echo seen; touch /x /usr/x /bin/x 2>/dev/null || echo kept' }
  args: !CapsuleCommand { run: [echo, "a"], environ: { X: "1" }, prerequisites: [first], epilog: "End.\\n", banner: "Begin." }
  opts: !CapsuleCommand
    options: "Usage: vagga opts [options] [--port=<n>]\\nOptions:\\n  --port <n>  Port\\n"
    run: 'echo "$VAGGAOPT_PORT"'
  sub: !CapsuleCommand { run: pwd, work-dir: sub }
  write: !CapsuleCommand { run: 'touch made-inside' }
  vagga: !CapsuleCommand { run: [vagga] }
  bare: !CapsuleCommand { run: 'vagga first' }
  build: !CapsuleCommand { run: 'vagga _capsule build --print-version c && vagga _capsule run c cat /etc/built' }
  narrow: !CapsuleCommand { run: 'vagga _capsule build narrow' }
  also-narrow: !CapsuleCommand { uids: [0-10], gids: [0-10], run: 'vagga _capsule run narrow echo narrow' }
  input: !CapsuleCommand { run: 'vagga _capsule run c tr a-z A-Z', accepts-arguments: false }
  absent: !CapsuleCommand { run: [no-such-program] }
  code: !CapsuleCommand { run: 'exit 7' }
  alone: !CapsuleCommand { run: 'grep -c : /proc/net/dev', isolate-network: true }
  serve: !CapsuleCommand { pass-tcp-socket: ${port}, run: [python3, -c, "import socket; c = socket.socket(fileno=3).accept()[0]; c.sendall(b'from the capsule'); c.close()"] }
  sleeps: !CapsuleCommand { run: 'sleep ${nap} & vagga _capsule run c sh -c "echo up; sleep ${nap}"' }
`;

const script = '#!/bin/sh -e\necho "script $# $1"\nvagga _capsule run c echo from-script\n';
const sum = createHash('sha256').update(script).digest('hex');

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

describe.skipIf(noRootless).each(['user', 'root'] as const)('the capsule, as %s', (who) => {
  let project: Project;
  const vagga = (...args: readonly string[]) => project.vagga(args);
  beforeAll(() => {
    project = host.project(who, yaml, { 'sub/file': '', 'script.sh': script });
  });

  it('has the programs of the host, read-only, and the project', () => {
    mkdirSync(project.file('.vagga/.roots'), { recursive: true });
    if (who === 'user') spawnSync('chown', ['-R', `${host.uid}:${host.gid}`, project.file('.vagga')]);
    const look = vagga('look');
    expect([look.status, look.stdout]).toEqual([0, '/vagga/bin:/bin\n/work\n0\nseen\nkept\n']);
    expect(vagga('sub').stdout).toBe('/work/sub\n');
    expect(vagga('write').status).toBe(0);
    expect(existsSync(project.file('made-inside'))).toBe(true);
  });

  it('builds and runs containers, which are the same outside', () => {
    const built = vagga('build');
    expect(built.stderr).toMatch(/Container c \([0-9a-f]{8}\) built in \d+ seconds\.\n$/);
    expect([built.status, built.stdout]).toEqual([0, expect.stringMatching(/^c\.[0-9a-f]{8}\nby-capsule\n$/)]);
    expect(vagga('--no-build', 'first')).toMatchObject({ status: 0, stdout: 'first\n', stderr: '' });
    expect(vagga('_build', '--force', 'c').status).toBe(0);
    const again = vagga('build');
    expect([again.status, again.stderr]).toEqual([0, '']);
  });

  it('runs commands as any other is run: prerequisites, arguments, options, banner, epilog, exit codes', () => {
    expect(vagga('args', 'b')).toMatchObject({
      status: 0,
      stdout: 'first\na b\nEnd.\n',
      stderr: expect.stringMatching(/Begin\.\n$/),
    });
    expect(vagga('opts', '--port', '80').stdout).toBe('80\n');
    expect(vagga('opts', '--nope').status).toBe(121);
    expect(vagga('look', 'x')).toMatchObject({ status: 122, stdout: '' });
    expect(vagga('code').status).toBe(7);
    expect(vagga('absent')).toMatchObject({ status: 124, stderr: 'no-such-program: no such program in the capsule\n' });
    expect(vagga('alone').stdout).toBe('1\n');
  });

  it('refuses vagga itself, and containers of other ids', () => {
    for (const name of ['vagga', 'bare']) {
      expect(vagga(name)).toMatchObject({
        status: 127,
        stdout: '',
        stderr: expect.stringContaining('Recursive vagga'),
      });
    }
    expect(vagga('narrow')).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('uids and gids of the capsule'),
    });
    expect(vagga('also-narrow')).toMatchObject({ status: 0, stdout: 'narrow\n' });
  });

  it('has a shell that runs what it is given', () => {
    const words = project.words(['_build_shell']);
    const [program = '', ...rest] = words;
    const input = 'echo "$((40+2)) $PATH"\nvagga _capsule run c echo inside\nexit 5\n';
    const done = spawnSync(program, rest, {
      cwd: project.folder,
      input,
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    expect([done.status, done.stdout, done.stderr]).toEqual([5, '42 /vagga/bin:/bin\ninside\n', '']);
  });

  it('runs scripts of the project, and its own messages have codes', () => {
    expect(vagga('_capsule', 'script', './script.sh', 'x y')).toMatchObject({
      status: 0,
      stdout: 'script 1 x y\nfrom-script\n',
    });
    expect(vagga('_capsule', 'script', '--sha256', sum, './script.sh').stdout).toContain('script 0');
    expect(vagga('_capsule', 'script', '--sha256', '0'.repeat(64), './script.sh')).toMatchObject({
      status: 121,
      stdout: '',
      stderr: expect.stringContaining('Hashsum mismatch:'),
    });
    expect(vagga('_capsule', 'script', './absent.sh')).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('no such file'),
    });
    expect(vagga('_capsule', 'download', '--sha256', 'short', './script.sh').status).toBe(122);
    expect(vagga('_capsule', 'nope').status).toBe(122);
  });

  it('fetches files and scripts once, and again when it is told to', async () => {
    const served = project.file('served');
    mkdirSync(served);
    writeFileSync(join(served, 'script.sh'), script);
    const server = spawn('python3', ['-u', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', served, '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      let said = '';
      let requests = 0;
      server.stdout.on('data', (text) => {
        said += text;
      });
      server.stderr.on('data', (text) => {
        requests += String(text).split('"GET ').length - 1;
      });
      await until('the server', () => /port \d+/.test(said));
      const url = `http://127.0.0.1:${/port (\d+)/.exec(said)?.[1]}/script.sh`;
      const first = vagga('_capsule', 'script', url, 'x');
      expect([first.status, first.stdout]).toEqual([0, 'script 1 x\nfrom-script\n']);
      const file = vagga('_capsule', 'download', url).stdout.trim();
      expect(readFileSync(file, 'utf8')).toBe(script);
      expect(vagga('_capsule', 'download', '--sha256', '1'.repeat(64), url)).toMatchObject({
        status: 121,
        stderr: expect.stringContaining('Hashsum mismatch:'),
      });
      writeFileSync(join(served, 'script.sh'), '#!/bin/sh\necho changed\n');
      expect(vagga('_capsule', 'script', url).stdout).toContain('script 0');
      expect(vagga('_capsule', 'script', '--refresh', url).stdout).toBe('changed\n');
      expect(vagga('_capsule', 'script', url).stdout).toBe('changed\n');
      await until('its log', () => requests >= 3);
      expect(requests).toBe(3);
    } finally {
      server.kill();
    }
  });

  it('hands on a socket that listens before it starts', async () => {
    const launcher = project.start(['serve']);
    const ended = new Promise((resolve) => launcher.once('exit', resolve));
    const answer = async (): Promise<string> => {
      const socket = connect(port, '127.0.0.1');
      let got = '';
      try {
        for await (const part of socket) got += part;
      } catch {
        // Nobody listens yet.
      }
      return got;
    };
    let got = '';
    while (got === '' && launcher.exitCode === null) got = await answer();
    expect([got, await ended]).toEqual(['from the capsule', 0]);
  });

  it('leaves no process when the launcher is killed', async () => {
    const sleepers = (): string => spawnSync('pgrep', ['-fx', `sleep ${nap}`], { encoding: 'utf8' }).stdout;
    const launcher = project.start(['sleeps']);
    let output = '';
    launcher.stdout?.on('data', (text) => {
      output += text;
    });
    await until('the command', () => output.includes('up'));
    expect(sleepers().trim().split('\n')).toHaveLength(2);
    launcher.kill('SIGKILL');
    await until('its end', () => sleepers() === '');
  });
});

describe.skipIf(noRootless)('the capsule of a project whose builds are kept elsewhere', () => {
  it('builds there, and has the settings and volumes of the one outside', () => {
    const project = host.project(
      'user',
      `
containers: { c: { setup: [!Tar { url: ./root.tar.gz }], volumes: { /data: !BindRO /volumes/v } } }
commands:
  outside: !Command { container: c, run: 'cat /data/file; echo "$SET"' }
  inside: !CapsuleCommand { run: 'vagga _capsule run c sh -c "cat /data/file; echo \\$SET"; cat /volumes/v/file' }
`,
      { 'elsewhere/storage/.keep': '', 'elsewhere/v/file': 'of the volume\n' },
    );
    const inner = host.project('user', 'containers: {}');
    spawnSync('mv', [project.file('elsewhere'), inner.file('elsewhere')]);
    const settings = {
      'storage-dir': inner.file('elsewhere/storage'),
      'storage-subdir-from-env-var': 'SUB',
      'external-volumes': { v: inner.file('elsewhere/v') },
      environ: { SET: 'by settings' },
    };
    const env = { VAGGA_SETTINGS: JSON.stringify(settings), SUB: 'part' };
    const inside = project.vagga(['inside'], { env });
    expect([inside.status, inside.stdout]).toEqual([0, 'of the volume\nby settings\nof the volume\n']);
    expect(existsSync(inner.file('elsewhere/storage/part/.roots'))).toBe(true);
    expect(project.vagga(['--no-build', 'outside'], { env })).toMatchObject({
      status: 0,
      stdout: 'of the volume\nby settings\n',
    });
  });
});

describe.skipIf(noRootless)('at a terminal', () => {
  it('the shell of the capsule has job control, and containers run in it as jobs', () => {
    const project = host.project('user', yaml);
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    const words = project.words(['_build_shell']);
    const setUser = words.slice(0, words.indexOf(process.execPath));
    const steps = [
      ['type', `PS1='P''> '; cd ${project.folder}\n`],
      ['expect', 'P> '],
      ['type', `${words.slice(setUser.length).join(' ')}\n`],
      ['expect', '# '],
      ['type', 'tty; vagga _capsule run c sh -c "echo RE\'\'ADY; sleep 1000"\n'],
      ['expect', 'READY'],
      ['type', '\x03'],
      ['expect', '# '],
      ['type', 'echo code=$?; exit 4\n'],
      ['expect', 'code=130'],
      ['expect', 'P> '],
      ['type', 'echo code=$?\n'],
      ['expect', 'code=4'],
    ];
    const done = playInShell(setUser, steps, project.folder);
    expect([done.status, done.stderr]).toEqual([0, '']);
  });
});
