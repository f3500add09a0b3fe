import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/native/load.ts';
import { arMembers } from '../../../src/vagga/build/distro/apt/deb.ts';
import { keyServerAddress } from '../../../src/vagga/build/distro/apt/key-server.ts';
import { dearmored, fingerprints } from '../../../src/vagga/build/distro/apt/openpgp-key.ts';

const members = (bytes: Buffer): ReturnType<typeof arMembers> =>
  arMembers(bytes.length, (offset, size) => bytes.subarray(offset, offset + size));
const member = (name: string, content: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`,
    ),
    content,
    Buffer.from(content.length % 2 === 1 ? '\n' : ''),
  ]);

describe('an ar archive', () => {
  it('gives its members back', () => {
    const name = fc.stringMatching(/^[a-z.]{1,15}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 9 }))), (list) => {
        const bytes = Buffer.concat([
          Buffer.from('!<arch>\n'),
          ...list.map(([each, content]) => member(each, Buffer.from(content))),
        ]);
        const found = members(bytes).map(({ name: each, offset, size }) => [
          each,
          [...bytes.subarray(offset, offset + size)],
        ]);
        expect(found).toEqual(list.map(([each, content]) => [each, [...content]]));
      }),
    );
  });

  it('that is broken in any way is refused, and read no further than its end', () => {
    const whole = Buffer.concat([
      Buffer.from('!<arch>\n'),
      member('debian-binary', Buffer.from('2.0\n')),
      member('data.tar.xz', Buffer.from('12345')),
    ]);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(whole.length), (at, byte, end) => {
        const bytes = Buffer.from(whole.subarray(0, end));
        if (at < bytes.length) bytes[at] = byte;
        try {
          for (const { offset, size } of members(bytes)) expect(offset + size).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect((error as Error).message).toMatch(/ar (archive|header|member)/);
        }
      }),
    );
  });
});

describe('a public key', () => {
  const ubuntu = readFileSync(join(packageRoot(), 'keys/ubuntu.gpg'));

  it('has the fingerprint that gpg shows', () => {
    expect(fingerprints(ubuntu)).toContain('F6ECB3762474EDA9D21B7022871920D1991BC93C');
    expect(fingerprints(readFileSync(join(packageRoot(), 'keys/debian.gpg')))).toContain(
      '4D64FEC119C2029067D6E791F8D2585B8783D481',
    );
  });

  it('is taken out of its armor; bytes stay as they are', () => {
    const base64 = ubuntu.toString('base64').replace(/.{64}/g, '$&\n');
    const armor = `noise\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nComment: x\n\n${base64}\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n`;
    expect(dearmored(Buffer.from(armor))).toEqual(ubuntu);
    expect(dearmored(ubuntu)).toEqual(ubuntu);
    expect(() => dearmored(Buffer.from('<html>not found</html>'))).toThrow('no public key in it');
  });

  it('that is broken in any way is refused', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(ubuntu.length - 1), fc.integer({ min: 0, max: 255 }))),
        fc.nat(ubuntu.length),
        (changes, end) => {
          const bytes = Buffer.from(ubuntu.subarray(0, end));
          for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
          try {
            for (const each of fingerprints(bytes)) expect(each).toMatch(/^[0-9A-F]{40}$/);
          } catch (error) {
            expect((error as Error).message).toMatch(/OpenPGP packet/);
          }
        },
      ),
    );
  });
});

it('a key server may be named by hkps, hkp or http', () => {
  expect(keyServerAddress('hkps://keyserver.ubuntu.com:443')).toBe('https://keyserver.ubuntu.com:443');
  expect(keyServerAddress('keys.test')).toBe('https://keys.test');
  expect(keyServerAddress('hkp://keys.test')).toBe('http://keys.test:11371');
  expect(keyServerAddress('http://127.0.0.1:80/')).toBe('http://127.0.0.1:80');
  expect(() => keyServerAddress('ldap://keys.test')).toThrow('expected hkps://HOST');
});
