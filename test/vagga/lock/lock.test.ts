import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeText, lockProblems, nextLock } from '../../../src/vagga/lock/change.ts';
import { formatLock, gitKey, imageKey, type Lock, noLock, parseLock } from '../../../src/vagga/lock/lock-file.ts';
import { lockablesOf } from '../../../src/vagga/lock/lockables.ts';
import { lockableName, pinnedStep } from '../../../src/vagga/lock/pinned.ts';
import { commitOf, type Entry } from '../../../src/vagga/lock/resolve.ts';
import { explainDifference } from '../../../src/vagga/version/diff.ts';
import { containersOf, known, makeProject, setup, type TestProject } from '../version/project.ts';

const sum = (digit: string): string => digit.repeat(64);
const commit = 'c'.repeat(40);
const url = 'https://host/a.tar';

let project: TestProject;
beforeEach(() => {
  project = makeProject();
});
afterEach(() => project.remove());

const lockOf = (change: Partial<Lock>): Lock => ({ ...noLock, ...change });
const withDownload = (digit: string): Lock => lockOf({ downloads: new Map([[url, { sha256: sum(digit), size: 3 }]]) });
const versionWith = async (lock: Lock, ...steps: readonly string[]) =>
  known(await project.version(setup(...steps), { lock, details: true }));

describe('vagga.lock', () => {
  it('has one line an entry, in the order of their names', () => {
    const lock: Lock = {
      downloads: new Map([
        ['https://b', { sha256: sum('b'), size: 2 }],
        ['https://a', { sha256: sum('a'), size: 1 }],
      ]),
      git: new Map([[gitKey('https://g', 'HEAD'), { commit }]]),
      images: new Map([
        [imageKey('i:1', 'linux/arm64'), { digest: sum('e') }],
        [imageKey('i:1', null), { digest: sum('d') }],
      ]),
    };
    expect(formatLock(lock).split('\n').slice(1)).toEqual([
      'format: 1',
      'downloads:',
      `- { url: "https://a", sha256: "${sum('a')}", size: 1 }`,
      `- { url: "https://b", sha256: "${sum('b')}", size: 2 }`,
      'git:',
      `- { url: "https://g", reference: "HEAD", commit: "${commit}" }`,
      'images:',
      `- { image: "i:1", digest: "sha256:${sum('d')}" }`,
      `- { image: "i:1", platform: "linux/arm64", digest: "sha256:${sum('e')}" }`,
      '',
    ]);
  });

  it('is read as it was written, whatever the names are', () => {
    const digit = fc.constantFrom(...'0123456789abcdef');
    const hex = (digits: number) => fc.string({ unit: digit, minLength: digits, maxLength: digits });
    const word = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/[\s\0]/.test(text));
    const lock = fc.record({
      downloads: fc
        .array(
          fc.tuple(
            fc.string({ minLength: 1 }).filter((text) => !text.includes('\0')),
            hex(64),
            fc.nat(),
          ),
        )
        .map((list) => new Map(list.map(([name, sha256, size]) => [name, { sha256, size }]))),
      git: fc
        .array(fc.tuple(word, word, hex(40)))
        .map((list) => new Map(list.map(([name, reference, id]) => [gitKey(name, reference), { commit: id }]))),
      images: fc
        .array(fc.tuple(word, fc.constantFrom(null, 'linux/arm64'), hex(64)))
        .map((list) => new Map(list.map(([name, platform, digest]) => [imageKey(name, platform), { digest }]))),
    });
    fc.assert(
      fc.property(lock, (given) => {
        const text = formatLock(given);
        const read = parseLock('vagga.lock', Buffer.from(text));
        if (read.kind === 'refused') throw new Error(read.problems.map(({ message }) => message).join());
        expect(read.lock).toEqual(given);
        expect(formatLock(read.lock)).toBe(text);
      }),
    );
  });

  it('of any text is read or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `format: 1\ndownloads:\n- ${text}`),
        ),
        (text) => {
          expect(['read', 'refused']).toContain(parseLock('vagga.lock', Buffer.from(text)).kind);
        },
      ),
    );
    expect(parseLock('vagga.lock', Buffer.from('format: 2'))).toMatchObject({ kind: 'refused' });
  });
});

describe('what is locked', () => {
  const names = (yaml: string) =>
    [...lockablesOf({ root: project.root, containers: containersOf(yaml) }, ['c']).values()].map(lockableName);

  it('are downloads, git and images that say not exactly what they are', () => {
    project.write('.devcontainer.json', '{"image": "dev/image"}');
    const yaml = setup(
      `!Tar { url: "${url}" }`,
      `!Download { url: "https://host/b", path: /b, sha256: ${sum('1')} }`,
      '!Unzip { url: ./local.zip }',
      '!Git { url: "https://g/r", path: /r, branch: main }',
      '!Git { url: "https://g/r", path: /r, revision: v1 }',
      `!Git { url: "https://g/r", path: /r, revision: ${commit} }`,
      '!GitInstall { url: "https://g/i" }',
      '!OciImage debian:12',
      `!OciImage debian@sha256:${sum('2')}`,
      '!OciImage ./layout',
      '!OciImage { image: "debian:12", platform: linux/arm64 }',
      '!Devcontainer',
    );
    expect(names(yaml)).toEqual([
      url,
      'https://g/r refs/heads/main',
      'https://g/r v1',
      'https://g/i HEAD',
      'debian:12',
      'debian:12 linux/arm64',
      'dev/image',
    ]);
  });

  it('is what containers below and beside fetch too', () => {
    project.write('sub.yaml', setup('!Tar { url: "https://sub" }'));
    const yaml = `
containers:
  base: { setup: [!Tar { url: "https://base" }] }
  tools: { setup: [!Tar { url: "https://tools" }] }
  volume: { setup: [!Tar { url: "https://volume" }] }
  unrelated: { setup: [!Tar { url: "https://unrelated" }] }
  c:
    volumes: { /v: !Container volume }
    setup: [!Container base, !Build { container: tools }, !SubConfig { path: sub.yaml, container: c }]
`;
    expect(names(yaml).sort()).toEqual(['https://base', 'https://sub', 'https://tools', 'https://volume']);
  });

  it('is an annotated tag’s commit, a tag before a branch', () => {
    const listing = [
      `${'1'.repeat(40)}\tHEAD`,
      `${'2'.repeat(40)}\trefs/heads/v1`,
      `${'3'.repeat(40)}\trefs/tags/v1`,
      `${'4'.repeat(40)}\trefs/tags/v1^{}`,
      '',
    ].join('\n');
    const short = (reference: string) => commitOf(listing, reference)?.slice(0, 1) ?? null;
    expect([short('HEAD'), short('v1'), short('refs/heads/v1'), short('none')]).toEqual(['1', '4', '2', null]);
  });
});

describe('a step with an entry in the lock', () => {
  it('is the step with that digest written in it', async () => {
    const tar = `!Tar { url: "${url}" }`;
    const written = `!Tar { url: "${url}", sha256: ${sum('a')} }`;
    expect((await versionWith(withDownload('a'), tar)).hash).toBe((await versionWith(noLock, written)).hash);
    const git = lockOf({ git: new Map([['https://g refs/heads/m', { commit }]]) });
    const branch = '!Git { url: "https://g", path: /g, branch: m }';
    const exact = `!Git { url: "https://g", path: /g, branch: m, revision: ${commit} }`;
    expect((await versionWith(git, branch)).hash).toBe((await versionWith(noLock, exact)).hash);
    const images = lockOf({ images: new Map([['debian:12', { digest: sum('d') }]]) });
    const image = await versionWith(images, '!OciImage debian:12');
    expect(image.hash).toBe((await versionWith(noLock, `!OciImage debian:12@sha256:${sum('d')}`)).hash);
  });

  it('changes no version of a step that says itself what it is, nor of any without an entry', async () => {
    const steps = [`!Tar { url: "${url}", sha256: ${sum('1')} }`, '!Tar { url: "https://other" }', '!Sh make'];
    expect((await versionWith(withDownload('a'), ...steps)).hash).toBe((await versionWith(noLock, ...steps)).hash);
  });

  it('is named where the lock changed', async () => {
    const tar = `!Tar { url: "${url}" }`;
    const [before, after] = [await versionWith(withDownload('a'), tar), await versionWith(withDownload('b'), tar)];
    expect(explainDifference(before.fields, after.fields)).toEqual([
      `vagga.lock, ${url}: hash is now \`${sum('b')}\`, was \`${sum('a')}\``,
    ]);
  });

  it('is left as it is where there is none', () => {
    const step = { tag: 'Sh', value: 'make' } as const;
    expect(pinnedStep(withDownload('a'), step)).toEqual({ step, by: null });
  });
});

describe('an image in a version', () => {
  it('is its digest where it has one, whatever its name', async () => {
    const at = (name: string) => versionWith(noLock, `!OciImage ${name}@sha256:${sum('d')}`);
    expect((await at('debian:12')).hash).toBe((await at('mirror.local/debian')).hash);
    expect((await versionWith(noLock, '!OciImage debian:12')).hash).not.toBe((await at('debian:12')).hash);
  });

  it('of a layout in the project is what its tag leads to', async () => {
    const index = (digit: string) =>
      JSON.stringify({
        manifests: [
          { digest: `sha256:${sum(digit)}`, annotations: { 'org.opencontainers.image.ref.name': 'v1' } },
          { digest: `sha256:${sum('0')}`, annotations: { 'org.opencontainers.image.ref.name': 'other' } },
        ],
      });
    project.write('layout/index.json', index('1'));
    const first = await versionWith(noLock, '!OciImage ./layout:v1');
    project.write('layout/index.json', index('2'));
    expect((await versionWith(noLock, '!OciImage ./layout:v1')).hash).not.toBe(first.hash);
    const failed = await project.version(setup('!OciImage ./layout:v3'));
    expect(failed).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('no tag v3 in it; there is v1, other'),
    });
    expect(await project.version(setup('!OciImage ./absent'))).toMatchObject({ kind: 'not-ready' });
  });

  it('of a devcontainer.json counts with its variables', async () => {
    project.write('.devcontainer/devcontainer.json', '{"image": "a"}');
    const first = await versionWith(noLock, '!Devcontainer');
    project.write('.devcontainer/devcontainer.json', '{"image": "a", "containerEnv": {"A": "1"}}');
    const second = await versionWith(noLock, '!Devcontainer');
    expect(explainDifference(first.fields, second.fields)).toEqual([
      '.devcontainer/devcontainer.json: key `A` is new',
      '.devcontainer/devcontainer.json: value `1` is new',
    ]);
    expect(await project.version(setup('!Devcontainer other.json'))).toMatchObject({ kind: 'not-ready' });
  });
});

describe('the next lock', () => {
  const lockable = { kind: 'download', url } as const;
  const entry = (digit: string): Entry => ({ kind: 'download', sha256: sum(digit), size: 3 });
  const answers = (digit: string) => new Map([[`download ${url}`, entry(digit)]]);

  it('has what is new and what changed, and not what nothing fetches', () => {
    expect(nextLock(noLock, [lockable], answers('a'))).toMatchObject({
      lock: withDownload('a'),
      changes: [{ kind: 'new' }],
    });
    const changed = nextLock(withDownload('a'), [lockable], answers('b'));
    expect(changed.changes.map(changeText)).toEqual([`${url}: sha256:${sum('b')}, was sha256:${sum('a')}`]);
    expect(nextLock(withDownload('a'), [lockable], new Map())).toEqual({ lock: withDownload('a'), changes: [] });
    expect(nextLock(withDownload('a'), [], new Map())).toMatchObject({ lock: noLock, changes: [{ kind: 'gone' }] });
  });

  it('is not needed where lock, project and sources agree', () => {
    expect(lockProblems(withDownload('a'), [lockable], answers('a'))).toEqual([]);
    expect(lockProblems(withDownload('a'), [lockable], new Map())).toEqual([]);
    expect(lockProblems(withDownload('a'), [lockable], answers('b')).map(({ kind }) => kind)).toEqual(['changed']);
    expect(lockProblems(noLock, [lockable], new Map()).map(({ kind }) => kind)).toEqual(['missing']);
    expect(lockProblems(withDownload('a'), [], new Map()).map(({ kind }) => kind)).toEqual(['gone']);
  });
});
