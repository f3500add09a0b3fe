import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { account, missingForRootless, type Project, until, vaggaHost } from './vagga/host.ts';
import { playInShell } from './vagga/terminal.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'commands of vagga', missing ?? '');

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const commandsYaml = `
containers:
  base:
    setup: [!Tar { url: ./root.tar.gz }, !Sh "mkdir -p /vol /other /snap; echo kept > /snap/file; chown 5:6 /snap/file; chmod 750 /snap", !Text { /etc/environment: "FROM=file\\nQUOTED=\\"a b\\"\\n" }]
    environ: { FROM: container, HOME: /root }
    environ-file: /etc/environment
    volumes: { /vol: !Tmpfs { mode: 0o700, subdirs: { a: {}, b/c: { mode: 0o1777 }, b: {} }, files: { b/text: hi, empty: null } } }
  heir:
    setup: [!Container base]
    resolv-conf-path: /run/resolv.conf
    hosts-file-path: null
    volumes: { /other: !Container base, /snap: !Snapshot { container: base } }
commands:
  env: !Command { container: base, run: 'echo $FROM $HOME $QUOTED $TERM $PATH', environ: { FROM: command } }
  args: !Command { container: base, run: 'echo "$#:$1:$2"', accepts-arguments: true }
  words: !Command { container: base, run: [echo, a] }
  none: !Command { container: base, run: 'true' }
  absent: !Command { container: base, run: [no-such-program] }
  vol: !Command { container: base, run: 'stat -c "%a %n" /vol /vol/a /vol/b /vol/b/c; cat /vol/b/text; wc -c < /vol/empty' }
  override: !Command { container: base, run: 'ls /vol', volumes: { /vol: !BindRO /work/sub } }
  snap: !Command { container: base, run: 'stat -c "%a %u" /snap; stat -c %u:%g /snap/file; echo more > /snap/more; ls /snap', volumes: { /snap: !Snapshot {} } }
  heir: !Command { container: heir, run: 'cat /other/snap/file; touch /other/x || echo read-only; cat /snap/file; cat /run/resolv.conf' }
  cache: !Command { container: base, run: 'echo 1 >> /vol/n; wc -l < /vol/n', volumes: { /vol: !CacheDir shared } }
  cache-empty: !Command { container: base, run: 'true', volumes: { /vol: !CacheDir "" } }
  cache-absolute: !Command { container: base, run: 'true', volumes: { /vol: !CacheDir /abs } }
  no-mountpoint: !Command { container: base, run: 'true', volumes: { /absent: !Tmpfs {} } }
  empty: !Command { container: base, run: 'touch /vol/x || echo refused', volumes: { /vol: !Empty } }
  write: !Command { container: base, run: 'touch /x; rm /data/one; ls /', write-mode: transient-hard-link-copy }
  read: !Command { container: base, run: 'touch /x || echo refused' }
  ids: !Command { container: base, run: 'id', user-id: 1, group-id: 2, supplementary-gids: [3] }
  external: !Command { container: base, run: 'id -u; touch /work/by-external', user-id: 7, external-user-id: 0 }
  alone: !Command { container: base, run: 'grep -c : /proc/net/dev', isolate-network: true }
  persist: !Command { container: base, run: 'echo 1 >> /vol/n; wc -l < /vol/n; stat -c %u /vol', volumes: { /vol: !Persistent { name: kept, owner-uid: 5 } } }
  sub: !Command { container: base, run: pwd, work-dir: sub }
  here: !Command { container: base, run: pwd }
  signal: !Command { container: base, run: 'kill -9 $$' }
  sleep: !Command { container: base, run: 'echo ready; sleep 1000' }
  socket: !Command { container: base, run: 'readlink /proc/self/fd/3', pass-tcp-socket: 18379 }
`;

for (const who of ['user', 'root'] as const) {
  describe.skipIf(noRootless)(`a command of ${who === 'root' ? 'root' : 'an ordinary user'}`, () => {
    let project: Project;
    const run = (...args: readonly string[]) => project.vagga(args);
    const both = ({ status, stdout }: { status: number | null; stdout: string }) => [status, stdout];
    beforeAll(() => {
      project = host.project(who, commandsYaml, { 'sub/file': '' });
      const done = project.vagga(['_build', 'heir']);
      expect(`${done.status}${done.status === 0 ? '' : done.stderr}`).toBe('0');
    });

    it('sees its volumes: tmpfs with folders and files, read-only binds, emptiness', () => {
      expect(both(run('vol'))).toEqual([0, '700 /vol\n755 /vol/a\n755 /vol/b\n1777 /vol/b/c\nhi0\n']);
      expect(both(run('override'))).toEqual([0, 'file\n']);
      expect(both(run('empty'))).toEqual([0, 'refused\n']);
    });

    it('writes to a snapshot that has mode and owners of the image and is gone afterwards', () => {
      expect(both(run('snap'))).toEqual([0, '750 0\n5:6\nfile\nmore\n']);
      expect(readdirSync(project.file('.vagga/base/snap'))).toEqual(['file']);
    });

    it('reads the root of another container, and the host’s resolver where the configuration says', () => {
      const resolver = readFileSync('/etc/resolv.conf', 'utf8');
      expect(both(run('heir'))).toEqual([0, `kept\nread-only\nkept\n${resolver}`]);
    });

    it('cannot write to its root, unless it has a copy, which goes with it', () => {
      expect(both(run('read'))).toEqual([0, 'refused\n']);
      const write = run('write');
      expect([write.status, write.stdout.split('\n').includes('x')]).toEqual([0, true]);
      expect(existsSync(project.file('.vagga/base/x'))).toBe(false);
      expect(existsSync(project.file('.vagga/base/data/one'))).toBe(true);
      expect(readdirSync(project.file('.vagga/.transient'))).toEqual([]);
    });

    it('has the ids it was given, and files by its outer id', () => {
      expect(both(run('ids'))).toEqual([0, expect.stringMatching(/^uid=1\S* gid=2\S* groups=3/)]);
      expect(both(run('external'))).toEqual([0, '7\n']);
      expect(statSync(project.file('by-external')).uid).toBe(who === 'root' ? 0 : host.uid);
    });

    it('ends with 128 and the signal that ended it', () => {
      expect(run('signal').status).toBe(137);
    });

    it('leaves no process when the launcher is killed', async () => {
      const launcher = project.start(['sleep']);
      let output = '';
      launcher.stdout?.on('data', (text) => {
        output += text;
      });
      await until('the command', () => output.includes('ready'));
      const running = (): string => spawnSync('pgrep', ['-fx', 'sleep 1000'], { encoding: 'utf8' }).stdout;
      expect(running()).not.toBe('');
      launcher.kill('SIGKILL');
      await until('its end', () => running() === '');
    });
  });
}

describe.skipIf(noRootless)('a command', () => {
  let project: Project;
  const run = (...args: readonly string[]) => project.vagga(args);
  beforeAll(() => {
    project = host.project('user', commandsYaml, { 'sub/file': '' });
    mkdirSync(project.file('sub/deep'));
  });

  it('has an environment of layers and nothing of the caller’s', () => {
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    expect(run('env').stdout).toBe(`command /root a b vt100 ${path}\n`);
  });

  it('takes arguments or refuses them', () => {
    expect(run('args', 'x', 'y z').stdout).toBe('2:x:y z\n');
    expect(run('words', 'b').stdout).toBe('a b\n');
    const refused = run('none', 'x');
    expect([refused.status, refused.stderr]).toEqual([122, expect.stringContaining('unexpected argument "x"')]);
  });

  it('ends with 124 where the container has no such program or place', () => {
    const absent = run('absent');
    expect([absent.status, absent.stderr]).toEqual([124, expect.stringContaining('no-such-program: no such program')]);
    expect([run('no-mountpoint').status, run('cache-empty').stderr, run('cache-absolute').stderr]).toEqual([
      124,
      expect.stringContaining('mount !CacheDir: path must not be empty'),
      expect.stringContaining('path must not be absolute'),
    ]);
  });

  it('finds programs of /usr/local first', () => {
    expect(project.vagga(['_run', 'base', 'which-one']).stdout).toBe('local\n');
  });

  it('starts in the folder of the caller, or where it says', () => {
    expect(run('sub').stdout).toBe('/work/sub\n');
    expect(project.vagga(['here'], { cwd: project.file('sub/deep') }).stdout).toBe('/work/sub/deep\n');
  });

  it('shares folders of the cache and persistent volumes with later ones', () => {
    expect([run('cache').stdout, run('cache').stdout]).toEqual(['1\n', '2\n']);
    expect([run('persist').stdout, run('persist').stdout]).toEqual(['1\n5\n', '2\n5\n']);
  });

  it('is alone with lo, or gets a socket that listens', async () => {
    expect(run('alone').stdout).toBe('1\n');
    expect(run('socket').stdout).toMatch(/^socket:\[\d+\]\n$/);
  });

  it('is told of ids that are not granted', () => {
    const files = { few: `${account}:200000:100\n`, bad: `${account}:200000\n` };
    for (const [name, text] of Object.entries(files)) writeFileSync(project.file(name), text);
    const launch = (file: string) => project.vagga(['none'], { subuid: project.file(file) });
    expect([launch('few').status, launch('few').stderr]).toEqual([
      121,
      'vagga: Number of allowed subuids is too small (required: 65535, found: 100)\n',
    ]);
    expect([launch('bad').status, launch('bad').stderr]).toEqual([
      121,
      `vagga: /etc/subuid:1: Bad syntax: "${account}:200000"\n`,
    ]);
  });

  it('runs for a user to whom no ids are granted, who is told what that means', () => {
    const single = host.project(
      'user',
      'containers: { c: { setup: [!Tar { url: ./root.tar.gz }, !Sh "id -u > /data/id"] } }',
    );
    const done = single.vagga(['_run', 'c', 'cat', '/data/id', '/proc/self/uid_map'], {
      subuid: '/dev/null',
      subgid: '/dev/null',
    });
    expect(done.stdout).toMatch(new RegExp(`^0\\n +0 +${host.uid} +1\\n$`));
    expect(done.stderr).toContain('the container has the one id 0, and chown to any other fails');
  });
});

describe.skipIf(noRootless)('at a terminal', () => {
  it('a command is a job of the shell: Ctrl-C, Ctrl-Z, fg, bg, and jobs of its own', () => {
    const project = host.project(
      'user',
      `
containers: { c: { setup: [!Tar { url: ./root.tar.gz }] } }
commands:
  wait: !Command { container: c, run: 'echo RE""ADY; sleep 1000' }
  read: !Command { container: c, run: 'echo RE""ADY; read x; echo "got=$x"' }
  late: !Command { container: c, run: 'read x; echo "got=$x"' }
  shell: !Command { container: c, run: [sh, -i] }
`,
    );
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    const words = project.words([]);
    const setUser = words.slice(0, words.indexOf(process.execPath));
    const v = words.slice(setUser.length).join(' ');
    const script = [
      ['type', `PS1='P''> '; cd ${project.folder}; v() { ${v} "$@"; }\n`],
      ['expect', 'P> '],
      ['type', `${v} wait; echo code=$?\n`],
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
      ['expect', '/work #'],
      ['type', 'echo $((40+2)); sleep 1000\n'],
      ['expect', '42'],
      ['repeat', '\x1a', 'Stopped'],
      ['type', 'exit 3; exit 3\n'],
      ['expect', 'P> '],
      ['type', 'echo code=$?\n'],
      ['expect', 'code=3'],
      // A shell without job control does not take the terminal back: the launcher has to.
      [
        'type',
        `sh -c '${project.words(['_run', 'c', 'true']).slice(setUser.length).join(' ')}; read z; echo z=$z'\nagain\n`,
      ],
      ['expect', 'z=again'],
    ];
    const done = playInShell(setUser, script, project.folder);
    expect(done.stderr).toBe('');
    expect(done.status).toBe(0);
  });
});
