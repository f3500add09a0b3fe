import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'projects of vagga', missing ?? '');

const yaml = `
containers:
  base:
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Text { /etc/hello: "Hello world!\\n" }
  app:
    setup:
    - !Container base
    - !Depends requirements.txt
    - !EnsureDir /data
    - !Sh "echo built > /etc/built"
    environ: { GREETING: hi, A: container }
    volumes: { /data: !Persistent { name: data, init-command: _init } }
commands:
  _init: !Command { container: app, run: "echo filled >> /data/log" }
  hello: !Command
    description: Say hello
    epilog: "That was it.\\n"
    container: app
    run: 'cat /etc/hello /etc/built /data/log; echo "$GREETING $A $B"; pwd; id -u'
  args: !Command { container: app, run: [echo, x], aliases: [a] }
  fail: !Command { container: app, run: "exit 7" }
  after: !Command { container: app, prerequisites: [args], run: "echo after" }
  stop: !Command { container: app, prerequisites: [fail], run: "echo never" }
  serve: !Command
    container: app
    options: |
      Usage: vagga serve [options] [--port=<n>]
      Options:
        --port <n>  Port [default: 9000]
    run: 'echo "$VAGGAOPT_PORT $VAGGACLI_PORT"'
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

describe.skipIf(noRootless).each(['user', 'root'] as const)('a project, as %s', (who) => {
  let project: Project;
  beforeAll(() => {
    project = host.project(who, yaml, { 'requirements.txt': 'django==1.8\n' });
  });

  it('builds what a command needs, fills its volume once, and runs it', () => {
    const first = project.vagga(['hello']);
    expect(first.stderr).toMatch(
      /Container base \([0-9a-f]{8}\) built in \d+ seconds\.\n[\s\S]*Container app \([0-9a-f]{8}\) built/,
    );
    expect([first.status, first.stdout]).toEqual([
      0,
      'Hello world!\nbuilt\nfilled\nhi container \n/work\n0\nThat was it.\n',
    ]);
    const again = project.vagga(['-E', 'A=set', '-e', 'B', 'hello'], { env: { B: 'through' } });
    expect(again.stderr).toBe('');
    expect(again.stdout).toContain('filled\nhi set through\n');
  });

  it('takes arguments, aliases and options, and gives exit codes', () => {
    expect(project.vagga(['a', 'b', 'c d']).stdout).toBe('x b c d\n');
    expect(project.vagga(['fail']).status).toBe(7);
    expect(project.vagga(['fail', 'x'])).toMatchObject({
      status: 122,
      stderr: expect.stringContaining('unexpected argument'),
    });
    expect(project.vagga(['serve', '--port', '80']).stdout).toBe('80 --port 80\n');
    expect(project.vagga(['serve', '--nope'])).toMatchObject({
      status: 121,
      stderr: expect.stringContaining("Unknown flag: '--nope'"),
    });
    expect(project.vagga(['serve', '--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Built-in options:'),
    });
  });

  it('runs what must run before, once, and stops at the first failure', () => {
    expect(project.vagga(['after']).stdout).toBe('x\nafter\n');
    expect(project.vagga(['-m', 'args', 'after']).stdout).toBe('x\nafter\n');
    expect(project.vagga(['--no-prerequisites', 'after']).stdout).toBe('after\n');
    expect(project.vagga(['stop'])).toMatchObject({ status: 7, stdout: '' });
  });

  it('is built anew when a file has changed that it depends on, says why, and finds the old build again', () => {
    const before = project.vagga(['_version_hash', '--short', 'app']).stdout;
    expect(project.vagga(['_explain', 'app']).stdout).toContain('nothing has changed');
    writeFileSync(project.file('requirements.txt'), 'django==1.9\n');
    expect(project.vagga(['_explain', 'app']).stdout).toContain('/work/requirements.txt has other content');
    expect(project.vagga(['--no-build', 'args'])).toMatchObject({ status: 29, stdout: '' });
    expect(project.vagga(['--no-version-check', 'args']).stdout).toBe('x\n');
    const rebuilt = project.vagga(['args']);
    expect(rebuilt.stderr).toContain('Container app (');
    writeFileSync(project.file('requirements.txt'), 'django==1.8\n');
    expect(project.vagga(['_version_hash', '-s', 'app']).stdout).toBe(before);
    expect(project.vagga(['args'])).toMatchObject({ stderr: '', stdout: 'x\n' });
  });

  it('is cleaned of builds that are not the newest, or no current version, of copies and of volumes', () => {
    const clean = (...flags: string[]) => project.vagga(['_clean', ...flags]);
    expect(clean()).toMatchObject({ status: 1, stderr: expect.stringContaining('--unused') });
    expect(clean('--global', '--everything').status).toBe(2);
    const would = clean('--old', '--dry-run').stdout;
    expect(would).toMatch(/^Would remove ".*\/\.vagga\/\.roots\/app\.[0-9a-f]{8}"\n$/);
    expect([clean('--old').status, clean('--old', '-n').stdout]).toEqual([0, '']);
    expect(project.vagga(['args'])).toMatchObject({ stderr: '', stdout: 'x\n' });
    expect(clean('--unused', '-n').stdout).toBe('');
    writeFileSync(project.file('requirements.txt'), 'django==2.0\n');
    expect(clean('--unused', '-n').stdout).toContain('/.roots/app.');
    expect(clean('--unused', '--at-least', '10 days', '-n').stdout).toBe('');
    expect(clean('--unused', '--at-least', 'soon')).toMatchObject({ status: 122 });
    for (const path of ['.vagga/.transient', '.vagga/.transient/app.00000000.999999999']) {
      mkdirSync(project.file(path), { recursive: true });
      if (who === 'user') chownSync(project.file(path), host.uid, host.gid);
    }
    expect(clean('--transient', '-n').stdout).toContain('.transient/app.00000000.999999999');
    expect(clean('--unused-volumes', '-n').stdout).toBe('');
    expect(clean('--volumes', '-n').stdout).toContain('/.volumes/data');
    expect(clean('--everything').status).toBe(0);
    expect(existsSync(project.file('.vagga'))).toBe(false);
    expect(project.vagga(['hello']).stdout).toContain('filled');
  });

  it('has containers for any program, read-only or in a copy that is thrown away', () => {
    expect(project.vagga(['_run', 'base', 'cat', '/etc/hello']).stdout).toBe('Hello world!\n');
    expect(project.vagga(['_run', 'base', 'touch', '/etc/new']).status).not.toBe(0);
    expect(project.vagga(['_run', '-W', 'base', 'touch', '/etc/new']).status).toBe(0);
    expect(existsSync(join(project.folder, '.vagga/base/etc/new'))).toBe(false);
    expect(project.vagga(['_build', '--force', 'base']).stderr).toContain('Container base (');
    expect(project.vagga(['_run', 'base', 'no-such-program']).status).toBe(124);
    expect(project.vagga(['_run', 'none', 'ls'])).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('no container none'),
    });
  });
});

describe.skipIf(noRootless)('several commands in one go', () => {
  it('run when all of their containers are built, and not at all where one is unknown', () => {
    const project = host.project(
      'user',
      `
containers:
  good: { setup: [!Tar { url: ./root.tar.gz }] }
  bad: { setup: [!Container good, !Sh "false"] }
commands:
  one: !Command { container: good, run: echo one }
  two: !Command { container: bad, run: echo two }
`,
    );
    expect(project.vagga(['-m', 'one', 'tow'])).toMatchObject({
      status: 121,
      stdout: '',
      stderr: expect.stringContaining('command tow not found'),
    });
    expect(project.vagga(['-m', 'one', 'two'])).toMatchObject({ status: 121, stdout: '' });
    expect(project.vagga(['-m', 'one', 'one'])).toMatchObject({ status: 0, stdout: 'one\none\n' });
  });
});

describe.skipIf(noRootless)('a project of somebody else', () => {
  it('is not built by root, unless told to', () => {
    const project = host.project('root', yaml, { 'requirements.txt': '' });
    const theirs = host.project('user', yaml, { 'requirements.txt': '' });
    const at = { cwd: theirs.folder };
    expect(project.vagga(['args'], at)).toMatchObject({
      status: 122,
      stderr: expect.stringContaining('--ignore-owner-check'),
    });
    expect(project.vagga(['--ignore-owner-check', 'args'], at)).toMatchObject({ status: 0, stdout: 'x\n' });
  });
});
