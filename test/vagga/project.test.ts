import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/config/problem.ts';
import { parseYaml } from '../../src/config/yaml-source.ts';
import { expandIncludes } from '../../src/vagga/config/include.ts';
import { loadProject } from '../../src/vagga/config/project.ts';
import { compatibleVersion, isAtLeast } from '../../src/vagga/config/vagga-version.ts';

type Files = Readonly<Record<string, string>>;

const reader = (files: Files) => (path: string) =>
  Object.hasOwn(files, path) ? Buffer.from(files[path] ?? '') : 'cannot be read (ENOENT)';

const load = (files: Files) => loadProject('/p', Object.keys(files), reader(files));

const projectIn = (files: Files) => {
  const loaded = load(files);
  if (loaded.kind !== 'loaded') throw new Error(JSON.stringify(loaded));
  return loaded.project;
};

const problemsIn = (text: string, more: Files = {}): readonly string[] => {
  const loaded = load({ 'vagga.yaml': text, ...more });
  return loaded.kind === 'refused' ? loaded.problems.map(formatProblem) : [loaded.kind];
};

describe('a vagga.yaml', () => {
  it('gives containers and commands with all defaults', () => {
    const { containers, commands } = projectIn({
      'vagga.yaml':
        'containers: { c: { setup: [!Alpine v3.15] } }\ncommands: { x: !Command { container: c, run: [ls] } }',
    });
    expect(containers.get('c')).toMatchObject({
      setup: [{ tag: 'Alpine', value: 'v3.15' }],
      uids: [{ first: 0, last: 65_535 }],
      resolvConfPath: '/etc/resolv.conf',
      hostsFilePath: '/etc/hosts',
      autoClean: false,
      dataDirs: [],
      defaultShell: ['/bin/sh', '-c', '$cmdline', '--'],
    });
    expect(commands.get('x')).toMatchObject({
      tag: 'Command',
      value: { run: { kind: 'words', words: ['ls'] }, writeMode: 'read-only', userId: 0, aliases: [], tags: [] },
    });
  });

  it('takes every step', () => {
    const steps = [
      '!Alpine v3.4',
      '!AlpineRepo { repo: community }',
      '!Ubuntu jammy',
      '!UbuntuRelease { codename: jammy, keep-chfn-command: true }',
      '!UbuntuRepo { components: [main] }',
      '!UbuntuPPA owner/name',
      '!UbuntuUniverse',
      '!AptTrust { keys: [ABC] }',
      '!Repo edge/testing',
      '!Install [a, b]',
      '!BuildDeps [c]',
      '!Debian bookworm',
      '!Sh "echo hello"',
      '!Cmd [ls, -l]',
      '!RunAs { user_id: 1, script: id }',
      '!Env { A: b }',
      '!Download { url: http://x/y, path: /y }',
      '!Tar { url: ./root.tar.gz }',
      '!TarInstall { url: ./x.tar.gz }',
      '!Unzip { url: ./x.zip, path: /x }',
      '!Git { url: git@x:y, path: /x }',
      '!GitInstall { url: http://x }',
      '!GitDescribe /version.txt',
      '!Text { /etc/hello.txt: "Hello world!" }',
      '!Copy { source: /work/x, path: /x, umask: 0o022 }',
      '!Depends requirements.txt',
      '!Depends { path: src, rules: [/a] }',
      '!EnsureDir /x',
      '!EmptyDir /x',
      '!Remove /x',
      '!CacheDirs { /var/cache: cache }',
      '!Container other',
      '!Build { container: other, source: /x, path: /y }',
      '!SubConfig { container: z }',
      '!SubConfig { source: !Container other, container: z }',
      '!PipConfig { dependencies: true }',
      '!Py2Install [a]',
      '!Py3Install [a]',
      '!Py2Requirements a.txt',
      '!Py3Requirements a.txt',
      '!NpmConfig { npm-exe: n }',
      '!NpmInstall [a]',
      '!NpmDependencies',
      '!YarnDependencies { dir: web }',
      '!GemConfig { update-gem: false }',
      '!GemInstall [a]',
      '!GemBundle { without: [dev] }',
      '!ComposerConfig { install-dev: true }',
      '!ComposerInstall [a]',
      '!ComposerDependencies { prefer: dist }',
    ];
    const text = `containers:\n  other: {}\n  c:\n    setup:\n${steps.map((step) => `    - ${step}\n`).join('')}`;
    const setup = projectIn({ 'vagga.yaml': text }).containers.get('c')?.setup ?? [];
    expect(setup.map(({ tag }) => `!${tag}`)).toEqual(steps.map((step) => step.split(' ')[0]));
    expect(setup.find(({ tag }) => tag === 'Depends')).toEqual({
      tag: 'Depends',
      value: { path: 'requirements.txt', ignoreRegex: null, includeRegex: null, rules: [], noDefaultRules: false },
    });
  });

  it('tells all mistakes at once, each with its place, the key and what was probably meant', () => {
    expect(
      problemsIn(
        'containers:\n  a:\n    setup:\n    - !Contaner b\n    environs: {}\ncommands:\n  x: !Command\n    container: c\n',
      ),
    ).toEqual([
      'vagga.yaml:4:17: containers.a.setup[0]: tag !Contaner; did you mean !Container?',
      'vagga.yaml:5:5: containers.a.environs: unknown key in a container; did you mean environ?',
      'vagga.yaml:8:5: commands.x.run: missing; !Command needs a text for the shell, or a list of a program and its arguments',
    ]);
  });

  it('names containers that are not there, and circles', () => {
    expect(
      problemsIn(
        'containers: { base: {}, a: { setup: [!Container bas] } }\ncommands: { x: !Command { container: qqqq, run: a } }',
      ),
    ).toEqual([
      'vagga.yaml:1:49: containers.a.setup[0]: there is no container "bas"; did you mean base?',
      expect.stringMatching(/^vagga\.yaml:2:\d+: commands\.x\.container: there is no container "qqqq"$/),
    ]);
    const [last] = problemsIn('containers: { a: { setup: [!Container b] }, b: { setup: [!Build { container: a }] } }');
    expect(last).toMatch(/^vagga\.yaml:1:\d+: containers\.\w: Container "\w" has cyclic dependency$/);
  });

  it('says which version it needs before anything that this one does not know', () => {
    expect(load({ 'vagga.yaml': 'minimum-vagga: v99.1\ncontainers: { a: { setup: [!Future x] } }' })).toEqual({
      kind: 'too-old',
      needs: 'v99.1',
    });
    expect(problemsIn('minimum-vagga: v0.6.0')).toEqual(['loaded']);
  });

  it('takes numbers with units and prefixes, and a network only for children', () => {
    const { containers } = projectIn({
      'vagga.yaml': 'containers: { a: { volumes: { /tmp: !Tmpfs { size: 1Gi, mode: 0o755 }, /x: !Persistent name } } }',
    });
    expect(containers.get('a')?.volumes.get('/tmp')?.value).toMatchObject({ size: 1024 ** 3, mode: 0o755 });
    expect(containers.get('a')?.volumes.get('/x')?.value).toMatchObject({ name: 'name', initCommand: null });
    expect(
      problemsIn(
        'containers: { a: {} }\ncommands: { x: !Command { container: a, run: a, network: { ip: 172.23.0.1 } } }',
      )[0],
    ).toContain('network is for children of !Supervise');
  });
});

describe('includes', () => {
  it('put a file in place, and a list into a list', () => {
    const { containers } = projectIn({
      'vagga.yaml':
        'containers:\n  a:\n    setup:\n    - !Sh a\n    - !*Unpack [!Sh b, !Sh c]\n    environ: !*Include parts/env.yaml\n',
      'parts/env.yaml': 'A: b\n',
    });
    expect(containers.get('a')?.setup.map(({ value }) => value)).toEqual(['a', 'b', 'c']);
    expect(containers.get('a')?.environ).toEqual(new Map([['A', 'b']]));
  });

  it('tell a mistake with the name of the included file', () => {
    expect(
      problemsIn('containers:\n  a: !*Include parts/a.yaml\n', { 'parts/a.yaml': 'setup: []\n\nenvirons: {}\n' }),
    ).toEqual(['parts/a.yaml:3:1: containers.a.environs: unknown key in a container; did you mean environ?']);
  });

  it('stay within the folder, and end', () => {
    expect(problemsIn('containers: !*Include ../x.yaml')[0]).toContain('without ..');
    expect(problemsIn('containers: !*Include b.yaml', { 'b.yaml': 'x: !*Include b.yaml' })[0]).toContain(
      'includes itself',
    );
    expect(problemsIn('containers: !*Include b.yaml')[0]).toContain('!*Include b.yaml: cannot be read (ENOENT)');
  });

  it('merge mappings: what is there wins, then the earlier', () => {
    const { containers } = projectIn({
      'vagga.yaml':
        'containers:\n  a: &a { setup: [!Sh a], auto-clean: true, volumes: { /x: !Tmpfs {} } }\n  b: &b { setup: [!Sh b] }\n  c:\n    <<: [*b, *a]\n    auto-clean: false\n',
    });
    expect(containers.get('c')).toMatchObject({ setup: [{ value: 'b' }], autoClean: false });
    expect(containers.get('c')?.volumes.get('/x')?.tag).toBe('Tmpfs');
  });

  it('of any text give values or problems', () => {
    const piece = fc.constantFrom(
      'a: &a',
      '<<: *a',
      ' - !*Unpack',
      ' !*Include f',
      ' - *a',
      '\n',
      ' {',
      '}',
      ' [',
      ']',
      ': ',
      ' x',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(piece, { maxLength: 10 }), (one, two) => {
        const files: Files = { 'vagga.yaml': one.join(''), f: two.join('') };
        const expanded = expandIncludes(parseYaml('vagga.yaml', Buffer.from(one.join(''))), reader(files));
        for (const { message } of expanded.problems) expect(message).not.toBe('');
        load(files);
      }),
      { numRuns: 500 },
    );
  });
});

describe('mixins', () => {
  const command = (name: string, by: string): string =>
    `containers: { c: {} }\ncommands: { ${name}: !Command { container: c, run: a, description: ${by} } }\n`;
  const descriptions = (files: Files) =>
    Object.fromEntries([...projectIn(files).commands].map(([name, { value }]) => [name, value.description]));

  it('give way to the main file; of two the later, and one’s own, win', () => {
    const mixed = 'mixins: [one.yaml, sub/two.yaml]\n';
    expect(
      descriptions({ 'vagga.yaml': mixed, 'one.yaml': command('x', 'one'), 'sub/two.yaml': command('x', 'two') }),
    ).toEqual({ x: 'two' });
    expect(
      descriptions({
        'vagga.yaml': mixed,
        'one.yaml': command('x', 'one'),
        'sub/two.yaml': command('y', 'two'),
        'vagga.local.yaml': command('x', 'local'),
        '.vagga/local.yaml': command('z', 'last'),
      }),
    ).toEqual({ x: 'local', y: 'two', z: 'last' });
    expect(descriptions({ 'vagga.yaml': `${mixed}${command('x', 'main')}`, 'one.yaml': command('x', 'one') })).toEqual({
      x: 'main',
    });
  });

  it('name files from where they are', () => {
    expect(
      descriptions({
        'vagga.yaml': 'mixins: [sub/one.yaml]',
        'sub/one.yaml': 'mixins: [two.yaml]',
        'sub/two.yaml': command('x', 'two'),
      }),
    ).toEqual({ x: 'two' });
  });

  it('that are missing, wrong, too new or circular are left out, and said', () => {
    const { warnings, commands } = projectIn({
      'vagga.yaml': `mixins: [gone.yaml, wrong.yaml, new.yaml, round.yaml]\n${command('x', 'main')}`,
      'wrong.yaml': 'comands: {}',
      'new.yaml': 'minimum-vagga: v99\ncontainers: { a: { setup: [!Future x] } }',
      'round.yaml': 'mixins: [round.yaml]',
    });
    expect([...commands.keys()]).toEqual(['x']);
    expect(warnings).toEqual([
      'mixin gone.yaml is left out: gone.yaml: cannot be read (ENOENT)',
      'mixin wrong.yaml is left out: wrong.yaml:1:1: comands: unknown key in vagga.yaml; did you mean commands?',
      `mixin new.yaml is left out: it needs vagga v99, this is ${compatibleVersion}`,
      'mixin round.yaml is left out: it is a mixin of itself',
    ]);
  });

  it('of one’s own make a project where there is no main file', () => {
    expect(descriptions({ 'vagga.local.yaml': command('x', 'local') })).toEqual({ x: 'local' });
  });
});

describe('versions', () => {
  it('compare by number, and a word is before a number', () => {
    expect(isAtLeast('0.8.2', 'v0.8.2')).toBe(true);
    expect(isAtLeast('0.8.2', '0.10')).toBe(false);
    expect(isAtLeast('0.10.0', '0.8.2')).toBe(true);
    expect(isAtLeast('1.0-rc1', '1.0')).toBe(false);
    expect(isAtLeast('1.0', '1.0-rc1')).toBe(true);
    expect(isAtLeast('0.8', '0.8.1')).toBe(false);
  });

  it('are in a row: of any two one is at least the other', () => {
    const version = fc
      .array(fc.oneof(fc.nat(30).map(String), fc.constantFrom('rc', 'beta')), { maxLength: 4 })
      .map((parts) => parts.join('.'));
    fc.assert(fc.property(version, version, (a, b) => isAtLeast(a, b) || isAtLeast(b, a)));
    fc.assert(fc.property(version, (a) => isAtLeast(a, a)));
  });
});
