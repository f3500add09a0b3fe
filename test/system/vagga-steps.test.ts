import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { missingForRootless, mode, type Project, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'steps of vagga', missing ?? '');
let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

describe.skipIf(noRootless).each(['user', 'root'] as const)('!Copy of the project, by %s', (who) => {
  let project: Project;
  const image = (path: string): string => project.file(`.vagga/app/${path}`);
  beforeAll(() => {
    // No base: each step works on an empty root.
    const steps = [
      '!Copy { source: /work/src, path: /plain }',
      '!Copy { source: /work/src, path: /masked, umask: 0o027 }',
      '!Copy { source: /work/src, path: /same, preserve-permissions: true }',
      '!Copy { source: /work/src, path: /owned, owner-uid: 1, owner-gid: 2 }',
      '!Copy { source: /work/src, path: /timed, preserve-times: true }',
      '!Copy { source: /work/src, path: /some, rules: ["/sub/", "!*.o"] }',
      "!Copy { source: /work/src, path: /matched, include-regex: '\\.c$' }",
      '!Copy { source: /work/src/run, path: /file/of/its/own }',
    ];
    project = host.project(who, `containers:\n  app:\n    setup:\n${steps.map((step) => `    - ${step}\n`).join('')}`, {
      'src/run': 'run',
      'src/sub/a.c': 'a',
      'src/sub/a.o': 'o',
      'src/left.bak': 'old',
    });
    chmodSync(project.file('src/run'), 0o755);
    chmodSync(project.file('src/sub/a.c'), 0o600);
    chmodSync(project.file('src/sub'), 0o700);
    symlinkSync('sub/a.c', project.file('src/link'));
    utimesSync(project.file('src/sub/a.c'), 1_000, 2_000);
    const done = project.vagga(['_build', 'app']);
    expect([done.stderr, done.status]).toEqual([expect.stringContaining('Container app'), 0]);
  });
  const modes = (folder: string): readonly string[] =>
    ['sub', 'sub/a.c', 'run'].map((path) => mode(image(`${folder}/${path}`)).toString(8));

  it('gives modes by the umask and the executable bit, or as they are', () => {
    expect(modes('plain')).toEqual(['775', '664', '775']);
    expect(modes('masked')).toEqual(['750', '640', '750']);
    expect(modes('same')).toEqual(['700', '600', '755']);
    expect(readFileSync(image('file/of/its/own'), 'utf8')).toBe('run');
  });

  it('gives the owner that is asked for, by default the one who runs vagga', () => {
    const owner = (path: string): string => {
      const { uid, gid } = lstatSync(image(path));
      return `${uid}:${gid}`;
    };
    const own = who === 'user' ? `${host.uid}:${host.gid}` : '0:0';
    expect(owner('plain/sub/a.c')).toBe(own);
    expect(owner('owned/sub')).toBe(owner('owned/run'));
    expect(owner('owned/link')).toBe(owner('owned/run'));
    if (who === 'root') expect(owner('owned/run')).toBe('1:2');
    else expect(owner('owned/run')).not.toBe(own);
  });

  it('gives the time 1, or that of the file', () => {
    expect(lstatSync(image('plain/sub/a.c')).mtimeMs).toBe(1_000);
    expect(lstatSync(image('plain/link')).mtimeMs).toBe(1_000);
    expect(lstatSync(image('timed/sub/a.c')).mtimeMs).toBe(2_000_000);
  });

  it('takes what rules and regexes say, links as they are', () => {
    expect(readlinkSync(image('plain/link'))).toBe('sub/a.c');
    expect(existsSync(image('plain/left.bak'))).toBe(false);
    const some = ['sub/a.c', 'sub/a.o', 'run'].map((path) => existsSync(image(`some/${path}`)));
    expect(some).toEqual([true, false, false]);
    const matched = ['sub/a.c', 'sub/a.o', 'run'].map((path) => existsSync(image(`matched/${path}`)));
    expect(matched).toEqual([true, false, false]);
  });
});

describe.skipIf(noRootless)('an archive compressed by zstd', () => {
  it('is unpacked as any other', () => {
    const project = host.project(
      'user',
      'containers: { c: { setup: [!Tar { url: ./a.tar.zst, path: /a }, !Tar { url: ./a.tar.zst, path: /sub, subdir: src } ] } }',
      { 'src/file': 'text' },
    );
    expect(spawnSync('tar', ['--zstd', '-cf', 'a.tar.zst', 'src'], { cwd: project.folder }).status).toBe(0);
    expect(project.vagga(['_build', 'c'])).toMatchObject({ status: 0 });
    expect(readFileSync(project.file('.vagga/c/a/src/file'), 'utf8')).toBe('text');
    expect(readFileSync(project.file('.vagga/c/sub/file'), 'utf8')).toBe('text');
  });
});

describe.skipIf(noRootless)('proxies', () => {
  it('are used by downloads, known to steps and commands, and not where a setting says so', async () => {
    const asked: string[] = [];
    const proxy = createServer((request, answer) => {
      asked.push(request.url ?? '');
      answer.end('through the proxy');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = proxy.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    try {
      const project = host.project(
        'user',
        `
containers:
  base: { setup: [!Tar { url: ./root.tar.gz }] }
  c: { setup: [!Container base, !Download { url: "http://no-such-host.invalid/file", path: /data/file }, !Sh 'echo "$http_proxy" > /data/proxy'] }
commands:
  show: !Command { container: c, run: 'cat /data/file /data/proxy; echo "$http_proxy|$no_proxy"' }
  base: !Command { container: base, run: 'echo "|$http_proxy|"' }
`,
      );
      // The server is this process: it must be free to answer.
      const child = project.start(['show'], { env: { http_proxy: url, no_proxy: 'example.invalid' } });
      let [out, err] = ['', ''];
      child.stdout?.on('data', (bytes) => {
        out += bytes;
      });
      child.stderr?.on('data', (bytes) => {
        err += bytes;
      });
      const code = await new Promise((resolve) => child.on('close', resolve));
      expect([err, code]).toEqual([expect.stringContaining('Container c'), 0]);
      expect(out).toBe(`through the proxy${url}\n${url}|example.invalid\n`);
      expect(asked.some((each) => each.includes('no-such-host.invalid'))).toBe(true);
      const without = { env: { http_proxy: url, VAGGA_SETTINGS: 'proxy-env-vars: false' } };
      expect(project.vagga(['base'], without).stdout).toBe('||\n');
    } finally {
      proxy.close();
    }
  });
});

describe.skipIf(noRootless)('a variable of a command', () => {
  it('comes from the strongest of the seven layers that has it', () => {
    const names = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];
    const project = host.project(
      'user',
      `
containers:
  c:
    setup: [!Tar { url: ./root.tar.gz }, !Text { /etc/env: "${names.map((name) => `${name}=file`).join('\\n')}" }]
    environ-file: /etc/env
    environ: { B: container, C: container, D: container, E: container, F: container, G: container, H: container }
commands:
  show: !Command
    container: c
    run: echo $A $B $C $D $E $F $G $H
    environ: { C: command, D: command, E: command, F: command, G: command, H: command }
`,
      { '.vagga.settings.yaml': 'environ: { E: settings, F: settings, G: settings, H: settings }\n' },
    );
    const caller = Object.fromEntries(names.slice(3).map((name) => [name, 'caller']));
    const done = project.vagga(['-e', 'G', '-E', 'H=set', 'show'], {
      env: { ...caller, VAGGAENV_F: 'prefix', VAGGAENV_G: 'prefix', VAGGA_SETTINGS: 'propagate-environ: [D, E]' },
    });
    expect(done.stdout).toBe('file container command caller settings prefix caller set\n');
    expect(project.vagga(['-e', 'A=b', 'show'])).toMatchObject({ status: 126, stdout: '' });
  });
});

describe.skipIf(noRootless)('vagga within a container', () => {
  it('builds and runs containers of its own, with the ids that its container has', () => {
    const project = host.project(
      'user',
      `
containers:
  outer:
    uids: [0-100]
    gids: [0-100]
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Sh "rm -rf /usr; mkdir /usr /stellwerk; for each in lib lib64; do ln -s usr/$each /$each; done"
    volumes: { /usr: !BindRO /volumes/usr, /stellwerk: !BindRO /volumes/stellwerk }
commands:
  inner: !Command
    container: outer
    work-dir: inner
    run: [/usr/bin/env, node, /stellwerk/bin/stellwerk.js, vagga, hello]
`,
      {
        'inner/vagga.yaml': `
containers: { c: { uids: [0-50], gids: [0-50], setup: [!Tar { url: ./root.tar.gz }, !Sh "touch /data/of-seven; chown 7:7 /data/of-seven"] } }
commands: { hello: !Command { container: c, run: "stat -c %u:%g /data/of-seven; cat /proc/self/uid_map; pwd" } }
`,
      },
    );
    spawnSync('cp', ['-p', project.file('root.tar.gz'), project.file('inner/')]);
    mkdirSync(project.file('inner/.vagga'));
    spawnSync('chown', ['-R', `${host.uid}:${host.gid}`, project.folder]);
    const done = project.vagga(['inner'], {
      env: { VAGGA_SETTINGS: `external-volumes: { usr: /usr, stellwerk: ${packageRoot()} }` },
    });
    expect([done.stderr, done.status]).toEqual([expect.stringMatching(/Container outer[\s\S]*Container c /), 0]);
    expect(done.stdout).toMatch(/^7:7\n\s+0\s+0\s+1\n\s+1\s+1\s+100\n\/work\n$/);
  });
});

describe.skipIf(noRootless)('the authorities that the host trusts', () => {
  it('are those of builds where a setting says so, and no part of the image', () => {
    const project = host.project(
      'user',
      `containers: { c: { setup: [!Tar { url: ./root.tar.gz }, !Sh 'cat "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS" > /data/trusted'] } }\n`,
      { 'bundle.pem': 'one authority\n' },
    );
    const settings = `ca-certificates: ${project.file('bundle.pem')}`;
    expect(project.vagga(['_build', 'c'], { env: { VAGGA_SETTINGS: settings } })).toMatchObject({ status: 0 });
    expect(readFileSync(project.file('.vagga/c/data/trusted'), 'utf8')).toBe('one authority\none authority\n');
    expect(readdirSync(project.file('.vagga/c/tmp'))).toEqual([]);
  });
});
