import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atDigest, isRemote, parseReference } from '../../src/oci/reference.ts';

const hex = 'ab'.repeat(32);
const registry = { kind: 'registry', scheme: 'https', tag: null, digest: null };
const files = { kind: 'files', form: 'any', tag: null, digest: null };

describe('the name of an image', () => {
  it.each([
    ['debian', { ...registry, host: 'registry-1.docker.io', repository: 'library/debian', tag: 'latest' }],
    ['org/tool:1.2', { ...registry, host: 'registry-1.docker.io', repository: 'org/tool', tag: '1.2' }],
    ['docker.io/org/tool', { ...registry, host: 'registry-1.docker.io', repository: 'org/tool', tag: 'latest' }],
    ['localhost:5000/a/b:x', { ...registry, host: 'localhost:5000', repository: 'a/b', tag: 'x' }],
    [
      'http://127.0.0.1:5000/a',
      { ...registry, scheme: 'http', host: '127.0.0.1:5000', repository: 'a', tag: 'latest' },
    ],
    ['https://host/a:b', { ...registry, host: 'host', repository: 'a', tag: 'b' }],
    ['docker://quay.io/a/b', { ...registry, host: 'quay.io', repository: 'a/b', tag: 'latest' }],
    [`[::1]:5000/a@sha256:${hex}`, { ...registry, host: '[::1]:5000', repository: 'a', digest: hex }],
    [`ghcr.io/a/b:v1@sha256:${hex}`, { ...registry, host: 'ghcr.io', repository: 'a/b', tag: 'v1', digest: hex }],
    ['./layout', { ...files, place: './layout' }],
    ['./layout:1.0', { ...files, place: './layout', tag: '1.0' }],
    ['/volumes/images/base.tar', { ...files, place: '/volumes/images/base.tar' }],
    [`oci:./a:b@sha256:${hex}`, { ...files, form: 'layout', place: './a', tag: 'b', digest: hex }],
    ['oci:http://host:80/', { ...files, form: 'layout', place: 'http://host:80/' }],
    ['oci:http://host:80', { ...files, form: 'layout', place: 'http://host:80' }],
    ['oci:https://host/a:b', { ...files, form: 'layout', place: 'https://host/a', tag: 'b' }],
    ['oci-archive:https://host/a.tar', { ...files, form: 'archive', place: 'https://host/a.tar' }],
  ])('%s', (text, expected) => expect(parseReference(text)).toEqual(expected));

  it.each([
    ['', 'expected REPOSITORY'],
    ['debian@sha256:abc', 'expected @sha256: and 64 hex digits'],
    [`debian@md5:${hex}`, 'expected @sha256: and 64 hex digits'],
    ['Debian', 'is no repository'],
    ['a//b', 'is no repository'],
    ['http://host', 'expected a repository behind the registry'],
    ['http://ho st/a', 'is no registry'],
    ['oci:layout', 'expected ./PATH'],
    ['a/../b', 'is no repository'],
  ])('%s is refused', (text, reason) =>
    expect(parseReference(text)).toMatchObject({ problem: expect.stringContaining(reason) }),
  );

  it('is read or refused, whatever it is, and stays itself at a digest', () => {
    const parts = fc.constantFrom(
      'a',
      'B',
      ':',
      '/',
      '@',
      '.',
      'sha256',
      hex,
      'http://',
      'oci:',
      './',
      '[',
      ']',
      '5000',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), (words) => {
        const text = words.join('');
        const read = parseReference(text);
        if ('problem' in read || read.digest !== null) return;
        const pinned = parseReference(atDigest(text, hex));
        if ('problem' in pinned) throw new Error(pinned.problem);
        expect(pinned.digest).toBe(hex);
        expect(isRemote(pinned)).toBe(isRemote(read));
        if (read.kind === 'registry') expect(read.repository).not.toMatch(/\.\.|[^a-z0-9._/-]/);
      }),
    );
  });
});
