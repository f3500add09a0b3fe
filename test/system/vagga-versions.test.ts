import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, until, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'versions of vagga', missing ?? '');
let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const base = 'containers:\n  base: { setup: [!Tar { url: ./root.tar.gz }] }\n';
const built = (project: Project, name: string): string =>
  readdirSync(project.file('.vagga/.roots'))
    .filter((each) => each.startsWith(`${name}.`))
    .sort()
    .join();
const image = (project: Project, path: string): string => readFileSync(project.file(`.vagga/${path}`), 'utf8');

describe.skipIf(noRootless)('a version that is known only when something was built', () => {
  it('of a !Build by content is that of what was built, wherever it came from', () => {
    const project = host.project(
      'user',
      `${base}  lib:
    setup: [!Container base, !Sh "mkdir /out; cp /work/made /out/lib"]
  app:
    setup: [!Container base, !Build { container: lib, source: /out, path: /lib, content-hash: true }]
`,
      { made: 'one\n' },
    );
    expect(project.vagga(['_version_hash', 'app']).status).toBe(29);
    expect(project.vagga(['_build', 'app']).status).toBe(0);
    expect(image(project, 'app/lib/lib')).toBe('one\n');
    const before = realpathSync(project.file('.vagga/app'));
    writeFileSync(project.file('made'), 'two\n');
    expect(project.vagga(['_build', '--force', 'app']).status).toBe(0);
    expect(image(project, 'app/lib/lib')).toBe('two\n');
    expect(realpathSync(project.file('.vagga/app'))).not.toBe(before);
    // lib has the version that it had; app is the one of the content.
    expect(built(project, 'lib').split(',')).toHaveLength(1);
    expect(built(project, 'app').split(',')).toHaveLength(2);
  });

  it('of a copy that the build itself makes is computed afterwards', () => {
    const project = host.project(
      'user',
      `${base}  app:
    setup: [!Container base, !Sh "echo made > /work/made", !Copy { source: /work/made, path: /data/made }]
`,
    );
    const done = project.vagga(['_build', 'app']);
    expect([done.status, done.stderr]).toEqual([0, expect.stringMatching(/Container app \([0-9a-f]{8}\) built/)]);
    expect(image(project, 'app/data/made')).toBe('made\n');
    const short = project.vagga(['_version_hash', '--short', 'app']).stdout.trim();
    expect(built(project, 'app')).toBe(`app.${short}`);
    expect(project.vagga(['_build', 'app']).stderr).toBe('');
    expect(readdirSync(project.file('.vagga/.roots')).filter((name) => /^\.tmp\.app$/.test(name))).toEqual([]);
  });

  it('that no build brings is an error, and leaves the root for a look', () => {
    const project = host.project('user', `${base}  app: { setup: [!Container base, !Depends absent] }\n`);
    const done = project.vagga(['_build', 'app']);
    expect([done.status, done.stderr]).toEqual([
      121,
      expect.stringContaining('container app was built and has no version yet: !Depends: /work/absent does not exist'),
    ]);
    expect(existsSync(project.file('.vagga/.roots/.tmp.app/root/bin/busybox'))).toBe(true);
    expect(existsSync(project.file('.vagga/app'))).toBe(false);
  });
});

describe.skipIf(noRootless)('!SubConfig', () => {
  const other = (text: string): string => `
containers:
  tools: { setup: [!Container base, !Env { WHO: ${text} }, !Sh 'echo "$WHO" > /data/tool'] }
  all: { setup: [!Container tools, !EnsureDir /data/more] }
commands: { x: !Command { container: all, run: x } }
`;

  it('of a file of the project does its steps in place, and follows its changes', () => {
    const yaml = `${base}  app:
    setup: [!SubConfig { path: sub/other.yaml, container: all }, !Sh 'echo "$WHO" > /data/after']
`;
    const project = host.project('user', yaml, { 'sub/other.yaml': other('one') });
    const done = project.vagga(['_build', 'app']);
    expect([done.stderr, done.status]).toEqual([expect.stringContaining('Container app'), 0]);
    expect([image(project, 'app/data/tool'), image(project, 'app/data/after')]).toEqual(['one\n', 'one\n']);
    expect(existsSync(project.file('.vagga/app/data/more'))).toBe(true);
    writeFileSync(project.file('sub/other.yaml'), other('two'));
    expect(project.vagga(['_build', 'app']).stderr).toContain('Container app is built anew:\n');
    expect(image(project, 'app/data/tool')).toBe('two\n');
  });

  it('of a container takes the file from what was built', () => {
    const yaml = `${base}  maker:
    setup: [!Container base, !Sh 'printf "%s" "$YAML" > /data/made.yaml']
  app:
    setup: [!SubConfig { source: !Container maker, path: data/made.yaml, container: tools }]
  heir: { setup: [!Container app, !Sh 'echo "$WHO" > /data/heir'] }
`.replace("!Sh 'printf", `!Env { YAML: ${JSON.stringify(other('made'))} }, !Sh 'printf`);
    const project = host.project('user', yaml);
    expect(project.vagga(['_version_hash', 'app']).status).toBe(29);
    const done = project.vagga(['_build', 'heir']);
    expect([done.stderr, done.status]).toEqual([expect.stringContaining('Container heir'), 0]);
    expect([image(project, 'app/data/tool'), image(project, 'heir/data/heir')]).toEqual(['made\n', 'made\n']);
  });
});

describe.skipIf(noRootless)('!GitDescribe', () => {
  it('follows commits and tags, in the version and in its file', () => {
    const project = host.project(
      'user',
      `${base}  app: { setup: [!Container base, !GitDescribe { output-file: /data/version, pattern: "v*" }] }\n`,
    );
    const git = (...words: readonly string[]) => {
      const as = ['setpriv', `--reuid=${host.uid}`, `--regid=${host.gid}`, '--clear-groups', 'git'];
      const author = ['-c', 'user.name=a', '-c', 'user.email=a@b'];
      const [program = '', ...rest] = [...as, ...author, ...words];
      const done = spawnSync(program, rest, { cwd: project.folder, encoding: 'utf8', env: { PATH: process.env.PATH } });
      expect([done.stderr, done.status]).toEqual([expect.any(String), 0]);
    };
    const version = (): string => {
      expect(project.vagga(['_build', 'app']).status).toBe(0);
      return image(project, 'app/data/version');
    };
    git('init', '-q');
    git('commit', '-q', '--allow-empty', '-m', 'one');
    git('tag', 'v1.0');
    git('tag', 'other');
    expect(version()).toBe('v1.0\n');
    git('commit', '-q', '--allow-empty', '-m', 'two');
    expect(version()).toMatch(/^v1\.0-1-g[0-9a-f]+\n$/);
    git('tag', 'v2.0');
    expect(version()).toBe('v2.0\n');
    expect(built(project, 'app').split(',')).toHaveLength(3);
  });
});

describe.skipIf(noRootless)('a container that changed', () => {
  it('is built again by itself and says why; switching back finds the old one', () => {
    const yaml = `${base}  app: { setup: [!Container base, !Py3Requirements requirements.txt] }\n`.replace(
      '!Py3Requirements requirements.txt',
      '!Depends requirements.txt, !Sh "cp /work/requirements.txt /data/"',
    );
    const project = host.project(
      'user',
      `${yaml}commands: { cat: !Command { container: app, run: [cat, /data/requirements.txt] } }\n`,
      {
        'requirements.txt': 'flask==1\n',
      },
    );
    expect(project.vagga(['cat']).stdout).toBe('flask==1\n');
    appendFileSync(project.file('requirements.txt'), 'redis==2\n');
    const again = project.vagga(['cat']);
    expect(again.stdout).toBe('flask==1\nredis==2\n');
    expect(again.stderr).toMatch(/Container app is built anew:\n.*requirements\.txt/);
    writeFileSync(project.file('requirements.txt'), 'flask==1\n');
    const back = project.vagga(['cat']);
    expect([back.stdout, back.stderr]).toEqual(['flask==1\n', '']);
  });
});

describe.skipIf(noRootless)('builds that do not stand on each other', () => {
  // Each waits for the file that the other makes: one after the other they would wait for ever.
  const yaml = `${base}  a: { setup: [!Container base, !Sh "touch /work/a; until test -e /work/b; do sleep 0.1; done; echo of a"] }
  b: { setup: [!Container base, !Sh "touch /work/b; until test -e /work/a; do sleep 0.1; done; echo of b"] }
  both: { setup: [!Container a, !Build { container: b, source: /data, path: /b }] }
`;

  it('run at once, each line with its name', () => {
    const project = host.project('user', yaml);
    const done = project.vagga(['_build', 'both']);
    expect(done.status).toBe(0);
    expect(done.stderr.split('\n')).toEqual(
      expect.arrayContaining(['a | of a', 'b | of b', '[both 1/2] !Container a']),
    );
    expect(readFileSync(project.file('.vagga/.roots/').concat(built(project, 'a'), '/build.log'), 'utf8')).toContain(
      'of a\n',
    );
  });

  it('show on a terminal what each is doing', () => {
    const project = host.project('user', yaml.replaceAll('; echo of', '; sleep 1; echo of'));
    const done = spawnSync(
      'python3',
      [join(packageRoot(), 'test/system/vagga/terminal.py'), ...project.words(['_build', 'both'])],
      {
        cwd: project.folder,
        input: JSON.stringify([
          ['expect', 'a 2/2 !Sh touch /work/a'],
          ['expect', 'b | of b'],
          ['expect', 'Container both'],
        ]),
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: project.folder, TERM: 'vt100' },
        timeout: 120_000,
      },
    );
    expect([done.stderr, done.status]).toEqual(['', 0]);
  });

  it('that fail do not stop the others, which need not be built again', async () => {
    const project = host.project(
      'user',
      `${base}  bad: { setup: [!Container base, !Sh "false"] }
  good: { setup: [!Container base, !Sh "sleep 1; touch /data/good"] }
  both: { setup: [!Container good, !Build { container: bad, path: /b }] }
`,
    );
    const done = project.vagga(['_build', 'both']);
    expect([done.status, done.stderr]).toEqual([121, expect.stringContaining('Error building container bad')]);
    await until('the good one to be there', () => existsSync(project.file('.vagga/good/data/good')));
  });
});
