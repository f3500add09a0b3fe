import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'vagga builds and runs', missing ?? '');
const deadlineMs = 60_000;

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const mode = (path: string): number => lstatSync(path).mode & 0o7777;

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(50);
  }
}

describe.skipIf(noRootless)('a build', () => {
  let project: Project;
  let stderr = '';
  const image = (path: string): string => project.file(`.vagga/all/${path}`);
  beforeAll(() => {
    project = host.project(
      'user',
      `
containers:
  all:
    volumes: { /nested: !BindRW /work }
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Text { /etc/greeting: hello, /bin/by-link: "through a link" }
    - !EnsureDir /nested/below/deep
    - !Sh 'test -c /dev/null; test -d /proc/self; test -e /sys/kernel; test "$PWD" = /work; test -t 0 && exit 9; cat /etc/resolv.conf > /data/resolver'
    - !Sh 'echo before=$COLOUR > /data/env'
    - !Env { COLOUR: blue }
    - !Sh 'echo after=$COLOUR >> /data/env'
    - !Sh 'mkdir -p /data/folder/inner; echo x > /data/file; ln -s file /data/link; ln -s /data/absent /data/dangling'
    - !Copy { source: /data/folder, path: /data/copy }
    - !Remove /data/file
    - !Remove /data/folder
    - !Remove /data/dangling
    - !CacheDirs { /var/cache/things: things }
    - !Sh 'echo $(cat /var/cache/things/count 2>/dev/null)x > /var/cache/things/count; cp /var/cache/things/count /data/count'
    - !RunAs { user-id: 1, group-id: 2, supplementary-gids: ["7"], script: "id > /tmp/ids" }
    - !Cmd [cp, /tmp/ids, /data/ids]
    - !RunAs { user-id: 1, external-user-id: 0, script: "id -u > /data/inside; touch /data/of-root" }
    - !RunAs { isolate-network: true, script: "cat /proc/net/dev > /data/devices" }
    - !Sh 'touch /data/of-five; chown 5:6 /data/of-five; touch /data/file /tmp/rest'
    - !EmptyDir /data/emptied
`,
    );
    const done = project.launch(['build', 'all']);
    stderr = done.stderr;
    expect(`${done.status}\n${done.status === 0 ? '' : stderr}`).toBe('0\n');
  });

  it('tells how long it took, and links the newest root', () => {
    expect(stderr).toMatch(/^Container all \([0-9a-f]{8}\) built in \d+ seconds\.$/m);
    expect(readlinkSync(project.file('.vagga/all'))).toMatch(/^\.roots\/all\.[0-9a-f]{8}\/root$/);
  });

  it('has the system folders with their modes', () => {
    const folders = ['dev', 'sys', 'proc', 'run', 'work', 'etc'].map((name) => [name, mode(image(name)).toString(8)]);
    expect(folders).toEqual(['dev', 'sys', 'proc', 'run', 'work', 'etc'].map((name) => [name, '755']));
    expect(mode(image('tmp'))).toBe(0o1777);
  });

  it('writes texts as files of mode 644', () => {
    expect(readFileSync(image('etc/greeting'), 'utf8')).toBe('hello');
    expect(mode(image('etc/greeting'))).toBe(0o644);
  });

  it('warns of a folder that a volume will hide', () => {
    expect(stderr).toContain('WARNING: !EnsureDir /nested/below/deep: hidden by the volume at /nested');
    expect(lstatSync(image('nested/below/deep')).isDirectory()).toBe(true);
  });

  it('runs programs with /dev, /proc, /sys and the host’s resolver, which the image does not keep', () => {
    expect(readFileSync(image('data/resolver'), 'utf8')).toBe(readFileSync('/etc/resolv.conf', 'utf8'));
    expect(readFileSync(image('etc/resolv.conf'), 'utf8')).toBe('');
    expect(readFileSync(image('etc/hosts'), 'utf8')).toBe('');
  });

  it('shows the variables of !Env to later steps only', () => {
    expect(readFileSync(image('data/env'), 'utf8')).toBe('before=\nafter=blue\n');
  });

  it('removes files, folders and links, and once more at its end', () => {
    expect(readdirSync(image('data')).sort()).not.toContain('file');
    expect(existsSync(image('data/folder'))).toBe(false);
    expect(lstatSync(image('data/dangling'), { throwIfNoEntry: false })).toBeUndefined();
    expect(readdirSync(image('tmp'))).toEqual([]);
  });

  it('copies from inside the container to another path', () => {
    expect(lstatSync(image('data/copy/inner')).isDirectory()).toBe(true);
  });

  it('keeps a cache folder between builds, empty in the image', () => {
    expect(readdirSync(image('var/cache/things'))).toEqual([]);
    expect(project.launch(['build', 'all', '--force']).status).toBe(0);
    expect(readFileSync(image('data/count'), 'utf8')).toBe('xx\n');
  });

  it('runs a script as any user and groups of the container, alone with lo if asked', () => {
    expect(readFileSync(image('data/ids'), 'utf8')).toMatch(/^uid=1\S* gid=2\S* groups=7/);
    expect(readFileSync(image('data/devices'), 'utf8').match(/^ *\w+:/gm)).toEqual([expect.stringMatching(/lo:/)]);
  });

  it('runs a script as user 1 that is root to the container', () => {
    expect(readFileSync(image('data/inside'), 'utf8')).toBe('1\n');
    expect(statSync(image('data/of-root')).uid).toBe(host.uid);
  });

  it('has files of the ids that are granted to the user', () => {
    const first = Number(/^vagga-test:(\d+):/m.exec(readFileSync('/etc/subuid', 'utf8'))?.[1]);
    expect(statSync(image('data/of-five')).uid).toBe(first + 4);
    expect(readFileSync(join(realpathSync(image('')), '../uid_map'), 'utf8')).toBe(
      `0 ${host.uid} 1\n1 ${first} 65535\n`,
    );
  });
});

describe.skipIf(noRootless)('archives', () => {
  it('are unpacked with their modes, whatever compresses them, and checked', () => {
    const script = `
set -e
mkdir -p top/sub; echo text > top/sub/file; chmod 640 top/sub/file; chmod 775 top/sub
ln top/sub/file top/sub/hard; ln -s file top/sub/soft; echo run > top/run; chmod 755 top/run
tar -czf a.gz top; tar -cJf a.xz top; tar -cjf a.bz2 top; tar -cf a.tar top
zip -qry a.zip top`;
    const project = host.project('user', '');
    expect(spawnSync('sh', ['-c', script], { cwd: project.folder }).status).toBe(0);
    const sum = spawnSync('sha256sum', ['a.xz'], { cwd: project.folder, encoding: 'utf8' }).stdout.slice(0, 64);
    writeFileSync(
      project.file('vagga.yaml'),
      `
containers:
  good:
    setup:
    - !Tar { url: ./a.gz, path: /made/parents/gz }
    - !Tar { url: ./a.xz, path: /xz, subdir: top/sub, sha256: ${sum} }
    - !Tar { url: ./a.bz2, path: /bz2, subdir: top }
    - !Tar { url: ./a.tar, path: /tar }
    - !Unzip { url: ./a.zip, path: /zip, subdir: top }
    - !Download { url: ./a.gz, path: /file, mode: 0o600 }
  wrong-sum:
    setup: [!Tar { url: ./a.gz, path: /x, sha256: ${sum} }]
  no-subdir:
    setup: [!Unzip { url: ./a.zip, path: /x, subdir: absent }]
`,
    );
    const done = project.launch(['build', 'good']);
    expect(done.stderr).toMatch(/built in/);
    const image = (path: string): string => project.file(`.vagga/good/${path}`);
    expect(mode(image('made/parents'))).toBe(0o755);
    expect(mode(image('made/parents/gz/top/sub'))).toBe(0o775);
    expect(mode(image('xz/file'))).toBe(0o640);
    expect(statSync(image('xz/hard')).ino).toBe(statSync(image('xz/file')).ino);
    expect(readlinkSync(image('xz/soft'))).toBe('file');
    expect(mode(image('bz2/run'))).toBe(0o755);
    expect(readFileSync(image('tar/top/sub/soft'), 'utf8')).toBe('text\n');
    expect([mode(image('zip/run')), readFileSync(image('zip/sub/file'), 'utf8')]).toEqual([0o755, 'text\n']);
    expect(mode(image('file'))).toBe(0o600);

    const wrong = project.launch(['build', 'wrong-sum']);
    expect(wrong.status).toBe(121);
    expect(wrong.stderr).toContain('Hashsum mismatch: ./a.gz');
    const absent = project.launch(['build', 'no-subdir']);
    expect([absent.status, absent.stderr]).toEqual([121, expect.stringContaining('no absent in the archive')]);
  });

  it('keep only the data folders of a container that has them', () => {
    const project = host.project(
      'user',
      `
containers:
  data:
    setup: [!Tar { url: ./root.tar.gz }, !Sh "mkdir -p /var/lib/db; touch /var/lib/db/x /var/lib/other"]
    data-dirs: [/var/lib/db, /etc/passwd]
`,
    );
    expect(project.launch(['build', 'data']).status).toBe(0);
    expect(readdirSync(project.file('.vagga/data')).sort()).toEqual(['etc', 'var']);
    expect(readdirSync(project.file('.vagga/data/etc'))).toEqual(['passwd']);
    expect(readdirSync(project.file('.vagga/data/var/lib'))).toEqual(['db']);
  });
});

describe.skipIf(noRootless)('sources and other containers', () => {
  it('fill a root: git at a branch and a revision, an installed archive, files of a built container', () => {
    const project = host.project('user', '');
    const script = `
set -e
git init -q -b main repo; cd repo; git config user.name t; git config user.email t@example.org
echo one > file; git add file; git commit -qm one; git branch old; echo two > file; git commit -qam two; cd ..
mkdir -p one/sub; echo 'cp sub/x /installed-by-tar' > one/install; echo x > one/sub/x
tar -czf one.tar.gz one; mkdir two; tar -czf two.tar.gz one two
chown -R ${host.uid}:${host.gid} .`;
    expect(spawnSync('sh', ['-c', script], { cwd: project.folder }).status).toBe(0);
    writeFileSync(
      project.file('vagga.yaml'),
      `
containers:
  base: { setup: [!Tar { url: ./root.tar.gz }, !Env { OF: base }, !Sh "mkdir /made; chmod 711 /made; touch /made/it"] }
  all:
    setup:
    - !Container base
    - !Git { url: ./repo, path: /newest }
    - !Git { url: ./repo, path: /old, branch: old }
    - !GitInstall { url: ./repo, revision: main~1, script: 'cp file /installed-by-git' }
    - !TarInstall { url: ./one.tar.gz, script: 'sh install' }
    - !Build { container: base, source: /made, path: /copied }
    - !Build { container: base, source: /made, temporary-mount: /mounted }
    - !Sh 'test -e /mounted/it; echo $OF > /data/of'
  two: { setup: [!Container base, !TarInstall { url: ./two.tar.gz }] }
`,
    );
    const done = project.launch(['build', 'all']);
    expect([done.status, done.status === 0 ? '' : done.stderr]).toEqual([0, '']);
    const text = (path: string): string => readFileSync(project.file(`.vagga/all/${path}`), 'utf8');
    expect(['newest/file', 'old/file', 'installed-by-git', 'installed-by-tar', 'data/of'].map(text)).toEqual([
      'two\n',
      'one\n',
      'one\n',
      'x\n',
      'base\n',
    ]);
    expect(readdirSync(project.file('.vagga/all/newest'))).toEqual(['file']);
    expect(readdirSync(project.file('.vagga/all/mounted'))).toEqual([]);
    expect(mode(project.file('.vagga/all/copied'))).toBe(0o711);
    expect(statSync(project.file('.vagga/all/copied/it')).mtimeMs).toBe(1000);
    const two = project.launch(['build', 'two']);
    expect([two.status, two.stderr]).toEqual([121, expect.stringContaining('folders one, two in the archive')]);
  });
});

describe.skipIf(noRootless)('a download', () => {
  it('is fetched once, checked, and told where it fails', async () => {
    const sum = createHash('sha256').update('content').digest('hex');
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      response.writeHead(request.url === '/file' ? 200 : 404).end('content');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const project = host.project(
        'user',
        `
containers:
  good: { setup: [!Download { url: "${url}/file", path: /opt/file, sha256: ${sum} }] }
  again: { setup: [!Download { url: "${url}/file", path: /other, sha256: ${sum} }] }
  wrong: { setup: [!Download { url: "${url}/file", path: /file, sha256: ${'0'.repeat(64)} }] }
  absent: { setup: [!Download { url: "${url}/absent", path: /file }] }
`,
      );
      const build = async (name: string) => {
        const child = project.start(['build', name]);
        let stderr = '';
        child.stderr?.on('data', (text) => {
          stderr += text;
        });
        const status = await new Promise((resolve) => child.on('close', resolve));
        return { status, stderr };
      };
      expect((await build('good')).status).toBe(0);
      expect(readFileSync(project.file('.vagga/good/opt/file'), 'utf8')).toBe('content');
      expect(mode(project.file('.vagga/good/opt/file'))).toBe(0o644);
      expect([(await build('again')).status, asked]).toEqual([0, 1]);
      expect(await build('wrong')).toMatchObject({ status: 121, stderr: expect.stringContaining('Hashsum mismatch:') });
      expect(await build('absent')).toMatchObject({ status: 121, stderr: expect.stringContaining('status 404') });
    } finally {
      server.close();
    }
  });
});

describe.skipIf(noRootless)('a store on a file system with nosuid and nodev', () => {
  it('serves read-only roots all the same', () => {
    const project = host.project('user', 'containers: { c: { setup: [!Tar { url: ./root.tar.gz }] } }');
    const store = project.file('.vagga');
    mkdirSync(store);
    const options = `nosuid,nodev,mode=755,uid=${host.uid},gid=${host.gid}`;
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', store]).status).toBe(0);
    try {
      const done = project.launch(['run', 'c', 'sh', '-c', 'touch /x || echo refused']);
      expect([done.status, done.stdout]).toEqual([0, 'refused\n']);
    } finally {
      expect(spawnSync('umount', [store]).status).toBe(0);
    }
  });
});

describe.skipIf(noRootless)('a build that fails or is killed', () => {
  const yaml = (script: string): string => `
containers:
  c: { setup: [!Tar { url: ./root.tar.gz }, !Sh '${script}'] }
`;

  it('ends with 121, leaves its unfinished root and the version that there was', () => {
    const project = host.project('user', yaml('echo one > /data/version'));
    expect(project.launch(['build', 'c']).status).toBe(0);
    writeFileSync(project.file('vagga.yaml'), yaml('echo two > /data/version; exit 3'));
    const failed = project.launch(['build', 'c']);
    expect(failed.status).toBe(121);
    expect(failed.stderr).toMatch(/ERROR: step 2 of 2, !Sh: .*ended with exit code 3/);
    const [left = ''] = readdirSync(project.file('.vagga/.roots')).filter((name) => /^\.tmp\.c\.\w{8}$/.test(name));
    expect(readFileSync(project.file(`.vagga/.roots/${left}/root/data/version`), 'utf8')).toBe('two\n');
    expect(readFileSync(project.file('.vagga/c/data/version'), 'utf8')).toBe('one\n');
  });

  it('leaves nothing that the next build takes for whole, and no process', async () => {
    const project = host.project('user', yaml('touch /data/begun; sleep 0.3; chown 5 /data/begun; touch /data/whole'));
    for (let round = 0; round < 4; round++) {
      const killed = project.start(['build', 'c']);
      await sleep(150 * (round + 1)); // anywhere from the start of the program to the steps' midst
      killed.kill('SIGKILL');
      await until('its end', () => killed.signalCode !== null || killed.exitCode !== null);
      await until('the end of its children', () => host.processes() === '');
      const names = existsSync(project.file('.vagga/.roots')) ? readdirSync(project.file('.vagga/.roots')) : [];
      expect(names.filter((name) => !name.startsWith('.tmp.'))).toEqual([]);
    }
    expect(project.launch(['build', 'c']).status).toBe(0);
    expect(existsSync(project.file('.vagga/c/data/whole'))).toBe(true);
  });

  it('that finds another at work ends with 121, or waits for it and takes its root', async () => {
    const project = host.project('user', yaml('touch /data/begun; while ! test -e /work/go; do sleep 0.1; done'));
    const first = project.start(['build', 'c']);
    await until('the first build to be at its step', () =>
      (existsSync(project.file('.vagga/.roots')) ? readdirSync(project.file('.vagga/.roots')) : []).some((name) =>
        existsSync(project.file(`.vagga/.roots/${name}/root/data/begun`)),
      ),
    );
    const second = project.launch(['build', 'c']);
    expect([second.status, second.stderr]).toEqual([121, expect.stringContaining('Other process is doing build')]);
    const third = project.start(['build', 'c', '--wait']);
    writeFileSync(project.file('go'), '');
    await until('both to end', () => first.exitCode !== null && third.exitCode !== null);
    expect([first.exitCode, third.exitCode]).toEqual([0, 0]);
    const builtBefore = statSync(project.file('.vagga/c/data/begun')).ino;
    expect(project.launch(['build', 'c', '--force']).status).toBe(0);
    expect(statSync(project.file('.vagga/c/data/begun')).ino).not.toBe(builtBefore);
  });
});

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
    const run = (...args: readonly string[]) => project.launch(['command', ...args]);
    const both = ({ status, stdout }: { status: number | null; stdout: string }) => [status, stdout];
    beforeAll(() => {
      project = host.project(who, commandsYaml, { 'sub/file': '' });
      const done = project.launch(['build', 'heir']);
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
      const launcher = project.start(['command', 'sleep']);
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
  const run = (...args: readonly string[]) => project.launch(['command', ...args]);
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
    expect(project.launch(['run', 'base', 'which-one']).stdout).toBe('local\n');
  });

  it('starts in the folder of the caller, or where it says', () => {
    expect(run('sub').stdout).toBe('/work/sub\n');
    expect(project.launch(['command', 'here'], { cwd: project.file('sub/deep') }).stdout).toBe('/work/sub/deep\n');
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
    const files = { few: 'vagga-test:200000:100\n', bad: 'vagga-test:200000\n' };
    for (const [name, text] of Object.entries(files)) writeFileSync(project.file(name), text);
    const launch = (file: string) => project.launch(['command', 'none'], { env: { TEST_SUBUID: project.file(file) } });
    expect([launch('few').status, launch('few').stderr]).toEqual([
      121,
      'Number of allowed subuids is too small (required: 65535, found: 100)\n',
    ]);
    expect([launch('bad').status, launch('bad').stderr]).toEqual([
      121,
      `${project.file('bad')}:1: Bad syntax: "vagga-test:200000"\n`,
    ]);
  });

  it('runs for a user to whom no ids are granted, who is told what that means', () => {
    const single = host.project(
      'user',
      'containers: { c: { setup: [!Tar { url: ./root.tar.gz }, !Sh "id -u > /data/id"] } }',
    );
    const done = single.launch(['run', 'c', 'cat', '/data/id', '/proc/self/uid_map'], {
      env: { TEST_SUBUID: '/dev/null', TEST_SUBGID: '/dev/null' },
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
    expect(project.launch(['build', 'c']).status).toBe(0);
    const words = project.words(['command']);
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
        `sh -c '${project.words(['run', 'c', 'true']).slice(setUser.length).join(' ')}; read z; echo z=$z'\nagain\n`,
      ],
      ['expect', 'z=again'],
    ];
    const shell = [...setUser, 'bash', '--norc', '-i'];
    const done = spawnSync('python3', [join(packageRoot(), 'test/system/vagga/terminal.py'), ...shell], {
      input: JSON.stringify(script),
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', HOME: project.folder, TERM: 'vt100' },
    });
    expect(done.stderr).toBe('');
    expect(done.status).toBe(0);
  });
});
