import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost } from './vagga/host.ts';
import { missingForLanguages, packLanguageBase } from './vagga/language-base.ts';
import { type Repositories, serveRepositories } from './vagga/language-repositories.ts';

// Package managers of languages, the real ones, in a root of this machine's files. npm and pip ask the registries that this
// machine is set up for; gems and Composer's packages come from loopback.

const missing = missingForRootless() ?? missingForLanguages();
const noLanguages = skipped(missing === null, 'steps of languages', missing ?? '');

const longMs = 600_000; // a busy machine, slow registries
vi.setConfig({ testTimeout: longMs });

const quick = { encoding: 'utf8', timeout: 30_000 } as const;

/** What `npm view` says of a package; null: the registry does not answer. */
function npmView(spec: string): { readonly tarball: string; readonly integrity: string } | null {
  const shown = spawnSync('npm', ['view', spec, 'dist', '--json', '--fetch-retries=0'], quick);
  return shown.status === 0 ? JSON.parse(shown.stdout) : null;
}

function pipAnswers(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'pip-answers-'));
  const words = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--retries=0', `--dest=${folder}`, 'six==1.16.0'];
  const done = spawnSync('python3', words, quick);
  rmSync(folder, { recursive: true });
  return done.status === 0;
}

const isNumber = noLanguages ? null : npmView('is-number@7.0.0');
const noNpm = skipped(noLanguages || isNumber !== null, 'npm and yarn of vagga', 'the registry of npm does not answer');
const noPip = skipped(noLanguages || pipAnswers(), 'pip of vagga', 'the index of pip does not answer');

const mirror = 'http://deb.debian.org/debian/dists/bookworm/InRelease';
const mirrorAnswers = await fetch(mirror, { method: 'HEAD', signal: AbortSignal.timeout(15_000) }).then(
  (answer) => answer.ok,
  () => false,
);
const noDebian = skipped(noLanguages || mirrorAnswers, 'pip of vagga on Debian', 'no mirror of Debian answers');

/** Values that are files, such as certificates, are to be found in the project. */
interface RegistrySettings {
  readonly env: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

/** What a user who needs more than defaults to reach a registry would set. */
function registrySettings(): RegistrySettings {
  const pip = spawnSync('python3', ['-m', 'pip', 'config', 'list'], quick).stdout ?? '';
  const ofPip = [...pip.matchAll(/^\S+?\.(index-url|extra-index-url|cert|trusted-host)='(.*)'$/gm)].map(
    ([, key = '', value = '']) => [`PIP_${key.toUpperCase().replaceAll('-', '_')}`, value] as const,
  );
  const npm = (key: string): string => spawnSync('npm', ['config', 'get', key], quick).stdout.trim();
  const ofNpm = ['registry', 'cafile'].map((key) => [`npm_config_${key}`, npm(key)] as const);
  const all = [...ofPip, ...ofNpm, ['NODE_EXTRA_CA_CERTS', process.env.NODE_EXTRA_CA_CERTS ?? ''] as const].filter(
    ([, value]) => value !== '' && value !== 'null',
  );
  const isFile = (value: string): boolean => value.startsWith('/') && existsSync(value);
  return {
    env: Object.fromEntries(all.map(([key, value]) => [key, isFile(value) ? `/work/settings/${key}` : value])),
    files: Object.fromEntries(
      all
        .filter(([, value]) => isFile(value))
        .map(([key, value]) => [`settings/${key}`, readFileSync(value, 'utf8')] as const),
    ),
  };
}

const yarnLock = (registry: { readonly tarball: string; readonly integrity: string }): string => `# yarn lockfile v1


is-number@^7.0.0:
  version "7.0.0"
  resolved "${registry.tarball}"
  integrity ${registry.integrity}
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
let repositories: Repositories;
let project: Project;

beforeAll(async () => {
  if (noLanguages) return;
  host = await vaggaHost();
  repositories = await serveRepositories();
  const registry = registrySettings();
  const composerRepository = [{ type: 'composer', url: repositories.composer }, { packagist: false }];
  const insecure = { 'secure-http': false };
  project = host.project(
    'user',
    `
containers:
  base:
    setup:
    - !Tar { url: ./languages.tar }
    - !Env ${JSON.stringify(registry.env)}
    - !PipConfig { install-python: false }
    - !NpmConfig { install-node: false }
    - !GemConfig { install-ruby: false }
    - !ComposerConfig { install-runtime: false }
    - !Text { /etc/gemrc: ":sources: [ '${repositories.gems}' ]" }
  all:
    environ: { NODE_PATH: /usr/lib/node_modules }
    setup:
    - !Container base
    ${noPip ? '' : '- !Py3Install [six==1.16.0]'}
    ${noPip ? '' : '- !Py3Requirements python/requirements.txt'}
    ${noNpm ? '' : '- !NpmInstall [is-odd@3.0.1]'}
    ${noNpm ? '' : '- !NpmDependencies { file: web/package.json }'}
    - !GemInstall ["vagga-hello:1.0.0"]
    - !EnsureDir /usr/local/lib/composer
    - !Text { /usr/local/lib/composer/config.json: '${JSON.stringify({ config: insecure, repositories: composerRepository })}' }
    - !ComposerInstall ["vagga/hello:1.0.0"]
  heir:
    setup:
    - !Container all
  projects:
    environ: { NODE_PATH: /usr/lib/node_modules }
    setup:
    - !Container base
    - !PipConfig { install-python: false, cache-wheels: false, get-pip-args: ["pip==24.0"] }
    ${noPip ? '' : '- !Py3Install [six==1.16.0]'}
    ${noNpm ? '' : '- !YarnDependencies { dir: yarn, production: true }'}
    - !GemBundle { gemfile: ruby/Gemfile, without: [development] }
    - !ComposerDependencies { working-dir: php, dev: false, prefer: dist }
  locked:
    setup:
    - !Container base
    - !GemBundle { gemfile: locked/Gemfile }
  debian:
    setup:
    - !Debian bookworm
    - !Env ${JSON.stringify(registry.env)}
    - !Py3Install [six==1.16.0]
  bad-policy: { setup: [!Sh 'echo never', !GemBundle { gemfile: ruby/Gemfile, trust-policy: Blind }] }
  bad-prefer: { setup: [!Sh 'echo never', !ComposerDependencies { working-dir: php, prefer: both }] }
  no-python: { setup: [!PipConfig { install-python: false, python-exe: python4 }, !Py3Install [six]] }
commands:
  six: !Command { container: all, run: [python3, -c, "import six, toml; print(six.__version__, six.__file__)"] }
  debian-six: !Command { container: debian, run: [python3, -c, "import six; print(six.__version__)"] }
  odd: !Command { container: all, run: [node, -p, "require('is-odd')(3)"] }
  semver: !Command { container: all, run: [semver, 1.2.3] }
  hello: !Command { container: all, run: [vagga-hello] }
  php-hello: !Command { container: all, run: [vagga-hello-php] }
  number: !Command { container: projects, run: [node, -p, "require('is-number')(5)"] }
  bundled: !Command { container: projects, run: [ruby, -e, "require 'vagga-hello'; puts VERSION_OF_VAGGA_HELLO"] }
  php: !Command
    container: projects
    run: [php, -r, "require 'vendor/autoload.php'; echo VAGGA_HELLO, ' ', Own::word(), PHP_EOL;"]
  locked: !Command { container: locked, run: [ruby, -e, "require 'vagga-hello'; puts VERSION_OF_VAGGA_HELLO"] }
`,
    {
      ...registry.files,
      'python/requirements.txt': '# ours\ntoml==0.10.2\n-r more.txt\n',
      'python/more.txt': 'attrs == 23.1.0\n',
      'web/package.json': JSON.stringify({
        dependencies: { 'is-number': '^7.0.0' },
        devDependencies: { semver: '7.5.4' },
        bundledDependencies: ['is-number'],
        peerDependencies: { 'vagga-absent-peer': '1.0.0' },
      }),
      'yarn/package.json': JSON.stringify({ dependencies: { 'is-number': '^7.0.0' }, devDependencies: {} }),
      'yarn/yarn.lock': isNumber === null ? '' : yarnLock(isNumber),
      'ruby/Gemfile': `source '${repositories.gems}'\ngem 'vagga-hello'\ngroup(:development) { gem 'vagga-extra' }\n`,
      'locked/Gemfile': `source '${repositories.gems}'\ngem 'vagga-hello'\n`,
      'locked/Gemfile.lock': `GEM\n  remote: ${repositories.gems}\n  specs:\n    vagga-hello (1.0.0)\n\nPLATFORMS\n  ruby\n  x86_64-linux\n\nDEPENDENCIES\n  vagga-hello\n`,
      'php/composer.json': JSON.stringify({
        name: 'vagga/project',
        require: { 'vagga/hello': '^1.0' },
        'require-dev': { 'vagga/extra': '1.0.0' },
        autoload: { 'psr-4': { '': 'src/' } },
        config: insecure,
        repositories: composerRepository,
      }),
      'php/src/Own.php': "<?php class Own { static function word() { return 'own'; } }\n",
    },
  );
  packLanguageBase(project.file('languages.tar'));
}, longMs);
afterAll(() => {
  repositories?.close();
  host?.remove();
}, longMs);

const builds = new Map<string, string>();
/** What the first command that needed a container let be told of its build. */
const buildOf = (container: string): string => builds.get(container) ?? '';

/** What a command prints; its container is built first. */
async function says(command: string): Promise<string> {
  const done = await project.vaggaServed([command]);
  if (done.status !== 0) throw new Error(`${command}: ${done.status}\n${done.stderr}`);
  for (const [, container = ''] of done.stderr.matchAll(/^Container (\S+) .* built in/gm)) {
    builds.set(container, done.stderr);
  }
  return done.stdout.trim();
}
const image = (container: string, path: string): string => project.file(`.vagga/${container}/${path}`);
/** Beside the root. */
const list = (container: string, name: string): string =>
  readFileSync(join(realpathSync(image(container, '.')), '..', name), 'utf8');

describe.skipIf(noLanguages)('steps of languages', () => {
  it('leave nothing of theirs in /tmp of the image, and their caches for the next build', async () => {
    await says('hello');
    expect(readdirSync(image('all', 'tmp'))).toEqual([]);
    const caches = readdirSync(project.file('.vagga/.cache'));
    expect(caches).toEqual(expect.arrayContaining(['gems-cache', 'composer-cache']));
    if (!noPip) expect(caches).toEqual(expect.arrayContaining(['pip-cache-http', 'pip-cache-wheels-unknown']));
    if (!noNpm) expect(readdirSync(project.file('.vagga/.cache/npm-cache'))).toContain('_cacache');
  });

  it('list for an heir what the container it stands on has', async () => {
    expect((await project.vaggaServed(['_build', 'heir'])).status).toBe(0);
    const names = ['gems-list.txt', 'composer-list.txt', ...(noPip ? [] : ['pip3-freeze.txt'])];
    for (const name of names) expect(list('heir', name)).toBe(list('all', name));
  });
});

describe.skipIf(noLanguages || noPip)('pip', () => {
  it('installs packages and the requirements of files that name files', async () => {
    expect(await says('six')).toMatch(/^1\.16\.0 \/usr\/local\//);
    expect(list('all', 'pip3-freeze.txt')).toBe('attrs==23.1.0\nsix==1.16.0\ntoml==0.10.2\n');
  });

  it('is one of the version that get-pip-args ask for, and is not kept', async () => {
    await says('bundled');
    expect(list('projects', 'pip3-freeze.txt')).toBe('six==1.16.0\n');
    expect(buildOf('projects')).toContain('Successfully installed pip-24.0');
  });

  it('is told of a Python that is not there', async () => {
    const done = await project.vaggaServed(['_build', 'no-python']);
    expect(done.status).toBe(121);
    expect(done.stderr).toContain('step 2 of 2, !Py3Install: python4: no such program in the container');
  });
});

describe.skipIf(noLanguages || noPip || noDebian)('pip on a distribution', () => {
  it('brings Python, which stays, and what only the build needs, which goes', async () => {
    expect(await says('debian-six')).toBe('1.16.0');
    expect(buildOf('debian')).toMatch(/python3-pip-whl/);
    // All came as wheels.
    expect(buildOf('debian')).not.toMatch(/build-essential/);
    const packages = list('debian', 'debian-packages.txt');
    expect(packages).toMatch(/^python3 /m);
    expect(packages).not.toMatch(/^python3-pip-whl /m);
    expect(list('debian', 'pip3-freeze.txt')).toBe('six==1.16.0\n');
    expect(readdirSync(project.file('.vagga/.cache'))).toContain('pip-cache-wheels-debian-bookworm');
  });
});

describe.skipIf(noLanguages || noNpm)('npm', () => {
  it('installs packages, and those of the sections of package.json that are asked for', async () => {
    expect(await says('odd')).toBe('true');
    expect(await says('semver')).toBe('1.2.3');
    const listed = list('all', 'npm-list.txt');
    for (const each of ['is-odd@3.0.1', 'is-number@7.0.0', 'semver@7.5.4']) expect(listed).toContain(each);
  });
});

describe.skipIf(noLanguages || noNpm)('yarn', () => {
  it('is installed by npm, and installs what the lock file names outside of the project', async () => {
    expect(await says('number')).toBe('true');
    expect(existsSync(image('projects', 'usr/bin/yarn'))).toBe(true);
    expect(readdirSync(project.file('yarn')).sort()).toEqual(['package.json', 'yarn.lock']);
  });
});

describe.skipIf(noLanguages)('gem', () => {
  it('installs gems with their programs', async () => {
    expect(await says('hello')).toBe('hello 1.0.0');
    expect(existsSync(image('all', 'usr/local/bin/vagga-hello'))).toBe(true);
    expect(list('all', 'gems-list.txt')).toContain('vagga-hello (1.0.0)');
  });
});

describe.skipIf(noLanguages)('bundler', () => {
  it('installs the newest that fits where nothing is locked, without the groups that are left out', async () => {
    expect(await says('bundled')).toBe('1.1.0');
    expect(list('projects', 'gems-list.txt')).not.toContain('vagga-extra');
  });

  it('leaves no lock file in the project, so that what it built stays current', async () => {
    expect(buildOf('projects')).toContain('WARNING: there is no Gemfile.lock: each build takes the newest');
    expect(readdirSync(project.file('ruby'))).toEqual(['Gemfile']);
    expect((await project.vaggaServed(['_build', 'projects'])).stderr).not.toContain('built in');
  });

  it('installs what the lock file names, from the cache where it was downloaded before', async () => {
    await says('hello');
    expect(await says('locked')).toBe('1.0.0');
    const downloads = repositories.asked().filter((path) => path.endsWith('/vagga-hello-1.0.0.gem'));
    expect(downloads).toHaveLength(1);
  });

  it('refuses another trust policy before anything is built', async () => {
    const done = await project.vaggaServed(['_build', 'bad-policy']);
    expect(done.status).toBe(121);
    expect(done.stderr).toContain('step 2 of 2, !GemBundle: trust-policy "Blind": expected one of LowSecurity, Med');
    expect(done.stderr).not.toContain('never');
  });
});

describe.skipIf(noLanguages)('composer', () => {
  it('installs packages for all, with their programs', async () => {
    expect(await says('php-hello')).toBe('hello 1.0.0');
    expect(list('all', 'composer-list.txt')).toBe('vagga/hello 1.0.0\n');
  });

  it('installs the dependencies of a project outside of it, and finds the project’s own classes', async () => {
    expect(await says('php')).toBe('1.1.0 own');
    expect(readdirSync(project.file('php')).sort()).toEqual(['composer.json', 'src']);
    expect(list('projects', 'composer-list.txt')).toBe('vagga/hello 1.1.0\n');
  });

  it('refuses to prefer something else before anything is built', async () => {
    const done = await project.vaggaServed(['_build', 'bad-prefer']);
    expect(done.status).toBe(121);
    expect(done.stderr).toContain('step 2 of 2, !ComposerDependencies: prefer "both": expected one of source, dist');
    expect(done.stderr).not.toContain('never');
  });
});
