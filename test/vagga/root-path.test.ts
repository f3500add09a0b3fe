import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryPath } from '../../src/vagga/build/archive-entry.ts';
import { type LookUp, pathInRoot } from '../../src/vagga/build/root-path.ts';
import { compressionOf } from '../../src/vagga/build/tar.ts';

const withLinks =
  (links: Readonly<Record<string, string>>): LookUp =>
  (path) =>
    Object.hasOwn(links, path) ? { kind: 'link', to: links[path] ?? '' } : { kind: 'other' };

describe('a path inside a root', () => {
  it('follows links as the kernel would with that root', () => {
    const lookUp = withLinks({ '/r/lib': 'usr/lib', '/r/abs': '/etc', '/r/usr/lib/up': '../../../../x' });
    expect(pathInRoot('/r', '/lib/a', true, lookUp)).toBe('/r/usr/lib/a');
    expect(pathInRoot('/r', '/abs/passwd', true, lookUp)).toBe('/r/etc/passwd');
    expect(pathInRoot('/r', '/lib/up/y', true, lookUp)).toBe('/r/x/y');
    expect(pathInRoot('/r', '/lib', false, lookUp)).toBe('/r/lib');
  });

  it('ends with an error where links go round', () => {
    expect(() => pathInRoot('/r', '/a', true, withLinks({ '/r/a': 'b', '/r/b': 'a' }))).toThrow(
      'too many symbolic links',
    );
  });

  it('never leads out, wherever links and dots point', () => {
    const part = fc.constantFrom('a', 'b', 'c', '..', '.', '');
    const path = fc.array(part, { maxLength: 6 }).map((parts) => parts.join('/'));
    const target = fc.tuple(fc.constantFrom('', '/'), path).map(([slash, rest]) => slash + rest);
    const place = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
      .map((p) => `/r/${p.join('/')}`);
    fc.assert(
      fc.property(path, fc.boolean(), fc.dictionary(place, target, { maxKeys: 6 }), (asked, follow, links) => {
        try {
          const found = pathInRoot('/r', asked, follow, withLinks(links));
          expect(found === '/r' || found.startsWith('/r/')).toBe(true);
          expect(found.split('/')).not.toContain('..');
        } catch (error) {
          expect((error as Error).message).toContain('too many symbolic links');
        }
      }),
    );
  });
});

describe('an entry of an archive', () => {
  it('is placed relative to the subfolder that is wanted', () => {
    expect(entryPath('./top/a/b', 'top')).toBe('a/b');
    expect(entryPath('top/', '/top/')).toBe('');
    expect(entryPath('topmost/a', 'top')).toBeNull();
    expect(entryPath('/abs/file', '')).toBe('abs/file');
  });

  it('that leads out is refused', () => {
    expect(() => entryPath('a/../../etc/passwd', '')).toThrow('leads out of the folder');
  });

  it('of any name has no dots and no closing slash', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        if (name.split('/').includes('..')) return;
        expect(
          entryPath(name, '')
            ?.split('/')
            .some((part) => part === '.' || part === '..'),
        ).toBe(false);
      }),
    );
  });

  it('is decompressed by what the file begins with', () => {
    expect(compressionOf(Uint8Array.of(0x1f, 0x8b, 8))).toBe('gzip');
    expect(compressionOf(Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0))).toBe('xz');
    expect(compressionOf(Uint8Array.of(0x42, 0x5a, 0x68))).toBe('bzip2');
    expect(compressionOf(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd))).toBe('zstd');
    expect(compressionOf(new Uint8Array())).toBe('none');
  });
});
