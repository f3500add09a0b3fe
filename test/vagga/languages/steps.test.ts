import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  composerInstall,
  composerNeeds,
  composerProblem,
  composerRequire,
  composerSurroundings,
  composerWords,
  installedList,
} from '../../../src/vagga/build/languages/composer.ts';
import {
  bundleInstall,
  bundleVariables,
  gemBundleProblem,
  gemInstall,
  gemNeeds,
  gemUpdate,
} from '../../../src/vagga/build/languages/gem.ts';
import {
  dependencySpecs,
  npmInstall,
  npmNeeds,
  yarnInstall,
  yarnLinks,
  yarnPackage,
} from '../../../src/vagga/build/languages/npm.ts';
import {
  hasSources,
  ownPipInstall,
  pipInstall,
  pipNeeds,
  pipReport,
  pipSurroundings,
  pipWords,
} from '../../../src/vagga/build/languages/pip.ts';
import { configured, defaultSettings } from '../../../src/vagga/build/languages/settings.ts';
import { checkLanguageSteps } from '../../../src/vagga/build/languages/steps.ts';
import type { Step, StepOf } from '../../../src/vagga/config/steps.ts';
import { containersOf, setup } from '../version/project.ts';

/** Steps as a vagga.yaml has them. */
const steps = (...lines: readonly string[]): readonly Step[] => containersOf(setup(...lines)).get('c')?.setup ?? [];
const stepOf = <Tag extends Step['tag']>(tag: Tag, line: string): StepOf<Tag> => {
  const step = steps(line)[0];
  if (step?.tag !== tag) throw new Error(`no !${tag}`);
  return step.value as StepOf<Tag>;
};
const line = (words: readonly string[]): string => words.join(' ');
const { pip, npm, gem, composer } = defaultSettings;

describe('the settings of languages', () => {
  it('are those of the schemas where no step says others', () => {
    const written = steps('!PipConfig {}', '!NpmConfig {}', '!GemConfig {}', '!ComposerConfig {}');
    expect(written.reduce(configured, defaultSettings)).toEqual(defaultSettings);
  });

  it('are replaced as a whole by a later step of their kind, and by no other', () => {
    const after = steps('!PipConfig { dependencies: true }', '!PipConfig { find-links: [/l] }', '!NpmInstall [x]');
    expect(after.reduce(configured, defaultSettings)).toEqual({
      ...defaultSettings,
      pip: { ...pip, findLinks: ['/l'] },
    });
  });
});

describe('pip', () => {
  const packages = { kind: 'packages', packages: ['six', 'a==1'] } as const;

  it('installs without dependencies unless they are asked for', () => {
    expect(line(pipInstall(pip, ['pip'], packages))).toBe('pip install --no-deps -- six a==1');
    const wanted = { ...pip, dependencies: true };
    expect(line(pipInstall(wanted, ['pip'], packages))).toBe('pip install -- six a==1');
  });

  it('looks first at the first index, then at the others, and at links', () => {
    const config = stepOf(
      'PipConfig',
      '!PipConfig { index-urls: [http://one, http://two], find-links: [/l], trusted-hosts: [h], allow-pre-releases: true }',
    );
    expect(line(pipInstall(config, ['pip'], packages))).toBe(
      'pip install --index-url=http://one --extra-index-url=http://two --find-links=/l --trusted-host=h --no-deps --pre -- six a==1',
    );
  });

  it('reads a file of requirements', () => {
    const source = { kind: 'requirements', file: '/work/r.txt', lines: [] } as const;
    expect(line(pipInstall(pip, ['python3', '/w/pip'], source))).toBe(
      'python3 /w/pip install --no-deps --requirement=/work/r.txt',
    );
  });

  it('is asked for a report by the words it installs with', () => {
    expect(line(pipReport(pip, ['python3', '/w/pip'], packages))).toBe(
      'python3 /w/pip install --dry-run --quiet --report=- --no-deps -- six a==1',
    );
  });

  it('needs compilers only where a report has something that is no wheel, or cannot be read', () => {
    const report = (...urls: readonly string[]): string =>
      JSON.stringify({ version: '1', install: urls.map((url) => ({ download_info: { url } })) });
    expect(hasSources(report('https://i/six-1-py3-none-any.whl', 'https://i/a.whl?x=y#sha256=00'))).toBe(false);
    expect(hasSources(report())).toBe(false);
    expect(hasSources(report('https://i/six-1-py3-none-any.whl', 'https://i/a-1.tar.gz'))).toBe(true);
    expect(hasSources(report('file:///work/lib'))).toBe(true);
    fc.assert(fc.property(fc.string(), (text) => hasSources(text)));
    fc.assert(fc.property(fc.jsonValue(), (value) => typeof hasSources(JSON.stringify(value)) === 'boolean'));
  });

  it('keeps Python, and version control only while it builds', () => {
    const needs = pipNeeds(pip, 3, { kind: 'packages', packages: ['git+https://h/x', 'hg+https://h/y'] });
    expect(needs.keep.debian).toEqual(['python3']);
    expect(needs.build.debian).toEqual(['python3-pip-whl', 'git', 'ca-certificates', 'mercurial']);
    const own = pipNeeds({ ...pip, installPython: false }, 3, { kind: 'packages', packages: ['git+https://h/x'] });
    expect(own.keep.debian).toEqual([]);
    expect(own.build.alpine).toEqual(['git']);
  });

  it('has wheels of one distribution only, and none where they are not to be kept', () => {
    const caches = (config: typeof pip): readonly string[] => [...pipSurroundings(config, 'debian-x').caches.values()];
    expect(caches(pip)).toEqual(['pip-cache-http', 'pip-cache-http-v2', 'pip-cache-wheels-debian-x']);
    expect(caches({ ...pip, cacheWheels: false })).toEqual(['pip-cache-http', 'pip-cache-http-v2']);
  });

  it('is put aside in another version where its words are given', () => {
    const config = { ...pip, getPipArgs: ['pip<24'] };
    expect(line(ownPipInstall(config, ['pip']))).toBe('pip install --upgrade --target=/tmp/vagga-pip pip<24');
  });

  it('is started from a wheel, else as a module, and its absence is told', () => {
    expect(pipWords('python3', '/w/pip-1-py3-none-any.whl/pip\n')).toEqual([
      'python3',
      '/w/pip-1-py3-none-any.whl/pip',
    ]);
    expect(pipWords('python3', '-m\n')).toEqual(['python3', '-m', 'pip']);
    expect(() => pipWords('/opt/python', '')).toThrow('/opt/python has no pip');
  });
});

describe('npm', () => {
  it('installs for all, below /usr', () => {
    expect(line(npmInstall(npm, ['a', 'b@1']))).toBe(
      'npm install --global --prefix=/usr --no-audit --no-fund -- a b@1',
    );
  });

  it('takes git along only for what comes from git', () => {
    const asksForGit = (spec: string): boolean => npmNeeds(npm, [spec]).build.debian.includes('git');
    for (const spec of [
      ...['git+https://h/x.git', 'x@git+ssh://git@h/x', 'x@git://h/x', 'owner/name', 'x@owner/name#v1', 'x@github:o/n'],
      ...['@scope/x@gitlab:o/n', 'x@https://h/x.git#main', 'gist:1234'],
    ]) {
      expect([spec, asksForGit(spec)]).toEqual([spec, true]);
    }
    for (const spec of [
      'x',
      'x@^1.0.0',
      '@scope/x',
      '@scope/x@1',
      'x@latest',
      'x@https://h/x.tgz',
      './lib',
      'x@file:../x',
    ]) {
      expect([spec, asksForGit(spec)]).toEqual([spec, false]);
    }
  });

  it('is given each dependency by name and version, a bundled one as the other section has it', () => {
    const one = (section: string, name: string, version: string) => ({ section, name, version });
    expect(
      dependencySpecs([
        one('dependencies', 'a', '^1'),
        one('devDependencies', '@s/b', '2'),
        one('bundleDependencies', 'a', '*'),
        one('bundleDependencies', 'c', '*'),
      ]),
    ).toEqual(['a@^1', '@s/b@2', 'c@*']);
  });

  it('brings what it stands on, unless the root has it', () => {
    expect(npmNeeds(npm, []).keep.alpine).toEqual(['nodejs', 'npm']);
    expect(npmNeeds({ ...npm, installNode: false }, [])).toEqual({
      keep: { debian: [], alpine: [] },
      build: { debian: [], alpine: [] },
    });
  });
});

describe('yarn', () => {
  it('installs what is locked into a folder of its own', () => {
    const words = (step: string): string => line(yarnInstall(npm, stepOf('YarnDependencies', step)));
    const start = '/usr/bin/yarn install --non-interactive --no-progress --frozen-lockfile';
    const folder = '--modules-folder=/usr/lib/yarn/node_modules';
    expect(words('!YarnDependencies {}')).toBe(`${start} ${folder} --production=false --ignore-optional`);
    expect(words('!YarnDependencies { production: true, optional: true }')).toBe(
      `${start} ${folder} --production=true`,
    );
  });

  it('comes in the version that is asked for', () => {
    expect(yarnPackage(npm)).toBe('yarn@1');
    expect(yarnPackage({ ...npm, yarnVersion: '1.22.0' })).toBe('yarn@1.22.0');
  });

  it('has its programs linked from /usr/bin, its packages from where npm has them', () => {
    expect(yarnLinks(['x'], ['y', '@s/z'])).toEqual([
      { path: '/usr/bin/x', to: '/usr/lib/yarn/node_modules/.bin/x' },
      { path: '/usr/lib/node_modules/y', to: '/usr/lib/yarn/node_modules/y' },
      { path: '/usr/lib/node_modules/@s/z', to: '/usr/lib/yarn/node_modules/@s/z' },
    ]);
  });
});

describe('gem and bundler', () => {
  it('install without documentation, programs where all find them', () => {
    expect(line(gemInstall(gem, ['a:1']))).toBe('/usr/bin/gem install --no-document --bindir=/usr/local/bin a:1');
  });

  it('bring a gem up to date that is too old, if that is wanted', () => {
    expect(gemUpdate(gem, '2.7.6\n')).toEqual(['/usr/bin/gem', 'update', '--system', '--no-document']);
    expect(gemUpdate(gem, '3.3.15\n')).toBeNull();
    expect(gemUpdate({ ...gem, updateGem: false }, '2.7.6')).toBeNull();
  });

  it('take a trust policy of three', () => {
    const step = (policy: string) => stepOf('GemBundle', `!GemBundle { trust-policy: ${policy} }`);
    expect(gemBundleProblem(step('HighSecurity'))).toBeNull();
    expect(bundleInstall(step('LowSecurity'))).toEqual(['bundle', 'install', '--trust-policy=LowSecurity']);
    expect(gemBundleProblem(step('NoSecurity'))).toBe(
      'trust-policy "NoSecurity": expected one of LowSecurity, MediumSecurity, HighSecurity',
    );
  });

  it('hold to the lock where there is one, and leave groups out', () => {
    const step = stepOf('GemBundle', '!GemBundle { without: [development, test] }');
    expect(bundleVariables('/work/Gemfile', step, true)).toEqual({
      BUNDLE_GEMFILE: '/work/Gemfile',
      BUNDLE_WITHOUT: 'development:test',
      BUNDLE_FROZEN: 'true',
    });
    expect(bundleVariables('/work/Gemfile', { ...step, without: [] }, false)).toEqual({
      BUNDLE_GEMFILE: '/work/Gemfile',
    });
  });

  it('take git along for a Gemfile that names it', () => {
    const asksForGit = (gemfile: string): boolean => gemNeeds(gem, 'bundle', gemfile).build.debian.includes('git');
    expect(asksForGit("gem 'x', git: 'https://h/x'")).toBe(true);
    expect(asksForGit("gem 'x', :github => 'o/n'")).toBe(true);
    expect(asksForGit("git 'https://h/x' do\nend")).toBe(true);
    expect(asksForGit("gem 'git'\n# git: none\ngem 'digit'")).toBe(false);
  });
});

describe('composer', () => {
  it('requires packages for all', () => {
    expect(line(composerRequire(['composer'], ['a/b:1']))).toBe(
      'composer global require --no-interaction --no-progress --no-ansi --prefer-dist --update-no-dev -- a/b:1',
    );
  });

  it('has a flag for each key of its dependencies', () => {
    const words = (step: string): string => line(composerInstall(['composer'], stepOf('ComposerDependencies', step)));
    const start = 'composer install --no-interaction --no-progress --no-ansi';
    expect(words('!ComposerDependencies {}')).toBe(start);
    expect(
      words(
        '!ComposerDependencies { dev: false, prefer: source, ignore-platform-reqs: true, no-autoloader: true, no-scripts: true, no-plugins: true, optimize-autoloader: true, classmap-authoritative: true }',
      ),
    ).toBe(
      `${start} --no-dev --prefer-source --ignore-platform-reqs --no-autoloader --no-scripts --no-plugins --optimize-autoloader --classmap-authoritative`,
    );
  });

  it('prefers source or dist, nothing else', () => {
    expect(composerProblem(stepOf('ComposerDependencies', '!ComposerDependencies { prefer: dist }'))).toBeNull();
    expect(composerProblem(stepOf('ComposerDependencies', '!ComposerDependencies { prefer: x }'))).toBe(
      'prefer "x": expected one of source, dist',
    );
  });

  it('stays in the image only where it is to be kept', () => {
    expect(composerNeeds(composer, false).keep.debian).toEqual(['php-cli']);
    expect(composerNeeds(composer, false).build.debian).toContain('composer');
    expect(composerNeeds({ ...composer, keepComposer: true }, false).keep.debian).toEqual(['php-cli', 'composer']);
    expect(composerNeeds({ ...composer, installDev: true }, false).keep.debian).toContain('php-dev');
  });

  it('puts libraries where the settings say, and runs on the PHP that they name', () => {
    const config = { ...composer, vendorDir: '/v', runtimeExe: '/usr/bin/php8' };
    expect(composerSurroundings(config).env).toMatchObject({ COMPOSER_VENDOR_DIR: '/v' });
    expect(composerWords(config, '/usr/bin/composer')).toEqual(['/usr/bin/php8', '/usr/bin/composer']);
  });

  it('lists what is installed, as both its generations write it down', () => {
    const packages = [
      { name: 'b/b', version: 'v2' },
      { name: 'a/a', version: '1.0' },
    ];
    expect(installedList(JSON.stringify({ packages, dev: true }))).toBe('a/a 1.0\nb/b v2\n');
    expect(installedList(JSON.stringify(packages))).toBe('a/a 1.0\nb/b v2\n');
    expect(() => installedList('{}')).toThrow('no list of packages');
  });
});

describe('arguments that cannot be right', () => {
  it('are told before anything is built, with the number of the step', () => {
    const bad = steps('!Sh "true"', '!GemBundle { trust-policy: x }');
    expect(() => checkLanguageSteps(bad)).toThrow('step 2 of 2, !GemBundle: trust-policy "x"');
    const worse = steps('!ComposerDependencies { prefer: x }');
    expect(() => checkLanguageSteps(worse)).toThrow('step 1 of 1, !ComposerDependencies: prefer "x"');
    expect(() => checkLanguageSteps(steps('!GemBundle {}', '!Sh "true"'))).not.toThrow();
  });
});
