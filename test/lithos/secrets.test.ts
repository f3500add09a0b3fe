import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parsePrivateKeys, parsePublicKey, readPrivateKeys } from '../../src/lithos/secrets/openssh-key.ts';
import { openSecret, parseWire, sealSecret } from '../../src/lithos/secrets/secret.ts';
import { skipped } from '../skipped.ts';

/** Made by ssh-keygen, for this test only. */
const privateText = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACAiUKwdPRDiVkBM+28tlQD8NLgMIdIN2VIPqo/h8Bzf/gAAAJAIDy57CA8u
ewAAAAtzc2gtZWQyNTUxOQAAACAiUKwdPRDiVkBM+28tlQD8NLgMIdIN2VIPqo/h8Bzf/g
AAAECKz8au6C0wtJ+JHOuxmsQv8r6UQzMEh17d0tejDLyj6yJQrB09EOJWQEz7by2VAPw0
uAwh0g3ZUg+qj+HwHN/+AAAABnZlY3RvcgECAwQFBgc=
-----END OPENSSH PRIVATE KEY-----
`;
const publicLine = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICJQrB09EOJWQEz7by2VAPw0uAwh0g3ZUg+qj+HwHN/+ vector';
/** Sealed for it by libsodium (PyNaCl's SealedBox), the hashes by Python's hashlib. */
const fromLibsodium =
  'v2:WdTrcHBc:xpJxrjNa:xRfP6Z9I:5u7XWgMarphSnjfCppsJ/WB00nO8RuAXEXD2bZv+JnRe/TUP6wRlFJJpfD3R9O5yIRaAEfkf/t6cyEasShk5UfnWIbdSo9s=';
const namespaces = ['', 'billing.prod'];

const isRoot = process.getuid?.() === 0;
const hasKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined;

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'secrets-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function keysOf(text: string) {
  const parsed = parsePrivateKeys(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.keys;
}

function wireOf(namespace: string, secret: string, line = publicLine): string {
  const sealed = sealSecret(line, namespace, secret);
  if ('problem' in sealed) throw new Error(sealed.problem);
  return sealed.wire;
}

function reasonsOf(wires: readonly string[], allowed: readonly string[] = namespaces): string {
  const opened = openSecret(wires, keysOf(privateText), allowed);
  return 'secret' in opened ? `opened: ${opened.secret}` : opened.reasons.join(' | ');
}

describe('a secret', () => {
  it('sealed by libsodium is opened', () => {
    expect(openSecret([fromLibsodium], keysOf(privateText), namespaces)).toEqual({ secret: 'pa55:wörd' });
  });

  it('comes back as it went in, and no two ciphertexts of it are alike', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[a-zA-Z0-9_.-]{0,20}$/), (secret, namespace) => {
        fc.pre(!secret.includes('\0'));
        const wire = wireOf(namespace, secret);
        expect(openSecret([wire], keysOf(privateText), [namespace])).toEqual({ secret });
        expect(wireOf(namespace, secret)).not.toBe(wire);
      }),
      { numRuns: 25 },
    );
  });

  it('for another namespace is refused, both named', () => {
    expect(reasonsOf([wireOf('other', 'x')])).toBe('namespace "other"; expected one of "", "billing.prod"');
    // The exact name, no prefix of it.
    expect(reasonsOf([wireOf('billing', 'x')])).toContain('namespace "billing"');
  });

  it('for another key is refused with both hashes', () => {
    const line = `ssh-ed25519 ${Buffer.concat([
      Buffer.from('0000000b', 'hex'),
      Buffer.from('ssh-ed25519'),
      Buffer.from('00000020', 'hex'),
      // The base point of the curve: RFC 8032, 5.1.
      Buffer.from(`58${'66'.repeat(31)}`, 'hex'),
    ]).toString('base64')}`;
    expect(reasonsOf([wireOf('', 'x', line)])).toMatch(/^sealed for key \S{8}, this one is WdTrcHBc$/);
  });

  it('is looked for among several values, and every attempt is told when none opens', () => {
    expect(openSecret(['v2:no', fromLibsodium], keysOf(privateText), namespaces)).toEqual({ secret: 'pa55:wörd' });
    expect(reasonsOf(['v1:x', wireOf('other', 'topsecret')])).toBe(
      'value 1: version "v1"; expected v2 | value 2: namespace "other"; expected one of "", "billing.prod"',
    );
    expect(reasonsOf([])).toBe('no ciphertext');
  });

  it('that was changed in any byte is refused, and never shown', () => {
    fc.assert(
      fc.property(fc.nat(fromLibsodium.length - 1), fc.constantFrom('A', 'b', '7', ':'), (at, letter) => {
        const changed = fromLibsodium.slice(0, at) + letter + fromLibsodium.slice(at + 1);
        const told = reasonsOf([changed]);
        // The last letter of base64 has bits that mean nothing.
        if (parseWireBytes(changed) === parseWireBytes(fromLibsodium)) return;
        expect(told).not.toContain('opened');
        expect(told).not.toContain('pa55');
      }),
    );
  });

  it('made of any text whatever gets a reason', () => {
    fc.assert(fc.property(fc.string(), (text) => !reasonsOf([text]).startsWith('opened')));
    fc.assert(fc.property(fc.string(), (text) => !reasonsOf([`v2:${text}`]).startsWith('opened')));
  });
});

const parseWireBytes = (text: string): string => {
  const wire = parseWire(text);
  return 'problem' in wire ? 'none' : JSON.stringify({ ...wire, cipher: [...wire.cipher] });
};

describe('a private key', () => {
  const write = (text: string, mode = 0o600): string => {
    const file = join(dir, 'key');
    writeFileSync(file, text, { mode });
    chmodSync(file, mode);
    return file;
  };
  const problemOf = (file: string): string => {
    const read = readPrivateKeys(file);
    return 'problem' in read ? read.problem : 'none';
  };

  it('is read, and several in one file are', () => {
    expect(problemOf(write(privateText))).toBe('none');
    expect(keysOf(privateText + privateText)).toHaveLength(2);
    expect(keysOf(privateText)[0]?.comment).toBe('vector');
  });

  it('that others could read is refused', () => {
    for (const mode of [0o644, 0o640, 0o700, 0o660]) {
      expect(problemOf(write(privateText, mode))).toContain(`has mode ${mode.toString(8)}; expected at most 600`);
    }
  });

  it.skipIf(skipped(isRoot, 'a key of another user', 'needs root'))('of another owner is refused', () => {
    const file = write(privateText);
    chownSync(file, 65_534, 0);
    expect(problemOf(file)).toContain('belongs to uid 65534; expected root');
  });

  it('that is not there, a folder or no key is told', () => {
    expect(problemOf(join(dir, 'none'))).toContain('cannot be read (ENOENT)');
    expect(problemOf(dir)).toContain('not a regular file');
    expect(problemOf(write('hello'))).toContain('expected a key made by ssh-keygen -t ed25519');
  });

  it.skipIf(skipped(hasKeygen, 'keys of other kinds', 'ssh-keygen is missing (apt-get install openssh-client)'))(
    'of RSA or with a passphrase is refused with what to do',
    () => {
      const make = (...words: string[]): string => {
        const file = join(dir, `made${words.join('')}`);
        expect(spawnSync('ssh-keygen', ['-q', '-f', file, ...words]).status).toBe(0);
        return file;
      };
      expect(problemOf(make('-t', 'rsa', '-N', ''))).toContain('"ssh-rsa"; expected ssh-ed25519');
      expect(problemOf(make('-t', 'ed25519', '-N', 'pass phrase'))).toContain('protected by a passphrase');
      const good = make('-t', 'ed25519', '-N', '');
      expect(problemOf(good)).toBe('none');
      const wire = wireOf('', 'own key', readFileSync(`${good}.pub`, 'utf8'));
      const read = readPrivateKeys(good);
      expect('keys' in read && openSecret([wire], read.keys, [''])).toEqual({ secret: 'own key' });
    },
  );

  it('of any bytes gets a reason, never a crash', () => {
    const wrap = (bytes: Uint8Array): string =>
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${Buffer.from(bytes).toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`;
    const whole = Buffer.from(privateText.split('\n').slice(1, -2).join(''), 'base64');
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        const parsed = parsePrivateKeys(wrap(cut ? bytes.subarray(0, at) : bytes));
        expect('keys' in parsed ? parsed.keys.length : parsed.problem.length).toBeGreaterThan(0);
      }),
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => 'problem' in parsePrivateKeys(wrap(bytes))));
    fc.assert(fc.property(fc.string(), (text) => 'problem' in parsePublicKey(`ssh-ed25519 ${text}`)));
  });
});
