import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VersionOptions } from '../../../src/vagga/version/version.ts';
import { known, makeProject, setup, type TestProject } from './project.ts';

let project: TestProject;
beforeEach(() => {
  project = makeProject();
});
afterEach(() => {
  vi.unstubAllEnvs();
  project.remove();
});

type Word = readonly [key: string, ...values: string[]] | string;

/** The stream as vagga 4 has it, hashed by OpenSSL: a plain text is the raw content of a file. */
function hashOf(words: readonly Word[], ids = '0-65536'): string {
  const parts = ([['uids', ids], ['gids', '0-65536'], ...words] as readonly Word[]).map((word) =>
    typeof word === 'string' ? word : word.map((part) => `${part}\0`).join(''),
  );
  return createHash('blake2b512').update(parts.join('')).digest('hex');
}

const versionOfSteps = (steps: readonly string[], options?: Partial<VersionOptions>) =>
  project.version(setup(...steps), options);

const sum = 'a'.repeat(64);
const installScript = './configure --prefix=/usr\nmake\nmake install\n';

// vagga 3, the H columns.
const plain: readonly (readonly [step: string, fields: readonly Word[]])[] = [
  ['!AlpineRepo { repo: r }', [['repo', 'r']]],
  [
    '!AlpineRepo { url: u, branch: b, repo: r, tag: t }',
    [
      ['url', 'u'],
      ['branch', 'b'],
      ['repo', 'r'],
      ['tag', 't'],
    ],
  ],
  ['!Ubuntu trusty', [['codename', 'trusty']]],
  [
    '!UbuntuRelease { codename: c, eatmydata: false }',
    [
      ['codename', 'c'],
      ['arch', 'amd64'],
      ['keep_chfn_command', 'false'],
    ],
  ],
  [
    '!UbuntuRelease { version: "14.04", url: u, arch: i386, keep-chfn-command: true }',
    [
      ['version', '14.04'],
      ['url', 'u'],
      ['arch', 'i386'],
      ['keep_chfn_command', 'true'],
    ],
  ],
  [
    '!UbuntuRepo { components: [a, b] }',
    [
      ['components', 'a', 'b'],
      ['trusted', 'false'],
    ],
  ],
  ['!UbuntuPPA o/n', [['ppa_name', 'o/n']]],
  ['!UbuntuUniverse', []],
  ['!AptTrust { keys: [k] }', [['keys', 'k']]],
  ['!Repo edge/main', [['name', 'edge/main']]],
  ['!Install [b, a]', [['packages', 'b', 'a']]],
  ['!BuildDeps []', [['packages']]],
  ['!Sh "a\\nb"', [['script', 'a\nb']]],
  ['!Cmd [a, b c]', [['command-line', 'a', 'b c']]],
  [
    '!RunAs { script: s, supplementary-gids: [1, 2] }',
    [
      ...([
        ['user_id', '0'],
        ['group_id', '0'],
        ['supplementary_gids', '1', '2'],
      ] as const),
      ...([
        ['work_dir', '/work'],
        ['isolate_network', 'false'],
        ['script', 's'],
      ] as const),
    ],
  ],
  [
    '!Env { B: "2", A: "1", ä: "3" }',
    [
      ['key', 'A'],
      ['value', '1'],
      ['key', 'B'],
      ['value', '2'],
      ['key', 'ä'],
      ['value', '3'],
    ],
  ],
  [
    '!Download { url: u, path: /p }',
    [
      ['url', 'u'],
      ['path', '/p'],
      ['mode', '420'],
    ],
  ],
  [
    `!Download { url: u, path: /p, sha256: ${sum} }`,
    [
      ['hash', sum],
      ['path', '/p'],
      ['mode', '420'],
    ],
  ],
  [
    `!Tar { url: u, sha256: ${sum}, subdir: s }`,
    [
      ['hash', sum],
      ['path', '/'],
      ['subdir', 's'],
    ],
  ],
  [
    '!TarInstall { url: u }',
    [
      ['url', 'u'],
      ['script', installScript],
    ],
  ],
  [
    '!Unzip { url: u, path: /p }',
    [
      ['url', 'u'],
      ['path', '/p'],
      ['subdir', ''],
    ],
  ],
  [
    '!Git { url: u, path: /p, branch: b }',
    [
      ['url', 'u'],
      ['branch', 'b'],
      ['path', '/p'],
    ],
  ],
  [
    '!GitInstall { url: u, revision: r }',
    [
      ['url', 'u'],
      ['revision', 'r'],
      ['subdir', '.'],
      ['script', installScript],
    ],
  ],
  [
    '!Text { /a-b: x, /a/b: y }',
    [
      ['path', '/a/b'],
      ['data', 'y'],
      ['path', '/a-b'],
      ['data', 'x'],
    ],
  ],
  ['!EmptyDir /d', [['path', '/d']]],
  ['!Remove /d', [['path', '/d']]],
  [
    '!Copy { source: /etc/x, path: /y }',
    [
      ['source', '/etc/x'],
      ['path', '/y'],
      ['preserve_permissions', 'false'],
      ['umask', '2'],
    ],
  ],
  [
    '!Copy { source: /etc/x, path: /y, owner-uid: 1, preserve-times: true }',
    [
      ...([
        ['source', '/etc/x'],
        ['path', '/y'],
        ['preserve_permissions', 'false'],
      ] as const),
      ...([
        ['owner_uid', '1'],
        ['umask', '2'],
        ['preserve_times', 'true'],
      ] as const),
    ],
  ],
  [
    '!Copy { source: /etc/x, path: /y, preserve-permissions: true }',
    [
      ['source', '/etc/x'],
      ['path', '/y'],
      ['preserve_permissions', 'true'],
    ],
  ],
  [
    '!PipConfig { find-links: [f] }',
    [
      ...([['find_links', 'f'], ['index_urls'], ['trusted_hosts'], ['dependencies', 'false']] as const),
      ...([
        ['cache_wheels', 'true'],
        ['install_python', 'true'],
      ] as const),
    ],
  ],
  [
    '!PipConfig { allow-pre-releases: true, python-exe: p, get-pip-args: [a] }',
    [
      ...([
        ['find_links'],
        ['index_urls'],
        ['trusted_hosts'],
        ['dependencies', 'false'],
        ['cache_wheels', 'true'],
      ] as const),
      ...([
        ['install_python', 'true'],
        ['allow_pre_releases', 'true'],
        ['python_exe', 'p'],
        ['get_pip_args', 'a'],
      ] as const),
    ],
  ],
  ['!Py3Install [a]', [['packages', 'a']]],
  [
    '!NpmConfig {}',
    [
      ['npm_exe', 'npm'],
      ['install_node', 'true'],
      ['yarn_exe', '/usr/bin/yarn'],
    ],
  ],
  [
    '!NpmConfig { install-yarn: false, yarn-exe: yarn, yarn-version: "1" }',
    [
      ['npm_exe', 'npm'],
      ['install_node', 'true'],
      ['install_yarn', 'false'],
      ['yarn_version', '1'],
    ],
  ],
  ['!NpmInstall [a]', [['packages', 'a']]],
  [
    '!GemConfig {}',
    [
      ['install_ruby', 'true'],
      ['gem_exe', '/usr/bin/gem'],
      ['update_gem', 'true'],
    ],
  ],
  ['!GemInstall [a]', [['packages', 'a']]],
  [
    '!ComposerConfig { vendor-dir: /v }',
    [
      ['install_runtime', 'true'],
      ['install_dev', 'false'],
      ['keep_composer', 'false'],
      ['vendor_dir', '/v'],
    ],
  ],
  ['!ComposerInstall [a]', [['packages', 'a']]],
];

describe('fields of a step', () => {
  it.each(plain)('%s', async (step, fields) => {
    const name = /^!(\w+)/.exec(step)?.[1] ?? '';
    expect(known(await versionOfSteps([step])).hash).toBe(hashOf([['COMMAND', name], ...fields]));
  });

  it('ids and data-dirs of the container', async () => {
    const yaml = 'containers:\n  c:\n    uids: [0, 5-9]\n    data-dirs: [/a, /b]\n';
    const words = [
      ['uids', '0-1', '5-10'],
      ['gids', '0-65536'],
      ['data_dirs', '/a', '/b'],
    ];
    const text = words.map((word) => word.map((part) => `${part}\0`).join('')).join('');
    expect(known(await project.version(yaml)).hash).toBe(createHash('blake2b512').update(text).digest('hex'));
  });
});

describe('requirements', () => {
  it('are hashed line by line, those of other files in their place', async () => {
    project.write(
      'py/requirements.txt',
      '# comment\n  a==1 \n\n-r more/base.txt\n--constraint=c.txt\n-e git+https://x/y\nb\n',
    );
    project.write('py/more/base.txt', 'base\n-r ../last.txt\n');
    project.write('py/last.txt', 'last\n');
    project.write('py/c.txt', 'limit<2\n');
    const version = await versionOfSteps(['!Py2Requirements py/requirements.txt']);
    const lines = ['a==1', 'base', 'last', 'limit<2', '-e git+https://x/y', 'b'];
    expect(known(version).hash).toBe(
      hashOf([['COMMAND', 'Py2Requirements'], ...lines.map((line): Word => ['line', line])]),
    );
  });

  it('change the hash where a file changes that they name', async () => {
    project.write('requirements.txt', '-r other.txt\n');
    project.write('other.txt', 'a==1\n');
    const before = known(await versionOfSteps(['!Py3Requirements requirements.txt'])).hash;
    project.write('other.txt', 'a==2\n');
    expect(known(await versionOfSteps(['!Py3Requirements requirements.txt'])).hash).not.toBe(before);
  });

  it('that name themselves or nothing are told', async () => {
    project.write('a.txt', '-r b.txt\n');
    project.write('b.txt', '-r ./a.txt\n');
    expect(await versionOfSteps(['!Py3Requirements a.txt'])).toEqual({
      kind: 'failed',
      reason: '!Py3Requirements: requirements go round in a circle: a.txt -> b.txt -> a.txt',
    });
    project.write('b.txt', '-r gone.txt\n');
    expect(await versionOfSteps(['!Py3Requirements a.txt'])).toEqual({
      kind: 'failed',
      reason: '!Py3Requirements: gone.txt does not exist (named in b.txt)',
    });
  });
});

describe('packages of other languages', () => {
  const manifest = JSON.stringify({
    dependencies: { b: '^1', a: { version: 'no text' } },
    devDependencies: { d: '2' },
    peerDependencies: { p: '3' },
    bundledDependencies: ['x'],
    optionalDependencies: { o: '4' },
  });

  it('npm: the sections that are taken, in the order of the names', async () => {
    project.write('package.json', manifest);
    const words: readonly Word[] = [
      ['a', '*'],
      ['b', '^1'],
      ['d', '2'],
      ['x', '*'],
    ];
    expect(known(await versionOfSteps(['!NpmDependencies {}'])).hash).toBe(
      hashOf([['COMMAND', 'NpmDependencies'], ...words]),
    );
    const other = '!NpmDependencies { package: false, dev: false, bundled: false, peer: true, optional: true }';
    expect(known(await versionOfSteps([other])).hash).toBe(
      hashOf([
        ['COMMAND', 'NpmDependencies'],
        ['p', '3'],
        ['o', '4'],
      ]),
    );
  });

  it('npm: a package.json that is absent or no JSON is told', async () => {
    expect(await versionOfSteps(['!NpmDependencies {}'])).toMatchObject({
      reason: '!NpmDependencies: package.json does not exist',
    });
    project.write('package.json', '{');
    expect(await versionOfSteps(['!NpmDependencies {}'])).toMatchObject({ kind: 'failed' });
  });

  it('yarn: is not ready before the lock file has all', async () => {
    project.write('js/package.json', JSON.stringify({ dependencies: { b: '^1' }, devDependencies: { '@s/d': '2' } }));
    const step = '!YarnDependencies { dir: js }';
    expect(await versionOfSteps([step])).toEqual({
      kind: 'not-ready',
      reason: '!YarnDependencies: js/yarn.lock does not exist',
    });
    project.write('js/yarn.lock', 'b@^0, b@^1:\n  version "1.0"\n');
    expect(await versionOfSteps([step])).toEqual({
      kind: 'not-ready',
      reason: '!YarnDependencies: js/yarn.lock has no @s/d@2',
    });
    const lock = 'b@^0, b@^1:\n  version "1.0"\n"@s/d@2":\n  version "2"\n';
    project.write('js/yarn.lock', lock);
    const words: readonly Word[] = [['production', 'false'], ['b', '^1'], ['@s/d', '2'], lock];
    expect(known(await versionOfSteps([step])).hash).toBe(hashOf([['COMMAND', 'YarnDependencies'], ...words]));
  });

  it('bundler: the Gemfile, and the lock where there is one', async () => {
    project.write('Gemfile', '# c\nsource "x"\n gem "a"\n');
    const lines: readonly Word[] = [
      ['line', 'source "x"'],
      ['line', 'gem "a"'],
    ];
    const start: readonly Word[] = [
      ['COMMAND', 'GemBundle'],
      ['gemfile', 'Gemfile'],
    ];
    expect(known(await versionOfSteps(['!GemBundle {}'])).hash).toBe(hashOf([...start, ...lines]));
    project.write('Gemfile.lock', 'LOCK');
    const step = '!GemBundle { without: [test], trust-policy: LowSecurity }';
    expect(known(await versionOfSteps([step])).hash).toBe(
      hashOf([...start, 'LOCK', ...lines, ['without', 'test'], ['trust_policy', 'LowSecurity']]),
    );
  });

  it('composer: packages of the lock, then what composer.json asks for', async () => {
    project.write(
      'composer.json',
      '{"require":{"z":"1","a":"2"},"minimum-stability":"dev","require-dev":{"t":"3"},"scripts":{}}',
    );
    project.write(
      'composer.lock',
      '{"packages":[{"name":"a","version":"2.0","require":{"q":"*"},"dist":{}}],"packages-dev":[{"name":"t"}]}',
    );
    const words: readonly Word[] = [
      ...([
        ['name', 'a'],
        ['version', '2.0'],
        ['require', '{"q":"*"}'],
        ['name', 't'],
      ] as const),
      ...([
        ['require', '{"a":"2","z":"1"}'],
        ['minimum-stability', 'dev'],
        ['require-dev', '{"t":"3"}'],
      ] as const),
    ];
    expect(known(await versionOfSteps(['!ComposerDependencies {}'])).hash).toBe(
      hashOf([['COMMAND', 'ComposerDependencies'], ...words]),
    );
  });
});

describe('containers within containers', () => {
  const two = (steps: string, extra = '') =>
    `containers:\n  base:\n    uids: [0]\n    setup: [!Alpine v3.4, !Container deep]\n  deep:\n    setup: [!Remove /x]\n  c:\n    setup:\n    - ${steps}\n${extra}`;
  const base: readonly Word[] = [
    ['COMMAND', 'Alpine'],
    ['version', 'v3.4'],
    ['COMMAND', 'Container'],
    ['COMMAND', 'Remove'],
    ['path', '/x'],
  ];

  it('stand inline, without their ids', async () => {
    const version = known(await project.version(two('!Container base')));
    expect(version.hash).toBe(hashOf([['COMMAND', 'Container'], ...base]));
    expect(version.fields.map(({ at }) => at.step)).toEqual(['', '', '0', '0.0', '0.0', '0.1', '0.1.0', '0.1.0']);
  });

  it('!Build has its own parameters too, behind a format of its own', async () => {
    const words: readonly Word[] = [
      ['COMMAND', 'Build'],
      ['format', '2'],
      ['container', 'base'],
      ['source', '/'],
      ['rules'],
      ...base,
      ['path', '/p'],
    ];
    expect(known(await project.version(two('!Build { container: base, path: /p }'))).hash).toBe(hashOf(words));
  });

  it('!Build with content-hash is ready once the other is built, and changes with what is in it', async () => {
    const yaml = two('!Build { container: base, source: /src, path: /p, content-hash: true, rules: ["/", "!*.o"] }');
    expect(await project.version(yaml)).toEqual({
      kind: 'not-ready',
      reason: '!Build: container base is not built yet',
    });
    project.write('built/src/f', 'text', 0o640);
    project.write('built/src/f.o', 'object');
    const ids = {
      uidMap: [{ inside: 0, outside: process.getuid?.() ?? 0, count: 1 }],
      gidMap: [{ inside: 0, outside: process.getgid?.() ?? 0, count: 1 }],
    };
    const options = { builtRoot: (name: string) => (name === 'base' ? join(project.root, 'built') : null), ...ids };
    const words: readonly Word[] = [
      ...([
        ['COMMAND', 'Build'],
        ['format', '2'],
        ['container', 'base'],
        ['source', '/src'],
        ['rules', '/', '!*.o'],
        ...base,
      ] as const),
      ...([
        ['filename', '/src'],
        ['mode', '493'],
        ['uid', '0'],
        ['gid', '0'],
      ] as const),
      ...([['filename', '/src/f'], ['mode', '416'], ['uid', '0'], ['gid', '0'], 'text', ['path', '/p']] as const),
    ];
    expect(known(await project.version(yaml, options)).hash).toBe(hashOf(words));
  });

  it('!SubConfig takes the steps of a file, which may have to be made first', async () => {
    const yaml = two('!SubConfig { path: sub/vagga.yaml, container: inner }');
    expect(await project.version(yaml)).toEqual({
      kind: 'not-ready',
      reason: '!SubConfig: sub/vagga.yaml does not exist',
    });
    project.write('sub/vagga.yaml', 'containers: { inner: { setup: [!Remove /y, !Container deep] } }\ncommands: {}\n');
    const words: readonly Word[] = [
      ['COMMAND', 'SubConfig'],
      ['COMMAND', 'Remove'],
      ['path', '/y'],
      ['COMMAND', 'Container'],
      ['COMMAND', 'Remove'],
      ['path', '/x'],
    ];
    expect(known(await project.version(yaml)).hash).toBe(hashOf(words));
    const built = two('!SubConfig { source: !Container base, container: inner }');
    expect(await project.version(built)).toEqual({
      kind: 'not-ready',
      reason: '!SubConfig: container base is not built yet',
    });
    expect(known(await project.version(built, { builtRoot: () => join(project.root, 'sub') })).hash).toBe(
      hashOf(words),
    );
    project.write('sub/vagga.yaml', 'containers: { inner: { setup: [!Nothing] } }\n');
    expect(JSON.stringify(await project.version(yaml))).toContain('sub/vagga.yaml:1:');
  });

  it('that are in a circle or absent are told', async () => {
    const circle = 'containers:\n  c: { setup: [!Container d] }\n  d: { setup: [!Container c] }\n';
    expect(await project.version(circle)).toEqual({
      kind: 'failed',
      reason: '!Container: Container "c" has cyclic dependency',
    });
    expect(await versionOfSteps(['!Container x'])).toMatchObject({
      kind: 'failed',
      reason: '!Container: container "x" does not exist',
    });
  });
});

describe('!GitDescribe', () => {
  const git = (...words: readonly string[]) =>
    execFileSync(
      'git',
      ['-C', project.root, '-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'commit.gpgsign=false', ...words],
      { stdio: 'pipe' },
    );
  const step = '!GitDescribe /version.txt';
  const hash = async (text: string) => known(await versionOfSteps([text])).hash;

  it('changes with commits and tags, by a pattern with those alone that it matches', async () => {
    git('init', '-q');
    git('commit', '-q', '--allow-empty', '-m', 'one');
    git('tag', 'v1.0');
    const words = (text: string): readonly Word[] => [
      ['COMMAND', 'GitDescribe'],
      ['repo', '/work'],
      ['output_file', '/version.txt'],
      ['describe', text],
    ];
    expect(await hash(step)).toBe(hashOf(words('v1.0')));
    git('commit', '-q', '--allow-empty', '-m', 'two');
    const commit = git('rev-parse', '--short', 'HEAD').toString().trim();
    expect(await hash(step)).toBe(hashOf(words(`v1.0-1-g${commit}`)));
    git('tag', 'other');
    expect(await hash(step)).toBe(hashOf(words('other')));
    const pattern = '!GitDescribe { output-file: /version.txt, pattern: "v*" }';
    expect(await hash(pattern)).toBe(hashOf(words(`v1.0-1-g${commit}`)));
  });

  it('looks into the project, also from within a hook of another repository', async () => {
    git('init', '-q');
    git('commit', '-q', '--allow-empty', '-m', 'one');
    git('tag', 'v1.0');
    const before = await hash(step);
    vi.stubEnv('GIT_DIR', '/nowhere');
    expect(await hash(step)).toBe(before);
  });

  it('tells where there is no repository', async () => {
    mkdirSync(join(project.root, 'none'));
    rmSync(join(project.root, '.git'), { recursive: true, force: true });
    const version = await versionOfSteps(['!GitDescribe { repo: /work/none, output-file: /v }']);
    expect(version).toMatchObject({ kind: 'failed' });
    expect(JSON.stringify(version)).toContain('not a git repository');
  });
});

describe('whatever is in a file of the project', () => {
  const json = fc.json({ maxDepth: 3 });
  const section = fc.constantFrom(
    'dependencies',
    'devDependencies',
    'packages',
    'packages-dev',
    'require',
    'require-dev',
  );
  const text = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    json,
    fc.dictionary(section, fc.jsonValue({ maxDepth: 3 })).map((value) => JSON.stringify(value)),
    fc
      .array(fc.constantFrom('-r ', '-c', 'a.txt', '\n', '#', 'a==1', '--requirement=', ':', '"', 'b@^1'), {
        maxLength: 12,
      })
      .map((parts) => parts.join('')),
  );

  it('there is a version, or words on why there is none', async () => {
    const steps = [
      '!Py3Requirements f',
      '!NpmDependencies { file: f }',
      '!YarnDependencies {}',
      '!GemBundle { gemfile: f }',
      '!ComposerDependencies {}',
    ];
    await fc.assert(
      fc.asyncProperty(text, text, async (one, other) => {
        project.write('f', one);
        for (const name of ['package.json', 'composer.json', 'a.txt']) project.write(name, one);
        for (const name of ['yarn.lock', 'composer.lock', 'Gemfile.lock']) project.write(name, other);
        for (const step of steps) {
          const version = await versionOfSteps([step]);
          expect(version.kind === 'known' ? version.hash : version.reason).not.toBe('');
        }
      }),
      { numRuns: Number(process.env.STELLWERK_RUNS ?? 25) },
    );
  });
});
