import { blake2b } from '@noble/hashes/blake2.js';
import { type PrivateKey, parsePublicKey } from './openssh-key.ts';
import { open, seal } from './sealed-box.ts';

/** `v2:KEYHASH:NSHASH:SECRETHASH:CIPHER` (lithos 2.8); the hashes say what is inside to those who may not look. */
export interface Wire {
  readonly keyHash: string;
  readonly namespaceHash: string;
  readonly secretHash: string;
  readonly cipher: Uint8Array;
}

const hashBytes = 6;
const namespacePattern = /^[a-zA-Z0-9_.-]*$/;

const hashOf = (bytes: Uint8Array): string => Buffer.from(blake2b(bytes, { dkLen: hashBytes })).toString('base64');
const textHash = (text: string): string => hashOf(new TextEncoder().encode(text));
export const keyHashOf = (publicKey: Uint8Array): string => hashOf(publicKey);

export function parseWire(text: string): Wire | { readonly problem: string } {
  const [version = '', keyHash = '', namespaceHash = '', secretHash = '', cipher = '', ...more] = text
    .trim()
    .split(':');
  if (version !== 'v2') return { problem: `version ${JSON.stringify(version.slice(0, 16))}; expected v2` };
  if (cipher === '' || more.length > 0) return { problem: 'expected v2 and four fields, with : between them' };
  for (const field of [keyHash, namespaceHash, secretHash]) {
    if (!/^[A-Za-z0-9+/]{8}$/.test(field)) return { problem: 'a hash that is no base64 of 6 bytes' };
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(cipher)) return { problem: 'a ciphertext that is no base64' };
  return { keyHash, namespaceHash, secretHash, cipher: new Uint8Array(Buffer.from(cipher, 'base64')) };
}

/** Seals a text for a public key as `ssh-keygen` writes it. */
export function sealSecret(
  publicLine: string,
  namespace: string,
  secret: string,
): { readonly wire: string } | { readonly problem: string } {
  const parsed = parsePublicKey(publicLine);
  if ('problem' in parsed) return parsed;
  if (!namespacePattern.test(namespace)) {
    return { problem: `namespace ${JSON.stringify(namespace)}; expected letters, digits, _, . and -` };
  }
  if (secret.includes('\0')) return { problem: 'the secret holds a NUL, which no environment variable can' };
  const { publicKey } = parsed;
  const cipher = seal(publicKey, new TextEncoder().encode(`${namespace}:${secret}`));
  const fields = ['v2', keyHashOf(publicKey), textHash(namespace), textHash(secret)];
  return { wire: [...fields, Buffer.from(cipher).toString('base64')].join(':') };
}

export interface OpenedSecret {
  readonly namespace: string;
  readonly secret: string;
}

/** Opens one ciphertext with one key, whatever its namespace is; a reason names no plaintext. */
export function decrypt(wire: Wire, key: PrivateKey): OpenedSecret | { readonly reason: string } {
  const own = keyHashOf(key.publicKey);
  if (own !== wire.keyHash) return { reason: `sealed for key ${wire.keyHash}, this one is ${own}` };
  const bytes = open(key.seed, key.publicKey, wire.cipher);
  if (bytes === null) return { reason: 'cannot be decrypted: damaged' };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { reason: 'what is inside is no UTF-8' };
  }
  const colon = text.indexOf(':');
  if (colon === -1) return { reason: 'no namespace inside' };
  const [namespace, secret] = [text.slice(0, colon), text.slice(colon + 1)];
  if (textHash(namespace) !== wire.namespaceHash) return { reason: 'the hash of the namespace does not match' };
  if (textHash(secret) !== wire.secretHash) return { reason: 'the hash of the secret does not match' };
  if (secret.includes('\0')) return { reason: 'the secret holds a NUL' };
  return { namespace, secret };
}

/** The first ciphertext that a key opens and whose namespace is allowed; else the reason of every attempt. */
export function openSecret(
  wires: readonly string[],
  keys: readonly PrivateKey[],
  namespaces: readonly string[],
): { readonly secret: string } | { readonly reasons: readonly string[] } {
  const reasons: string[] = [];
  for (const [index, text] of wires.entries()) {
    const told = (reason: string): void =>
      void reasons.push(wires.length === 1 ? reason : `value ${index + 1}: ${reason}`);
    const wire = parseWire(text);
    if ('problem' in wire) {
      told(wire.problem);
      continue;
    }
    for (const key of keys) {
      const opened = decrypt(wire, key);
      if ('reason' in opened) told(opened.reason);
      else if (namespaces.includes(opened.namespace)) return { secret: opened.secret };
      else {
        const known = namespaces.map((each) => JSON.stringify(each)).join(', ');
        told(`namespace ${JSON.stringify(opened.namespace)}; expected one of ${known}`);
      }
    }
  }
  return { reasons: reasons.length === 0 ? ['no ciphertext'] : reasons };
}
