import { createHash } from 'node:crypto';

// Public keys as key servers send them (RFC 9580): text that is to become a keyring, and the fingerprints in it.

/** Bytes of an armored block; throws where there is none. Bytes that are no text stay as they are. */
export function dearmored(content: Uint8Array): Buffer {
  if ((content[0] ?? 0) >= 0x80) return Buffer.from(content); // the first byte of a packet
  const text = Buffer.from(content).toString('latin1').replaceAll('\r', '');
  const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/.exec(text)?.[1];
  if (block === undefined) throw new Error('no public key in it');
  const lines = block.split('\n');
  const body = lines.slice(lines.findIndex((line) => line.trim() === '') + 1);
  return Buffer.from(body.filter((line) => !line.startsWith('=')).join(''), 'base64');
}

/** Fingerprints, upper case, of the keys (version 4) and their subkeys, in their order. Throws on what is no keyring. */
export function fingerprints(keyring: Buffer): readonly string[] {
  const [publicKey, publicSubkey] = [6, 14];
  return packets(keyring).flatMap(({ tag, body }) => {
    if ((tag !== publicKey && tag !== publicSubkey) || body[0] !== 4) return [];
    const start = Buffer.from([0x99, body.length >> 8, body.length & 0xff]);
    return [createHash('sha1').update(start).update(body).digest('hex').toUpperCase()];
  });
}

interface Packet {
  readonly tag: number;
  readonly body: Buffer;
}

function packets(bytes: Buffer): readonly Packet[] {
  const found: Packet[] = [];
  for (let at = 0; at < bytes.length; ) {
    const head = bytes[at] ?? 0;
    if (head < 0x80) throw new Error(`no OpenPGP packet at byte ${at}`);
    const { tag, length, start } = head & 0x40 ? newFormat(bytes, at) : oldFormat(bytes, at);
    if (start + length > bytes.length) throw new Error('an OpenPGP packet is cut off');
    found.push({ tag, body: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

type Header = { readonly tag: number; readonly length: number; readonly start: number };

function newFormat(bytes: Buffer, at: number): Header {
  const tag = (bytes[at] ?? 0) & 0x3f;
  const first = byteAt(bytes, at + 1);
  if (first < 192) return { tag, length: first, start: at + 2 };
  if (first < 224) return { tag, length: ((first - 192) << 8) + byteAt(bytes, at + 2) + 192, start: at + 3 };
  if (first === 255) return { tag, length: number(bytes, at + 2, 4), start: at + 6 };
  throw new Error(`an OpenPGP packet of unknown length at byte ${at}`);
}

function oldFormat(bytes: Buffer, at: number): Header {
  const head = bytes[at] ?? 0;
  const size = [1, 2, 4][head & 3];
  if (size === undefined) throw new Error(`an OpenPGP packet of unknown length at byte ${at}`);
  return { tag: (head >> 2) & 0xf, length: number(bytes, at + 1, size), start: at + 1 + size };
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error('an OpenPGP packet is cut off');
  return byte;
}

const number = (bytes: Buffer, at: number, size: number): number =>
  Array.from({ length: size }, (_, index) => byteAt(bytes, at + index)).reduce((sum, byte) => sum * 256 + byte, 0);
