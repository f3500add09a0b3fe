import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFailure } from '../../../src/native/container.ts';
import {
  compareIndexes,
  formatIndex,
  type IndexEntry,
  indexOf,
  parseIndex,
} from '../../../src/vagga/store/image-index.ts';
import { linkIdentical } from '../../../src/vagga/store/link-identical.ts';

/** More of them: STELLWERK_RUNS=5000. */
const numRuns = Number(process.env.STELLWERK_RUNS ?? 200);

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'image-index-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** A build whose root has these files. */
function build(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(top, name);
  mkdirSync(join(folder, 'root/etc'), { recursive: true });
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, 'root', path), content);
  return folder;
}

async function look(folder: string): Promise<readonly IndexEntry[]> {
  const entries = await indexOf(join(folder, 'root'), 2);
  if (isFailure(entries)) throw new Error(entries.message);
  return entries;
}

describe('an index', () => {
  // A letter is a byte.
  const bytes = fc
    .string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) })
    .map((path) => `/${path}`);
  const id = fc.nat(4294967294);
  const owner = { uid: id, gid: id, path: bytes };
  const entry: fc.Arbitrary<IndexEntry> = fc.oneof(
    fc.record({ kind: fc.constant('folder' as const), mode: fc.nat(0o7777), ...owner }),
    fc.record({ kind: fc.constant('link' as const), target: bytes, ...owner }),
    fc.record({ kind: fc.constant('other' as const), mode: fc.nat(0o177777), ...owner }),
    fc.record({
      ...{ kind: fc.constant('file' as const), mode: fc.nat(0o7777), size: fc.maxSafeNat(), ...owner },
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => Buffer.from(each).toString('hex')),
    }),
  );

  it('is read as it was written, whatever names there are', () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        expect(parseIndex(formatIndex(entries))).toEqual(entries);
      }),
      { numRuns },
    );
  });

  it('that was cut or changed is refused', () => {
    fc.assert(
      fc.property(fc.array(entry), fc.nat(), fc.nat(255), (entries, at, byte) => {
        const whole = formatIndex(entries);
        const place = at % whole.length;
        expect(parseIndex(whole.slice(0, place))).toHaveProperty('problem');
        const other = whole.slice(0, place) + String.fromCharCode(byte) + whole.slice(place + 1);
        if (other !== whole) expect(parseIndex(other)).toHaveProperty('problem');
      }),
      { numRuns },
    );
  });

  it('of anything else is a problem, not an exception', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseIndex(text)).toHaveProperty('problem');
      }),
      { numRuns },
    );
  });

  it('tells what all entries are', async () => {
    const folder = build('a', { 'etc/hello': 'hello' });
    chmodSync(join(folder, 'root/etc'), 0o1750);
    chmodSync(join(folder, 'root/etc/hello'), 0o4755);
    symlinkSync('hello', join(folder, 'root/etc/link'));
    const { uid, gid } = statSync(join(folder, 'root'));
    expect(await look(folder)).toEqual([
      { kind: 'folder', path: '/etc', mode: 0o1750, uid, gid },
      {
        ...{ kind: 'file', path: '/etc/hello', mode: 0o4755, uid, gid, size: 5 },
        digest: '324dcf027dd4a30a932c441f365a25e86b173defa4b8e58948253471b81b72cf',
      },
      { kind: 'link', path: '/etc/link', uid, gid, target: 'hello' },
    ]);
  });

  it('says what is missing, extra and corrupted', async () => {
    const folder = build('a', { 'etc/gone': 'x', 'etc/changed': 'x', 'etc/mode': 'x', 'etc/same': 'x' });
    const before = await look(folder);
    rmSync(join(folder, 'root/etc/gone'));
    writeFileSync(join(folder, 'root/etc/changed'), 'y');
    chmodSync(join(folder, 'root/etc/mode'), 0o600);
    writeFileSync(join(folder, 'root/etc/new'), '');
    expect(compareIndexes(before, await look(folder))).toEqual({
      missing: ['/etc/gone'],
      extra: ['/etc/new'],
      corrupted: ['/etc/changed', '/etc/mode'],
    });
  });
});

describe('files that are the same', () => {
  const indexed = async (...folders: readonly string[]) =>
    Promise.all(folders.map(async (folder) => ({ folder, entries: await look(folder) })));
  const inode = (folder: string, path: string): number => statSync(join(folder, 'root', path)).ino;

  it('become one, and are counted', async () => {
    const [a, b] = [build('a', { 'etc/x': 'Hello world!', 'etc/y': 'a' }), build('b', { 'etc/x': 'Hello world!' })];
    utimesSync(join(b, 'root/etc'), 5, 7);
    const kept = inode(a, 'etc/x');
    expect(linkIdentical(await indexed(a, b))).toEqual({ files: 1, bytes: 12 });
    expect([inode(a, 'etc/x'), inode(b, 'etc/x')]).toEqual([kept, kept]);
    expect(statSync(join(b, 'root/etc')).mtimeMs).toBe(7000);
    expect(linkIdentical(await indexed(a, b))).toEqual({ files: 0, bytes: 0 });
  });

  it('stay apart where mode, path or content differ, and where they are empty', async () => {
    const a = build('a', { 'etc/mode': 'x', 'etc/path': 'x', 'etc/content': 'x', 'etc/empty': '' });
    const b = build('b', { 'etc/mode': 'x', 'etc/other': 'x', 'etc/content': 'y', 'etc/empty': '' });
    chmodSync(join(b, 'root/etc/mode'), 0o600);
    expect(linkIdentical(await indexed(a, b))).toEqual({ files: 0, bytes: 0 });
  });

  it('stay apart where one was changed behind the index', async () => {
    const [a, b] = [build('a', { 'etc/x': 'same' }), build('b', { 'etc/x': 'same' })];
    const roots = await indexed(a, b);
    writeFileSync(join(a, 'root/etc/x'), 'evil');
    expect(linkIdentical(roots)).toEqual({ files: 0, bytes: 0 });
  });

  it('are passed over where they are gone', async () => {
    const [a, b] = [build('a', { 'etc/x': 'same' }), build('b', { 'etc/x': 'same' })];
    const roots = await indexed(a, b);
    rmSync(a, { recursive: true });
    expect(linkIdentical(roots)).toEqual({ files: 0, bytes: 0 });
  });

  it('that have several names already stay what they are', async () => {
    const [a, b] = [build('a', { 'etc/x': 'same' }), build('b', {})];
    linkSync(join(a, 'root/etc/x'), join(b, 'root/etc/x'));
    expect(linkIdentical(await indexed(a, b))).toEqual({ files: 0, bytes: 0 });
  });
});
