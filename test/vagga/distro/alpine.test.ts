import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkedData, gzipMembers, openIndex } from '../../../src/vagga/build/distro/alpine/apk-file.ts';
import { knownPackages, parseApkIndex } from '../../../src/vagga/build/distro/alpine/apk-index.ts';
import { closure } from '../../../src/vagga/build/distro/closure.ts';
import { type Made, makeIndex, makePackage, makeSigner, type Signer } from './alpine-packages.ts';

describe('gzip members', () => {
  it('are parted where each ends, whatever they hold', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
        fc.nat(4),
        (contents, count) => {
          const members = contents.map((content) => gzipSync(content));
          const expected = members.slice(0, count).map(({ length }) => length);
          expect(gzipMembers(Buffer.concat(members), count)).toEqual(expected);
        },
      ),
    );
  });

  it('have headers with names and more', () => {
    const plain = gzipSync('content');
    const named = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16]),
      plain.subarray(4, 10),
      Buffer.from([3, 0, 1, 2, 3]),
      Buffer.from('name\0comment\0hh'),
      plain.subarray(10),
    ]);
    expect(gzipMembers(Buffer.concat([named, plain]), 2)).toEqual([named.length, plain.length]);
  });

  it('that are broken in any way are refused, or lie within what there is', () => {
    const whole = Buffer.concat([gzipSync('one'), gzipSync('two')]);
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (end, at, byte) => {
        const bytes = Buffer.from(whole.subarray(0, end));
        if (at < bytes.length) bytes[at] = byte;
        try {
          expect(gzipMembers(bytes, 2).reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect((error as Error).message).toMatch(/gzip data at byte/);
        }
      }),
    );
  });
});

describe('an index of Alpine', () => {
  const paragraph = (name: string, more = ''): string => `C:Q1AAAA\nP:${name}\nV:1.2-r3\nS:9\n${more}`;

  it('gives names without versions, operators, conflicts and tags', () => {
    const [found] = parseApkIndex(
      paragraph('a', 'D:so:libc.musl.so.1 b>=1 c~2 !d e=1-r0\np:cmd:a=1 /bin/sh\nk:5\n'),
      'http://m',
    );
    expect(found).toEqual({
      ...{ name: 'a', version: '1.2-r3', checksum: 'Q1AAAA', size: 9, priority: 5, url: 'http://m/a-1.2-r3.apk' },
      ...{ depends: [['so:libc.musl.so.1'], ['b'], ['c'], ['e']], provides: ['cmd:a', '/bin/sh'] },
    });
  });

  it('prefers of several that provide the same the one of the highest priority', () => {
    const text = [
      paragraph('x', 'p:/bin/sh\nk:1\n'),
      paragraph('y', 'p:/bin/sh\nk:9\n'),
      paragraph('a', 'D:/bin/sh\n'),
    ].join('\n');
    const result = closure(knownPackages(parseApkIndex(text, 'http://m')), ['a']);
    expect(result.kind === 'closed' && result.packages.map(({ name }) => name)).toEqual(['a', 'y']);
  });

  it('may hold anything; no name of it leads anywhere else', () => {
    const part = fc.oneof(fc.constantFrom('P:', 'V:', 'C:Q1', 'D:', '\n', '\n\n', '../', 'a'), fc.string());
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        for (const { url } of parseApkIndex(parts.join(''), 'http://m'))
          expect(url.slice('http://m/'.length)).not.toContain('/');
      }),
    );
  });
});

describe('what Alpine signs', () => {
  let signer: Signer;
  let made: Made;
  let index: Buffer;
  beforeAll(async () => {
    signer = makeSigner('test@example.test-1.rsa.pub');
    made = await makePackage('a', [{ name: 'usr/' }, { name: 'usr/a', content: 'a' }], signer);
    index = await makeIndex([made], signer);
  });
  const keys = () => new Map([[signer.name, signer.publicKey]]);

  it('is read with a key that is known', async () => {
    const files = await openIndex(index, keys(), 'index');
    expect(parseApkIndex(files.get('APKINDEX')?.toString() ?? '', 'http://m')).toMatchObject([
      { name: 'a', checksum: made.checksum },
    ]);
    await expect(openIndex(index, new Map(), 'index')).rejects.toThrow(
      'signed by test@example.test-1.rsa.pub, a key that is not known',
    );
    const other = new Map([[signer.name, makeSigner('x').publicKey]]);
    await expect(openIndex(index, other, 'index')).rejects.toThrow(
      'the signature by test@example.test-1.rsa.pub is wrong',
    );
    await expect(openIndex(gzipSync(Buffer.alloc(1024)), keys(), 'index')).rejects.toThrow('not signed');
  });

  it('is refused with any byte of it changed', async () => {
    const [signature = 0] = gzipMembers(index, 1);
    const at = fc.integer({ min: signature, max: index.length - 1 });
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const broken = Buffer.from(index);
        broken[place] = (broken[place] ?? 0) ^ change;
        await expect(openIndex(broken, keys(), 'index')).rejects.toThrow('is wrong');
      }),
    );
    const [first = 0] = gzipMembers(made.bytes, 1);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: first, max: made.bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (place, change) => {
          const broken = Buffer.from(made.bytes);
          broken[place] = (broken[place] ?? 0) ^ change;
          await expect(checkedData(broken, made.checksum, 'a')).rejects.toThrow(/Hashsum mismatch|gzip data at byte/);
        },
      ),
    );
  });

  it('has its files behind its description', async () => {
    const data = await checkedData(made.bytes, made.checksum, 'a');
    expect(gzipMembers(data, 2)).toEqual([data.length]);
  });
});
