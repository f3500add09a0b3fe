import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type Ended, missingForRootless, mode, type Project, vaggaHost } from './vagga/host.ts';
import { type Repositories, repositoryTools, serveRepositories } from './vagga/repositories.ts';

// Real roots from real mirrors. One Debian is built, and what follows stands on it.

const mirrors = {
  debian: 'http://deb.debian.org/debian/dists/bookworm',
  ubuntu: 'http://archive.ubuntu.com/ubuntu/dists/noble',
};

async function unreachable(mirror: string): Promise<string | null> {
  try {
    const { ok, status } = await fetch(`${mirror}/InRelease`, { method: 'HEAD', signal: AbortSignal.timeout(15_000) });
    return ok ? null : `${mirror} answers ${status}`;
  } catch (error) {
    return `${mirror} cannot be reached: ${(error as Error).message}`;
  }
}

const missingTool = [...repositoryTools, 'gpgv', 'xz'].find(
  (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);
const missing =
  missingForRootless() ??
  (missingTool === undefined
    ? null
    : `${missingTool} is missing (apt-get install apt-utils gpg gpgv openssl xz-utils)`) ??
  (await unreachable(mirrors.debian));
const noDebian = skipped(missing === null, 'roots of Debian', missing ?? '');
const noUbuntuReason = missing ?? (await unreachable(mirrors.ubuntu));
const noUbuntu = skipped(noUbuntuReason === null, 'roots of Ubuntu', noUbuntuReason ?? '');

const longMs = 600_000; // a busy machine, a slow mirror

let host: Awaited<ReturnType<typeof vaggaHost>>;
let served: Repositories;
beforeAll(async () => {
  if (noDebian) return;
  host = await vaggaHost();
  served = await serveRepositories('bookworm');
});
afterAll(() => {
  host?.remove();
  served?.close();
}, longMs);

const built = ({ status, stderr }: Ended): string => (status === 0 ? 'built' : `${status}\n${stderr}`);
const packagesOf = (project: Project, name: string): readonly string[] =>
  readFileSync(join(dirname(realpathSync(project.file(`.vagga/${name}`))), 'debian-packages.txt'), 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');

describe.skipIf(noDebian)('a root of Debian', () => {
  let project: Project;
  let stderr = '';
  const image = (path: string): string => project.file(`.vagga/base/${path}`);
  const run = (...words: readonly string[]) => project.vagga(['_run', 'base', ...words]);

  beforeAll(async () => {
    const { address, fingerprint } = served;
    const release = '"ID=debian\\nVERSION_CODENAME=bookworm\\n"';
    const looksLike = `!EnsureDir /usr/bin, !Text { /etc/os-release: ${release}, /usr/bin/apt-get: "" }`;
    project = host.project(
      'user',
      `
containers:
  base:
    setup:
    - !Debian bookworm
    - !BuildDeps [make, hello]
    - !Install [hello]
    - !Sh "make --version > /made-by"
  heir:
    setup:
    - !Container base
    - !BuildDeps ["make", hello]
    - !UbuntuRepo { url: "${address}/plain", suite: ./, components: [], trusted: true }
    - !AptTrust { server: "${address}", keys: [${fingerprint}] }
    - !UbuntuRepo { url: "${address}/signed", suite: stable, components: [main] }
    - !Repo contrib
    - !Repo bookworm-backports/main
    - !Install [tool-plain, "tool-signed=1.0"]
    - !Sh "make --version > /made-by-heir; apt-cache policy > /policy"
  distrustful:
    setup:
    - !Container base
    - !UbuntuRepo { url: "${address}/signed", suite: stable, components: [main] }
    - !Install [tool-signed]
  unknown: { setup: [ !Container base, !Install [no-such-package-at-all] ] }
  wrong-key: { setup: [ ${looksLike}, !AptTrust { server: "${address}", keys: [${'1'.repeat(40)}] } ] }
  twice: { setup: [ ${looksLike}, !Debian bookworm ] }
  ppa:
    setup:
    - !UbuntuRelease { url: "${address}/image.tar.gz" }
    - !UbuntuPPA vagga/tool
    - !Install [tool-ppa]
  ppa-of-debian: { setup: [ ${looksLike}, !UbuntuPPA vagga/tool ] }
  alien: { setup: [ ${looksLike}, !AlpineRepo { repo: community } ] }
  nothing: { setup: [ !Install [hello] ] }
  nothing-either: { setup: [ !UbuntuUniverse ] }
  nowhere: { setup: [ !Debian no-such-release ] }
`,
    );
    const done = await project.vaggaServed(['_build', 'base']);
    stderr = done.stderr;
    expect(built(done)).toBe('built');
  }, longMs);

  it('is made by an ordinary user from a mirror, and says what it does', () => {
    expect(stderr).toMatch(/^Reading the packages of bookworm at http/m);
    expect(stderr).toMatch(/^Downloading \d+ packages \(\d+\.\d MB\)$/m);
    expect(stderr).toMatch(/^Configuring \d+ packages$/m);
  });

  it('is whole: dpkg finds nothing amiss, files have their owners', () => {
    expect(run('dpkg', '--audit').stdout).toBe('');
    const owners = run('stat', '--format', '%U:%G %a', '/etc/shadow', '/usr/bin/passwd', '/var/mail', '/bin/sh').stdout;
    expect(owners.split('\n').slice(0, 3)).toEqual(['root:shadow 640', 'root:root 4755', 'root:mail 2775']);
    expect(readlinkSync(image('bin'))).toBe('usr/bin');
  });

  it('has the security updates among its sources', () => {
    expect(readFileSync(image('etc/apt/sources.list'), 'utf8')).toMatch(
      /^deb \S+ bookworm main\ndeb \S+ bookworm-updates main\ndeb \S+ bookworm-security main\n$/,
    );
  });

  it('has what was installed, and build-deps only while it was built', () => {
    expect(run('hello').stdout).toBe('Hello, world!\n');
    expect(readFileSync(image('made-by'), 'utf8')).toContain('GNU Make');
    expect(existsSync(image('usr/bin/make'))).toBe(false);
    expect(packagesOf(project, 'base')).toEqual(expect.arrayContaining(['apt', 'hello', 'libc6']));
    expect(packagesOf(project, 'base')).not.toContain('make');
  });

  it('holds nothing of what apt keeps for later', () => {
    expect(readdirSync(image('var/cache/apt'))).toEqual(['archives']);
    expect(readdirSync(image('var/cache/apt/archives'))).toEqual([]);
    expect(readdirSync(image('var/lib/apt/lists'))).toEqual([]);
  });

  it('starts no services', () => {
    expect(mode(image('usr/sbin/policy-rc.d'))).toBe(0o755);
    expect(run('/usr/sbin/policy-rc.d').status).toBe(101);
  });

  it(
    'is the base of others, which install from repositories that are trusted, or whose key is; builds that share a cache take turns',
    async () => {
      const [heir, distrustful] = await Promise.all([
        project.vaggaServed(['_build', 'heir']),
        project.vaggaServed(['_build', 'distrustful']),
      ]);
      expect(built(heir)).toBe('built');
      const said = project.vagga([
        '_run',
        'heir',
        'sh',
        '-c',
        'tool-plain; tool-signed; hello; cat /made-by-heir',
      ]).stdout;
      expect(said).toMatch(/^tool-plain\ntool-signed\nHello, world!\nGNU Make/);
      // hello was asked for by the base: no build-dep of an heir.
      expect(packagesOf(project, 'heir')).not.toContain('make');
      const policy = readFileSync(project.file('.vagga/heir/policy'), 'utf8');
      expect(policy).toMatch(/bookworm\/contrib/);
      expect(policy).toMatch(/bookworm-backports\/main/);
      expect(distrustful.status).toBe(121);
      expect(distrustful.stderr).toMatch(/NO_PUBKEY|not signed|couldn't be verified/);
      expect(distrustful.stderr).toContain('step 3 of 3, !Install');
    },
    longMs,
  );

  it(
    'that is built again, by root here, downloads no package again',
    async () => {
      const again = host.project('root', 'containers:\n  base:\n    setup: [ !Debian bookworm, !Install [hello] ]\n');
      for (const name of readdirSync(project.file('.vagga/.cache')).filter((each) => each.startsWith('apt-'))) {
        const [from, to] = [project, again].map((each) => each.file(`.vagga/.cache/${name}`));
        cpSync(from ?? '', to ?? '', { recursive: true, preserveTimestamps: true });
      }
      const folder = again.file('.vagga/.cache/apt-cache');
      const stamps = (): readonly string[] =>
        readdirSync(folder)
          .filter((name) => name.endsWith('.deb'))
          .sort()
          .map((name) => `${name} ${statSync(join(folder, name)).ino}`);
      const before = stamps();
      expect(before.length).toBeGreaterThan(50);
      const done = await again.vaggaServed(['_build', 'base']);
      expect(built(done)).toBe('built');
      expect(done.stderr).not.toContain('Downloading');
      expect(stamps()).toEqual(before);
      expect(again.vagga(['_run', 'base', 'hello']).stdout).toBe('Hello, world!\n');
    },
    longMs,
  );

  it(
    'that an image names Ubuntu’s gets its locale, no chfn that could fail, and packages of a PPA by its key',
    async () => {
      const release = 'ID=ubuntu\nNAME="Test"\nVERSION_CODENAME=bookworm\n';
      writeFileSync(project.file('os-release'), release);
      const image = spawnSync('tar', [
        ...['-C', project.file('.vagga/base/'), '-czf', join(served.folder, 'image.tar.gz'), '--numeric-owner'],
        ...['--owner=0', '--group=0', '--exclude=./usr/lib/os-release', '.', '-C', project.folder],
        ...['--transform=s,^os-release,usr/lib/os-release,', 'os-release'],
      ]);
      expect(image.status).toBe(0);
      const done = await project.vaggaServed(['_build', 'ppa'], {
        env: {
          http_proxy: served.address,
          https_proxy: served.address,
          no_proxy: 'deb.debian.org,127.0.0.1',
          NODE_EXTRA_CA_CERTS: served.authority,
        },
      });
      expect(built(done)).toBe('built');
      const script = 'tool-ppa; readlink /usr/bin/chfn; locale -a; cat /etc/apt/sources.list.d/vagga-ppa-*';
      const said = project.vagga(['_run', 'ppa', 'sh', '-c', script]).stdout;
      expect(said).toMatch(/^tool-ppa\n\/bin\/true\n/);
      expect(said).toContain('en_US.utf8');
      expect(said).toContain(
        'deb [signed-by=/etc/apt/keyrings/vagga-ppa-vagga-tool.gpg] http://ppa.launchpadcontent.net/vagga/tool/ubuntu bookworm main',
      );
      expect(served.asked).toContain('ppa.launchpadcontent.net/vagga/tool/ubuntu/dists/bookworm/InRelease');
    },
    longMs,
  );

  it.each([
    ['nothing', 'step 1 of 1, !Install: no distribution is selected; put one before this step: !Debian bookworm'],
    ['nothing-either', 'step 1 of 1, !UbuntuUniverse: no distribution is selected; put !Debian bookworm'],
    ['unknown', 'Unable to locate package no-such-package-at-all'],
    ['wrong-key', 'does not have the key 1111'],
    ['twice', 'the container is of debian already; a container has one distribution'],
    ['ppa-of-debian', 'a PPA has packages for Ubuntu, this container is of Debian'],
    ['alien', 'the container is not of Alpine'],
    ['nowhere', 'has no release no-such-release'],
  ])(
    'container %s is refused: %s',
    async (name, message) => {
      const done = await project.vaggaServed(['_build', name]);
      expect(done.stderr).toContain(message);
      expect(done.status).toBe(121);
    },
    longMs,
  );
});

describe.skipIf(noUbuntu)('a root of Ubuntu', () => {
  it(
    'is made from the archive, with universe where it is asked for',
    async () => {
      const project = host.project(
        'root',
        'containers:\n  main:\n    setup: [ !Ubuntu noble, !UbuntuUniverse, !Install [hello] ]\n',
      );
      const done = await project.vaggaServed(['_build', 'main']);
      expect(built(done)).toBe('built');
      const script = 'hello; dpkg --audit; readlink /usr/bin/chfn; locale -a; cat /etc/os-release';
      const said = project.vagga(['_run', 'main', 'sh', '-c', script]).stdout;
      expect(said).toMatch(/^Hello, world!\n\/bin\/true\n/);
      expect(said).toContain('en_US.utf8');
      expect(said).toContain('VERSION_CODENAME=noble');
      expect(packagesOf(project, 'main')).toEqual(expect.arrayContaining(['hello', 'locales', 'apt']));
    },
    longMs,
  );
});
