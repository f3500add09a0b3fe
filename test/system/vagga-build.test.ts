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

import { skipped } from '../skipped.ts';
import { account, missingForRootless, mode, type Project, until, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'builds of vagga', missing ?? '');

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

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
    const done = project.vagga(['_build', 'all']);
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
    expect(project.vagga(['_build', '--force', 'all']).status).toBe(0);
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
    const first = Number(new RegExp(`^${account}:(\\d+):`, 'm').exec(readFileSync('/etc/subuid', 'utf8'))?.[1]);
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
    const done = project.vagga(['_build', 'good']);
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

    const wrong = project.vagga(['_build', 'wrong-sum']);
    expect(wrong.status).toBe(121);
    expect(wrong.stderr).toContain('Hashsum mismatch: ./a.gz');
    const absent = project.vagga(['_build', 'no-subdir']);
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
    expect(project.vagga(['_build', 'data']).status).toBe(0);
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
    const done = project.vagga(['_build', 'all']);
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
    const two = project.vagga(['_build', 'two']);
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
        const child = project.start(['_build', name]);
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
      const done = project.vagga(['_run', 'c', 'sh', '-c', 'touch /x || echo refused']);
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
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    writeFileSync(project.file('vagga.yaml'), yaml('echo two > /data/version; exit 3'));
    const failed = project.vagga(['_build', 'c']);
    expect(failed.status).toBe(121);
    expect(failed.stderr).toMatch(/ERROR: step 2 of 2, !Sh: .*ended with exit code 3/);
    const [left = ''] = readdirSync(project.file('.vagga/.roots')).filter((name) => /^\.tmp\.c\.\w{8}$/.test(name));
    expect(readFileSync(project.file(`.vagga/.roots/${left}/root/data/version`), 'utf8')).toBe('two\n');
    expect(readFileSync(project.file('.vagga/c/data/version'), 'utf8')).toBe('one\n');
  });

  it('leaves nothing that the next build takes for whole, and no process', async () => {
    const project = host.project('user', yaml('touch /data/begun; sleep 2; chown 5 /data/begun; touch /data/whole'));
    for (let round = 0; round < 4; round++) {
      const killed = project.start(['_build', 'c']);
      await sleep(150 * (round + 1)); // anywhere from the start of the program to the steps' midst
      killed.kill('SIGKILL');
      await until('its end', () => killed.signalCode !== null || killed.exitCode !== null);
      await until('the end of its children', () => host.processes() === '');
      const names = existsSync(project.file('.vagga/.roots')) ? readdirSync(project.file('.vagga/.roots')) : [];
      expect(names.filter((name) => !name.startsWith('.tmp.'))).toEqual([]);
    }
    expect(project.vagga(['_build', 'c']).status).toBe(0);
    expect(existsSync(project.file('.vagga/c/data/whole'))).toBe(true);
  });

  it('that finds another at work ends with 121, or waits for it and takes its root', async () => {
    const project = host.project(
      'user',
      yaml('touch /data/begun /work/begun; while ! test -e /work/go; do sleep 0.1; done'),
    );
    const first = project.start(['_build', 'c']);
    await until('the first build to be at its step', () => existsSync(project.file('begun')));
    const second = project.vagga(['_build', 'c'], { env: { VAGGA_SETTINGS: 'build-lock-wait: false' } });
    expect([second.status, second.stderr]).toEqual([121, expect.stringContaining('Other process is doing build')]);
    const third = project.start(['_build', 'c']);
    let said = '';
    third.stderr?.on('data', (bytes) => {
      said += bytes;
    });
    await until('the third to say that it waits', () => said.includes('waiting for it'));
    writeFileSync(project.file('go'), '');
    await until('both to end', () => first.exitCode !== null && third.exitCode !== null);
    expect([first.exitCode, third.exitCode]).toEqual([0, 0]);
    const builtBefore = statSync(project.file('.vagga/c/data/begun')).ino;
    expect(project.vagga(['_build', '--force', 'c']).status).toBe(0);
    expect(statSync(project.file('.vagga/c/data/begun')).ino).not.toBe(builtBefore);
  });
});
