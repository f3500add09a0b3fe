import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordedFolders } from '../../src/oci/folders.ts';
import { applyLayer } from '../../src/oci/layer.ts';

let dir = '';
let root = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'oci-layer-'));
  fresh();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** An empty root, and beside it what no layer may touch. */
function fresh(): void {
  rmSync(dir, { recursive: true, force: true });
  root = join(dir, 'root');
  mkdirSync(root, { recursive: true });
  mkdirSync(join(dir, 'victim'));
  writeFileSync(join(dir, 'victim/file'), 'untouched', { mode: 0o640 });
}

const isUntouched = (): boolean => {
  const names = readdirSync(dir).sort().join();
  const { mode, nlink } = lstatSync(join(dir, 'victim/file'));
  return (
    names === 'root,victim' &&
    readdirSync(join(dir, 'victim')).join() === 'file' &&
    readFileSync(join(dir, 'victim/file'), 'utf8') === 'untouched' &&
    (mode & 0o7777) === 0o640 &&
    nlink === 1
  );
};

async function tarOf(entries: readonly (readonly [Partial<Header>, string])[]): Promise<Buffer> {
  const stream = pack();
  for (const [header, text] of entries) stream.entry({ mode: 0o644, ...header } as Header, text);
  stream.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function apply(tar: Buffer): Promise<void> {
  const folders = recordedFolders(root);
  const losses = { owners: 0, devices: 0, attributes: 0 };
  await applyLayer(Readable.from([tar], { objectMode: false }), {
    ...{ root, isRoot: false, losses, folders, count: () => {} },
  });
  folders.settle();
}

const part = fc.constantFrom('a', 'b', 'out', '..', '.', '', '.wh.a', '.wh..wh..opq', '.wh.out', '.wh...', 'file');
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const target = fc.oneof(
  name,
  fc.constantFrom('/', '/a', '../victim', '../../victim/file', 'ABS/victim', 'ABS/victim/file', '/out/file', 'a'),
);
const entry = fc.record({
  name: fc.oneof(name, fc.constantFrom('/', '//a', '/../victim/file', 'ABS/victim/file')),
  type: fc.constantFrom('file', 'directory', 'symlink', 'link', 'fifo'),
  linkname: target,
  mode: fc.integer({ min: 0, max: 0o7777 }),
});
const runs = Number(process.env.FUZZ_RUNS ?? 50);

describe('layers', () => {
  it('of any entries change nothing outside of the root', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(entry, { maxLength: 8 }), { minLength: 1, maxLength: 3 }), async (layers) => {
        fresh();
        for (const entries of layers) {
          const here = (text: string): string => text.replace('ABS', dir);
          const tar = await tarOf(
            entries.map((each) => [
              { ...each, name: here(each.name), linkname: here(each.linkname) } as Partial<Header>,
              each.type === 'file' ? 'mine' : '',
            ]),
          );
          await apply(tar).catch((error: Error) => expect(error).toBeInstanceOf(Error));
          expect(isUntouched()).toBe(true);
        }
      }),
      { numRuns: runs },
    );
  });

  it('of any bytes are refused or unpacked, and change nothing outside', async () => {
    const whole = await tarOf([
      [{ name: 'a/', type: 'directory' }, ''],
      [{ name: 'a/b', type: 'file' }, 'text'],
      [{ name: 'c', type: 'symlink', linkname: 'a/b' }, ''],
      [{ name: 'd', type: 'link', linkname: 'a/b' }, ''],
      [{ name: 'x'.repeat(150), type: 'file' }, 'long'],
    ]);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 6 }), fc.nat(whole.length), async (changes, length) => {
        fresh();
        const bytes = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        await apply(bytes).catch((error: Error) => expect(error).toBeInstanceOf(Error));
        expect(isUntouched()).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  it('keep what a lower one brought unless an upper one hides it', async () => {
    const names = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd/e', 'd/f'), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(names, names, names, async (lower, hidden, upper) => {
        fresh();
        const files = (list: readonly string[], text: string) =>
          list.map((each) => [{ name: each, type: 'file' } as Partial<Header>, text] as const);
        await apply(await tarOf(files(lower, 'lower')));
        const whiteouts = hidden.map((each) => each.replace(/[^/]+$/, '.wh.$&'));
        await apply(await tarOf([...files(whiteouts, ''), ...files(upper, 'upper')]));
        for (const each of ['a', 'b', 'c', 'd/e', 'd/f']) {
          const expected = upper.includes(each)
            ? 'upper'
            : lower.includes(each) && !hidden.includes(each)
              ? 'lower'
              : null;
          const place = join(root, each);
          expect(existsSync(place) ? readFileSync(place, 'utf8') : null).toBe(expected);
        }
      }),
      { numRuns: runs },
    );
  });
});
