import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, until, vaggaHost } from './vagga/host.ts';
import { playInShell } from './vagga/terminal.ts';

const missing = missingForRootless();
const noFastPath = skipped(missing === null, 'the fast path of vagga', missing ?? '');

const show = 'cat /built; echo "$A $B $TERM"; pwd';
const yaml = `
containers:
  plain: { setup: [!Tar { url: ./root.tar.gz }, !Sh "echo plain > /built"], environ: { A: container } }
  depends: { setup: [!Container plain, !Depends file, !Sh "cat /work/file > /built"] }
  copy: { setup: [!Container plain, !Copy { source: /work/folder, path: /copy }, !Sh "ls /copy > /built"] }
  python: { setup: [!Container plain, !Py3Requirements requirements.txt] }
  other: { setup: [!Container plain], volumes: { /data: !Container depends } }
  kept: { setup: [!Container plain], volumes: { /data: !Persistent kept, /tmp: !Tmpfs { size: 1Mi, mode: 0o700, files: { a: text } } } }
commands:
  plain: !Command { container: plain, run: '${show}', aliases: [p], epilog: "that was it\\n" }
  depends: !Command { container: depends, run: '${show}' }
  copy: !Command { container: copy, run: '${show}' }
  other: !Command { container: other, run: 'cat /data/built' }
  kept: !Command { container: kept, run: 'cat /tmp/a; echo x > /data/n; ls -ln /data | cut -c1-40', user-id: 0, supplementary-gids: [3] }
  words: !Command { container: plain, run: [echo, first] }
  sub: !Command { container: plain, run: pwd, work-dir: folder }
  all: !Command { container: plain, run: 'env; ls -l /proc/self/fd | cut -c1-10 | sort; ulimit -n; id; umask; pwd; cat /proc/self/uid_map /proc/self/gid_map; cut -d" " -f4- /proc/self/mountinfo; grep -E "^(Sig|Shd|Cap|NoNew|Secc)" /proc/self/status; cat /proc/1/comm' }
  fail: !Command { container: plain, run: 'exit 7' }
  killed: !Command { container: plain, run: 'kill -9 $$' }
  absent: !Command { container: plain, run: [no-such-program] }
  sleep: !Command { container: plain, run: 'echo ready; sleep 1234' }
  wait: !Command { container: plain, run: 'echo RE""ADY; sleep 1000' }
  read: !Command { container: plain, run: 'echo RE""ADY; read x; echo "got=$x"' }
  late: !Command { container: plain, run: 'read x; echo "got=$x"' }
  shell: !Command { container: plain, run: [sh, -i] }
  before: !Command { container: plain, run: 'true', prerequisites: [fail] }
  optioned: !Command { container: plain, run: 'echo "$VAGGAOPT_X"', options: "Usage: vagga optioned [options] [--x=<n>]" }
  bannered: !Command { container: plain, run: 'true', banner: hello }
  writing: !Command { container: plain, run: 'true', write-mode: transient-hard-link-copy }
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noFastPath) host = await vaggaHost();
});
afterAll(() => host?.remove());

const debug = { VAGGA_DEBUG_FAST_PATH: '1' };
/** Root takes no plans from the home of a user. */
let caches = '';
beforeAll(() => {
  caches = mkdtempSync(join(tmpdir(), 'vagga-test-plans-'));
});
afterAll(() => rmSync(caches, { recursive: true, force: true }));
/** Of the variables that all runs of a project get. */
const own = (project: Project): Readonly<Record<string, string>> =>
  statSync(project.folder).uid === 0 ? { XDG_CACHE_HOME: caches } : {};
const taken = 'vagga: fast path: taken\n';

interface Options {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const outcome = ({ status, stdout, stderr }: ReturnType<Project['installed']>) => ({
  status,
  stdout,
  stderr: stderr.replace(/^vagga: fast path: .*\n/gm, ''),
});

/** Ends with true where the fast path ran it. Plans are written once all files have been still for two seconds. */
const runs = (project: Project, args: readonly string[], options: Options = {}): boolean =>
  project.installed(args, { ...options, env: { ...own(project), ...options.env, ...debug } }).stderr.startsWith(taken);

async function warm(project: Project, ...commands: readonly string[]): Promise<void> {
  for (const command of commands) await until(`a plan of ${command}`, () => runs(project, [command]));
}

/** A command that does not end by itself: its plan is written once it has started. */
async function warmEndless(project: Project, command: string): Promise<void> {
  const env = { PATH: process.env.PATH ?? '', HOME: join(project.folder, '..'), ...own(project), ...debug };
  const words = ['-s', 'INT', '1', ...project.program([command])];
  const options = { cwd: project.folder, env, encoding: 'utf8', input: '' } as const;
  await until(`a plan of ${command}`, () => spawnSync('timeout', words, options).stderr.startsWith(taken));
}

/** The fast path takes it or not, as expected, and either way it is what Node alone makes of it. */
function expectSame(project: Project, args: readonly string[], expected: string | RegExp, options: Options = {}) {
  const env = { ...own(project), ...options.env };
  const first = project.installed(args, { ...options, env: { ...env, ...debug } });
  const alone = project.installed(args, {
    ...options,
    env: { ...env, VAGGA_NO_FAST_PATH: '1', VAGGA_NO_KEPT_CONFIG: '1' },
  });
  expect(first.stderr).toMatch(expected);
  // What is built for the first is there for the second.
  const built = /^(Container .* (built in \d+ seconds\.|is built anew:)| {2}!.*|Steps .* are kept .*|\[.*|\+ .*)\n/gm;
  const [a, b] = [outcome(first), outcome(alone)];
  expect({ ...a, stderr: a.stderr.replace(built, '') }).toEqual({ ...b, stderr: b.stderr.replace(built, '') });
  return a;
}

describe.skipIf(noFastPath).each(['user', 'root'] as const)('the fast path, as %s', (who) => {
  let project: Project;
  /** The same whoever calls. */
  const onlyOnce = it.skipIf(who === 'root');
  beforeAll(async () => {
    project = host.project(who, yaml, { file: 'one\n', 'folder/a': 'a', 'requirements.txt': 'x==1\n' });
    for (const name of ['plain', 'depends', 'copy', 'other', 'kept']) {
      expect(project.vagga(['_build', name]).stderr).toMatch(/built|^$/);
    }
    await warm(project, 'plain', 'depends', 'copy', 'other', 'kept', 'words', 'sub', 'all', 'fail', 'killed');
    await warmEndless(project, 'sleep');
  });

  it('gives a command the same environment, descriptors, limits, ids, mounts and signals as Node does', () => {
    const env = { VAGGAENV_B: 'b', no_proxy: 'here', LANG: 'de', A: 'caller' };
    const { stdout } = expectSame(project, ['-e', 'LANG', '-E', 'C=c', 'all'], taken, { env });
    expect(stdout).toContain('LANG=de\n');
    expect(stdout).toContain('no_proxy=here\n');
    expect(stdout).toContain('B=b\n');
    expect(stdout).toContain('A=container\n');
    expectSame(project, ['kept'], taken, {});
  });

  it('takes an alias, arguments and folders as Node does', async () => {
    await warm(project, 'p');
    expect(expectSame(project, ['p'], taken)).toEqual({
      status: 0,
      stdout: expect.stringMatching(/that was it\n$/),
      stderr: '',
    });
    expect(expectSame(project, ['words', 'a b', '--help'], taken).stdout).toBe('first a b --help\n');
    expect(expectSame(project, ['plain'], taken, { cwd: project.file('folder') }).stdout).toContain('/work/folder\n');
    expect(expectSame(project, ['sub'], taken, { cwd: project.file('folder') }).stdout).toBe('/work/folder\n');
  });

  onlyOnce('leaves to Node what it does not know', () => {
    expect(expectSame(project, ['plain', 'x'], /not taken: the command takes no arguments/).status).toBe(122);
    expect(expectSame(project, ['plain', '--help'], /not taken/).stdout).toContain('Usage: vagga plain');
    for (const args of [
      ['--no-version-check', 'plain'],
      ['--isolate-network', 'plain'],
      ['-m', 'plain', 'sub'],
      ['-e', 'A=b', 'plain'],
    ]) {
      expectSame(project, args, /not taken: the command line is for Node/);
    }
    expectSame(project, ['_list'], /not taken: there is no plan/);
    expectSame(project, ['nonsense'], /not taken: there is no plan/);
    expectSame(project, ['plain'], /not taken: there is no project/, { cwd: '/' });
    const steered = project.installed(['plain'], { env: { ...debug, _VAGGA_IN_CAPSULE: '1' } });
    expect(steered.stderr).toContain('not taken: the environment is for Node');
  });

  it('sees that a variable has changed which decides where settings are', () => {
    const settings = { VAGGA_SETTINGS: 'environ: { A: setting }' };
    const changed = expectSame(project, ['words'], /variable VAGGA_SETTINGS has changed/, { env: settings });
    expect(changed.stdout).toBe('first\n');
    expectSame(project, ['sub'], /not taken/, { env: { HOME: project.folder } });
  });

  onlyOnce(
    'sees that a mixin, settings or a main file of higher rank have come, and takes the plan again without them',
    async () => {
      const text = 'commands: { plain: !Command { container: plain, run: "echo other" } }';
      for (const [path, content] of [
        ['vagga.local.yaml', text],
        ['.vagga/local.yaml', text],
        ['.vagga/settings.yaml', 'environ: { A: setting }'],
        ['.vagga.settings.yaml', 'environ: { A: setting }'],
        ['.vagga/vagga.yaml', `${yaml}`.replaceAll(show, 'echo other')],
        ['vagga.yml', ''],
        ['.vagga/.lnk', ''],
      ] as const) {
        writeFileSync(project.file(path), content);
        expectSame(project, ['plain'], /not taken/);
        unlinkSync(project.file(path));
        await warm(project, 'plain');
      }
    },
  );

  it('sees that a build is gone, or that the link of a container leads elsewhere', () => {
    const root = join(project.folder, '.vagga', '.roots');
    const link = project.file('.vagga/other');
    const name = String(spawnSync('readlink', [link], { encoding: 'utf8' }).stdout).split('/')[1] ?? '';
    renameSync(join(root, name), join(root, '.away'));
    expect(project.installed(['--no-build', 'other']).status).toBe(29);
    expect(project.installed(['other'], { env: { ...own(project), ...debug } }).stderr).toMatch(
      /not taken: .* has changed\n.*Container other/s,
    );
    rmSync(link);
    symlinkSync('.roots/nothing/root', link);
    expectSame(project, ['other'], /not taken: .*\/other has changed/);
    expect(lstatSync(link).isSymbolicLink() && existsSync(link)).toBe(true);
  });

  it('says when the build was used', () => {
    const root = String(
      spawnSync('readlink', ['-f', project.file('.vagga/plain')], { encoding: 'utf8' }).stdout,
    ).trim();
    const used = join(root, '..', 'last_use');
    utimesSync(used, 1, 1);
    expect(runs(project, ['plain'])).toBe(true);
    expect(statSync(used).mtimeMs).toBeGreaterThan(1e12);
  });

  it('sees a file of the same size and time that has other content, and builds anew', () => {
    const { atime, mtime } = statSync(project.file('file'));
    writeFileSync(project.file('file'), 'two\n');
    utimesSync(project.file('file'), atime, mtime);
    expect(expectSame(project, ['depends'], /not taken: .*\/file has changed/).stdout).toMatch(/^two\n/);
  });

  it('sees a file that has come to a folder that is copied, and builds anew', () => {
    writeFileSync(project.file('folder/b'), 'b');
    expect(expectSame(project, ['copy'], /not taken: .*\/folder has changed/).stdout).toMatch(/^a\nb\n/);
  });

  it('sees a lock file that has come, and settings that keep builds elsewhere', () => {
    expectSame(project, ['plain'], taken);
    writeFileSync(project.file('vagga.lock'), 'downloads: {}\n');
    expectSame(project, ['plain'], /not taken: .*vagga\.lock/);
    rmSync(project.file('vagga.lock'));
    const env = { VAGGA_SETTINGS: `storage-dir: ${join(project.folder, '../elsewhere')}` };
    const first = project.installed(['plain'], { env: { ...own(project), ...env, ...debug } });
    expect(first.stderr).toMatch(/not taken: .*VAGGA_SETTINGS/);
  });

  it('ends as the command does', () => {
    expect(expectSame(project, ['fail'], taken).status).toBe(7);
    expect(expectSame(project, ['killed'], taken).status).toBe(137);
    expect(expectSame(project, ['absent'], /not taken/).status).toBe(124);
    const words = ['-c', 'trap "" CHLD; exec "$@"', 'bash', ...project.program(['fail'])];
    const env = { PATH: process.env.PATH ?? '', HOME: join(project.folder, '..'), ...own(project), ...debug };
    const ignoring = spawnSync('bash', words, { cwd: project.folder, env, encoding: 'utf8', input: '' });
    expect([ignoring.status, ignoring.stderr]).toEqual([7, taken]);
  });

  it('leaves no process when it is killed', async () => {
    const [program = '', ...args] = project.program(['sleep']);
    const home = join(project.folder, '..');
    const env = { PATH: process.env.PATH ?? '', HOME: home, ...own(project), ...debug };
    const launcher = spawn(program, args, { cwd: project.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [launcher.stdout, launcher.stderr]) stream?.on('data', (text) => (output += text));
    await until('the command', () => output.includes('ready'));
    expect(output).toContain(taken);
    launcher.kill('SIGKILL');
    await until('its end', () => spawnSync('pgrep', ['-fx', 'sleep 1234'], { encoding: 'utf8' }).stdout === '');
  });

  onlyOnce('is not there for what runs more than the command, asks for a banner, options or a writable root', () => {
    for (const command of ['before', 'optioned', 'bannered', 'writing']) {
      // The files are old enough: the first run would have written a plan.
      for (let time = 0; time < 2; time++) expectSame(project, [command], /not taken: there is no plan/);
    }
  });

  it('sees a plan that others may write, and one that is cut short', async () => {
    const plans = join(who === 'root' ? caches : join(project.folder, '../.cache'), 'stellwerk/vagga-plans');
    const { dev, ino } = statSync(project.folder, { bigint: true });
    const plan = join(plans, `${dev}-${ino}.plain`);
    const bytes = readFileSync(plan);
    writeFileSync(plan, bytes.subarray(0, bytes.length - 40));
    expectSame(project, ['plain'], /not taken: the plan is not understood/);
    writeFileSync(plan, bytes);
    chmodSync(plan, 0o660);
    expectSame(project, ['plain'], /not taken: .*not the user's own alone/);
  });

  it('sees that vagga.yaml has changed', async () => {
    await warm(project, 'words');
    writeFileSync(project.file('vagga.yaml'), yaml.replace('[echo, first]', '[echo, other]'));
    expect(expectSame(project, ['words'], /not taken: .*vagga.yaml has changed/).stdout).toBe('other\n');
    appendFileSync(project.file('vagga.yaml'), '\nnonsense: 1\n');
    expect(expectSame(project, ['words'], /not taken/).status).toBe(126);
  });
});

describe.skipIf(noFastPath)('the fast path', () => {
  it('keeps plans out of what containers write', async () => {
    const project = host.project('user', yaml);
    const env = { HOME: project.folder };
    for (let time = 0; time < 2; time++) project.installed(['plain'], { env });
    await until('a refusal', () =>
      /no plan: containers of the project/.test(project.installed(['plain'], { env: { ...env, ...debug } }).stderr),
    );
    expect(existsSync(project.file('.cache/stellwerk/vagga-plans/x'))).toBe(false);
    mkdirSync(project.file('.cache/stellwerk/vagga-plans'), { recursive: true });
    spawnSync('chown', ['-R', `${host.uid}:${host.gid}`, project.file('.cache')]);
    chmodSync(project.file('.cache/stellwerk/vagga-plans'), 0o700);
    expectSame(project, ['plain'], /not taken: containers of the project could write plans/, { env });
  });

  it('sees that nobody maps ids any more', async () => {
    const project = host.project('user', yaml);
    await warm(project, 'plain');
    const which = (program: string): string => spawnSync('which', [program], { encoding: 'utf8' }).stdout.trim();
    mkdirSync(project.file('bin'));
    for (const program of ['node', 'newuidmap']) symlinkSync(which(program), project.file(join('bin', program)));
    const [program = '', ...args] = project.program(['plain']);
    const env = { HOME: join(project.folder, '..'), PATH: project.file('bin'), ...debug };
    const { stderr } = spawnSync(which(program), args, { cwd: project.folder, env, encoding: 'utf8', input: '' });
    expect(stderr).toContain('not taken: newuidmap or newgidmap is not in PATH');
    expect(stderr).toContain('WARNING: newgidmap is not found in PATH');
  });

  it('makes a command a job of the shell: Ctrl-C, Ctrl-Z, fg, and jobs of its own', async () => {
    const project = host.project('user', yaml);
    expect(project.vagga(['_build', 'plain']).status).toBe(0);
    for (const command of ['wait', 'read', 'late', 'shell']) await warmEndless(project, command);
    const [setUser, v] = [project.program([]).slice(0, -1), project.program([]).at(-1) ?? ''];
    const script = [
      ['type', `PS1='P''> '; cd ${project.folder}; export VAGGA_DEBUG_FAST_PATH=1\n`],
      ['expect', 'P> '],
      ['type', `${v} wait; echo code=$?\n`],
      ['expect', 'fast path: taken'],
      ['expect', 'READY'],
      ['type', '\x03'],
      ['expect', 'code=130'],
      ['expect', 'P> '],
      ['type', `${v} read\n`],
      ['expect', 'READY'],
      ['type', '\x1a'],
      ['expect', 'Stopped'],
      ['expect', 'P> '],
      ['type', 'fg\n'],
      ['expect', 'read'],
      ['type', 'hello\n'],
      ['expect', 'got=hello'],
      ['expect', 'P> '],
      ['type', `${v} late &\n`],
      ['repeat', 'jobs\n', 'Stopped'],
      ['type', 'fg\n'],
      ['expect', 'late'],
      ['type', 'back\n'],
      ['expect', 'got=back'],
      ['expect', 'P> '],
      ['type', `${v} shell\n`],
      ['expect', 'fast path: taken'],
      ['expect', '/work #'],
      ['type', 'echo $((40+2)); sleep 1000\n'],
      ['expect', '42'],
      ['repeat', '\x1a', 'Stopped'],
      ['type', 'exit 3; exit 3\n'],
      ['expect', 'P> '],
      ['type', 'echo code=$?\n'],
      ['expect', 'code=3'],
      // A shell without job control does not take the terminal back: the launcher has to.
      ['type', `sh -c '${v} plain; read z; echo z=$z'\nagain\n`],
      ['expect', 'z=again'],
    ];
    const done = playInShell(setUser, script, join(project.folder, '..'));
    expect(done.stderr).toBe('');
    expect(done.status).toBe(0);
  });
});
