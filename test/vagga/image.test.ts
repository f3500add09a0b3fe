import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packImage } from '../../src/vagga/image/pack.ts';
import { imageAddress } from '../../src/vagga/image/take.ts';
import { unpackImage } from '../../src/vagga/image/unpack.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vagga-image-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const fresh = (name: string): string => {
  const path = join(folder, name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  return path;
};

async function packed(root: string): Promise<Buffer> {
  const to = new PassThrough();
  const [bytes] = await Promise.all([buffer(to), packImage(root, 'none', to)]);
  return bytes;
}

const unpack = (bytes: Uint8Array, root: string): Promise<void> => unpackImage(Readable.from([bytes]), root);

interface Tree {
  readonly [name: string]: string | Tree | { readonly link: string };
}

const name = fc.oneof(
  fc.stringMatching(/^[a-z]{1,3}$/),
  fc.stringMatching(/^[a-z]{90,120}$/),
  fc.constantFrom('ä', '名', 'with blank', '-', '...', "it's", '\n'),
);
const { tree } = fc.letrec<{ tree: Tree; node: Tree[string] }>((tie) => ({
  tree: fc.dictionary(name, tie('node'), { maxKeys: 4 }) as fc.Arbitrary<Tree>,
  node: fc.oneof(
    { depthSize: 'small' },
    fc.string({ maxLength: 2000 }),
    fc.record({ link: fc.stringMatching(/^[a-z/.]{1,130}$/) }),
    tie('tree'),
  ),
}));

function write(place: string, entries: Tree): void {
  for (const [each, entry] of Object.entries(entries)) {
    const path = join(place, each);
    if (typeof entry === 'string') writeFileSync(path, entry);
    else if ('link' in entry && typeof entry.link === 'string') symlinkSync(entry.link, path);
    else {
      mkdirSync(path);
      write(path, entry as Tree);
    }
  }
}

describe('an image', () => {
  it('that is packed, unpacked and packed again is the same bytes', async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (entries) => {
        const root = fresh('from');
        write(root, entries);
        const bytes = await packed(root);
        const copy = fresh('to');
        await unpack(bytes, copy);
        expect((await packed(copy)).equals(bytes)).toBe(true);
      }),
      { numRuns: Number(process.env.IMAGE_RUNS ?? 40) },
    );
  });

  it('keeps modes, hard links, large files and times to the second', async () => {
    const root = fresh('from');
    writeFileSync(join(root, 'large'), Buffer.alloc(3_000_000, 'ab'));
    linkSync(join(root, 'large'), join(root, 'other'));
    mkdirSync(join(root, 'folder'));
    chmodSync(join(root, 'folder'), 0o1770);
    chmodSync(join(root, 'large'), 0o4751);
    const copy = fresh('to');
    await unpack(gzipSync(await packed(root)), copy);
    const [large, folderStat] = [lstatSync(join(copy, 'large')), lstatSync(join(copy, 'folder'))];
    expect(large).toMatchObject({ size: 3_000_000, nlink: 2, mode: 0o104751 });
    expect(large.ino).toBe(lstatSync(join(copy, 'other')).ino);
    expect(folderStat.mode).toBe(0o041770);
    expect(folderStat.mtimeMs).toBe(Math.floor(lstatSync(join(root, 'folder')).mtimeMs / 1000) * 1000);
  });

  it('of any bytes is refused with a reason, or stays within its folder', async () => {
    const root = fresh('valid');
    write(root, { a: 'text', b: { c: { link: '../../..' } } });
    const valid = await packed(root);
    const damaged = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 5 })
      .map((changes) => {
        const bytes = Buffer.from(valid);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array)),
      damaged,
      damaged.map((each) => gzipSync(each)),
      fc.nat(valid.length).map((length) => valid.subarray(0, length)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (each) => {
        const to = fresh('within');
        mkdirSync(join(to, 'root'));
        await unpack(each, join(to, 'root')).catch((error: unknown) => expect(error).toBeInstanceOf(Error));
        expect(readdirSync(to)).toEqual(['root']);
      }),
      { numRuns: Number(process.env.IMAGE_RUNS ?? 40) },
    );
  });

  it('does not get out of its folder by links that it brings along', async () => {
    const archive = pack();
    archive.entry({ name: 'out', type: 'symlink', linkname: '../..' });
    archive.entry({ name: 'out/file', type: 'file' }, 'escaped');
    archive.finalize();
    const to = fresh('to');
    mkdirSync(join(to, 'root'));
    await unpack(await buffer(archive as unknown as Readable), join(to, 'root')).catch(() => {});
    expect(existsSync(join(folder, 'file'))).toBe(false);
    expect(readdirSync(to)).toEqual(['root']);
  });

  it('has an address with the container’s name and version in it', () => {
    const url = 'http://x/$' + '{container_name}/$' + '{short_hash}-$' + '{other}.tar';
    expect(imageAddress(url, 'app', 'a'.repeat(128))).toBe('http://x/app/aaaaaaaa-$' + '{other}.tar');
  });
});
