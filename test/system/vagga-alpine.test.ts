import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type Item, makeIndex, makePackage, makeSigner, type Signer } from '../vagga/distro/alpine-packages.ts';
import { missingForRootless, type Project, vaggaHost } from './vagga/host.ts';

// A mirror in Alpine's format on loopback. Its busybox is the host's; its apk is a stand-in that notes how it is called,
// as no binary of the real one can be had where these tests run.

const missing = missingForRootless();
const noAlpine = skipped(missing === null, 'roots of Alpine', missing ?? '');

const apk = `#!/bin/sh
echo "$@" >> /apk-calls
case "$*" in
  *"info --verbose"*) echo alpine-base-1.0-r0 ;;
  *" no-such"*) echo "ERROR: unable to select packages" >&2; exit 1 ;;
esac
[ -d /etc/apk/cache ] && touch /etc/apk/cache/of-apk
exit 0
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
let server: Server;
let folder: string;
let signer: Signer;
const asked: string[] = [];

beforeAll(async () => {
  if (noAlpine) return;
  host = await vaggaHost();
  folder = mkdtempSync(join(tmpdir(), 'vagga-alpine-'));
  signer = makeSigner('test@example.test-1.rsa.pub');
  await makeMirror();
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const file = join(folder, normalize(request.url ?? '/'));
    if (existsSync(file) && statSync(file).isFile()) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  host?.remove();
  server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function makeMirror(): Promise<void> {
  const folders = (...names: readonly string[]): readonly Item[] =>
    names.map((name) => ({ name: `${name}/`, mode: 0o755 }));
  const release = 'ID=alpine\nVERSION_ID=3.22.1\n';
  const packages = [
    await makePackage(
      'alpine-baselayout',
      [...folders('bin', 'etc', 'sbin', 'var', 'var/mail'), { name: 'var/mail/of-mail', content: '', uid: 8 }],
      signer,
    ),
    await makePackage(
      'alpine-keys',
      [...folders('etc', 'etc/apk', 'etc/apk/keys'), { name: 'etc/apk/keys/other.rsa.pub', content: 'x' }],
      signer,
    ),
    await makePackage(
      'apk-tools',
      [
        ...folders('sbin'),
        { name: 'sbin/apk', content: apk, mode: 0o755 },
        { name: 'etc/os-release', content: release },
      ],
      signer,
      { depends: 'so:libsh.so.1 /bin/sh' },
    ),
    await makePackage(
      'busybox',
      [...folders('bin'), { name: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 }],
      signer,
      { provides: '/bin/sh' },
    ),
    await makePackage(
      'libsh',
      ['sh', 'touch', 'cat'].map((name) => ({ name: `bin/${name}`, link: 'busybox' })),
      signer,
      { provides: 'so:libsh.so.1=1.0' },
    ),
    await makePackage('unrelated', [{ name: 'unrelated', content: '' }], signer),
  ];
  const architecture = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? 'x86_64';
  const place = join(folder, 'alpine/v3.22/main', architecture);
  mkdirSync(place, { recursive: true });
  for (const { name, version, bytes } of packages) writeFileSync(join(place, `${name}-${version}.apk`), bytes);
  writeFileSync(join(place, 'APKINDEX.tar.gz'), await makeIndex(packages, signer));
}

describe.skipIf(noAlpine)('a root of Alpine', () => {
  let project: Project;
  const make = (yaml: string, who: 'user' | 'root' = 'user'): Project => {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/alpine/`;
    return host.project(who, yaml, {
      '.vagga.settings.yaml': `alpine-mirror: ${address}\n`,
      'test.pub': signer.publicKey,
    });
  };
  const trusted = `!Copy { source: /work/test.pub, path: "/etc/apk/keys/test@example.test-1.rsa.pub" }`;

  beforeAll(async () => {
    project = make(`
containers:
  base:
    setup:
    - !EnsureDir /etc/apk/keys
    - ${trusted}
    - !Alpine v3.22
    - !AlpineRepo { repo: testing, branch: edge, tag: t }
    - !Repo edge/community
    - !BuildDeps [gcc]
    - !BuildDeps [make]
    - !Install [jq, vim]
  heir: { setup: [ !Container base, !Install [curl] ] }
  untrusted: { setup: [ !Alpine v3.22 ] }
  absent: { setup: [ !EnsureDir /etc/apk/keys, ${trusted}, !Alpine v3.21 ] }
  misnamed: { setup: [ !Alpine latest ] }
  failing: { setup: [ !Container base, !Install [no-such] ] }
  of-debian: { setup: [ !Container base, !UbuntuUniverse ] }
`);
    const done = await project.vaggaServed(['_build', 'base']);
    expect(`${done.status}\n${done.status === 0 ? '' : done.stderr}`).toBe('0\n');
  });

  it('has the checked files of apk and of what it needs, with their owners, and nothing else', () => {
    const list = project.vagga(['_run', 'base', 'busybox', 'stat', '-c', '%u:%g', '/var/mail/of-mail', '/bin/sh']);
    expect(list.stdout).toBe('8:8\n0:0\n');
    expect(existsSync(project.file('.vagga/base/unrelated'))).toBe(false);
    expect(asked.some((path) => path.includes('unrelated'))).toBe(false);
  });

  it('leaves the rest to its own apk: the base, packages, build-deps and their end', () => {
    const calls = readFileSync(project.file('.vagga/base/apk-calls'), 'utf8').trim().split('\n');
    expect(calls).toEqual([
      expect.stringMatching(/^--no-progress --initdb --arch \w+ --update-cache add alpine-base$/),
      '--no-progress --update-cache add --virtual .vagga-build-deps-0 gcc',
      '--no-progress --update-cache add --virtual .vagga-build-deps-1 make',
      '--no-progress --update-cache add jq vim',
      '--no-progress del .vagga-build-deps-0 .vagga-build-deps-1',
      'info --verbose',
    ]);
    const folderOfBuild = dirname(realpathSync(project.file('.vagga/base')));
    expect(readFileSync(join(folderOfBuild, 'alpine-packages.txt'), 'utf8')).toBe('alpine-base-1.0-r0\n');
  });

  it('has its repositories in the order of the steps', () => {
    const lines = readFileSync(project.file('.vagga/base/etc/apk/repositories'), 'utf8').trim().split('\n');
    expect(lines.map((line) => line.replace(/http:\/\/127.0.0.1:\d+/, ''))).toEqual([
      '/alpine/v3.22/main',
      '@t /alpine/edge/testing',
      '/alpine/edge/community',
    ]);
  });

  it('keeps packages in the cache of the project, not in the image', () => {
    expect(existsSync(project.file('.vagga/.cache/alpine-cache/of-apk'))).toBe(true);
    expect(existsSync(project.file('.vagga/base/etc/apk/cache'))).toBe(false);
  });

  it('that is built again downloads no package again', async () => {
    const before = asked.filter((path) => path.endsWith('.apk')).length;
    expect((await project.vaggaServed(['_build', '--force', 'base'])).status).toBe(0);
    expect(asked.filter((path) => path.endsWith('.apk')).length).toBe(before);
  });

  it('is known by the heirs', async () => {
    const done = await project.vaggaServed(['_build', 'heir']);
    expect(`${done.status}\n${done.status === 0 ? '' : done.stderr}`).toBe('0\n');
    expect(readFileSync(project.file('.vagga/heir/apk-calls'), 'utf8')).toContain('add curl\n');
  });

  it('is built by root too', async () => {
    const ofRoot = make(
      `containers:\n  base: { setup: [ !EnsureDir /etc/apk/keys, ${trusted}, !Alpine v3.22 ] }\n`,
      'root',
    );
    const done = await ofRoot.vaggaServed(['_build', 'base']);
    expect(`${done.status}\n${done.status === 0 ? '' : done.stderr}`).toBe('0\n');
  });

  it.each([
    ['untrusted', 'signed by test@example.test-1.rsa.pub, a key that is not known'],
    ['absent', 'has no v3.21 for'],
    ['misnamed', "Error checking alpine version: 'latest'"],
    ['failing', 'unable to select packages'],
    ['of-debian', 'the container is of Alpine; put !Debian bookworm or !Ubuntu noble before this step'],
  ])('container %s is refused: %s', async (name, message) => {
    const done = await project.vaggaServed(['_build', name]);
    expect(done.stderr).toContain(message);
    expect(done.status).toBe(121);
  });
});
