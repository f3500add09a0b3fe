import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** An ed25519 key pair (RFC 8032): 32 bytes each. */
export interface PrivateKey {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  /** As ssh-keygen was told; only for messages. */
  readonly comment: string;
}

const keyType = 'ssh-ed25519';
const keyBytes = 32;
const magic = 'openssh-key-v1\0';
const begin = '-----BEGIN OPENSSH PRIVATE KEY-----';
const end = '-----END OPENSSH PRIVATE KEY-----';
/** Keys of others are none of ours: bits that must not be set (lithos 2.2). */
const othersBits = 0o7177;
const mostFileBytes = 1_048_576;

/** A text of length-prefixed strings (RFC 4251, section 5); null once it has ended too early. */
class Packed {
  private at = 0;
  private readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  uint32(): number | null {
    if (this.at + 4 > this.bytes.length) return null;
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }
  string(): Buffer | null {
    const length = this.uint32();
    if (length === null || this.at + length > this.bytes.length) return null;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  skip(text: string): boolean {
    const found = this.bytes.subarray(this.at, this.at + text.length).equals(Buffer.from(text, 'latin1'));
    this.at += text.length;
    return found;
  }
}

/**
 * The keys of a file, one OpenSSH block after another (PROTOCOL.key of OpenSSH). The file belongs to root, or to whoever
 * runs this, and nobody else may read it.
 */
export function readPrivateKeys(file: string): { readonly keys: readonly PrivateKey[] } | { readonly problem: string } {
  const problem = (text: string) => ({ problem: `${file}: ${text}` });
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return problem(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > mostFileBytes) return problem('not a regular file of a key');
    if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) {
      return problem(`belongs to uid ${stats.uid}; expected root as the owner: chown 0 ${file}`);
    }
    if ((stats.mode & othersBits) !== 0) {
      return problem(`has mode ${(stats.mode & 0o7777).toString(8)}; expected at most 600: chmod 600 ${file}`);
    }
    const parsed = parsePrivateKeys(readFileSync(fd, 'latin1'));
    return 'problem' in parsed ? problem(parsed.problem) : parsed;
  } catch (error) {
    return problem(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  } finally {
    closeSync(fd);
  }
}

export function parsePrivateKeys(
  text: string,
): { readonly keys: readonly PrivateKey[] } | { readonly problem: string } {
  const keys: PrivateKey[] = [];
  const blocks = text.split(begin).slice(1);
  if (blocks.length === 0) return { problem: `no ${begin}; expected a key made by ssh-keygen -t ed25519` };
  for (const [index, block] of blocks.entries()) {
    const body = block.split(end);
    const key = body.length < 2 ? `no ${end}` : parseBlock(Buffer.from(body[0] ?? '', 'base64'));
    if (typeof key === 'string') return { problem: `key ${index + 1}: ${key}` };
    keys.push(key);
  }
  return { keys };
}

const truncated = 'it ends too early';

function parseBlock(bytes: Buffer): PrivateKey | string {
  const outer = new Packed(bytes);
  if (!outer.skip(magic)) return 'no OpenSSH private key';
  const [cipher, kdf, kdfOptions, count] = [outer.string(), outer.string(), outer.string(), outer.uint32()];
  const [publicBlock, privateBlock] = [outer.string(), outer.string()];
  if (cipher === null || kdf === null || kdfOptions === null || publicBlock === null || privateBlock === null) {
    return truncated;
  }
  if (cipher.toString('latin1') !== 'none' || kdf.toString('latin1') !== 'none') {
    return 'protected by a passphrase; expected one without: ssh-keygen -p -N "" -f FILE';
  }
  if (count !== 1) return `${count} keys in one block; expected one`;
  const inner = new Packed(privateBlock);
  const [checkA, checkB, type] = [inner.uint32(), inner.uint32(), inner.string()];
  if (type === null) return truncated;
  if (checkA !== checkB) return 'damaged';
  if (type.toString('latin1') !== keyType) return `${printable(type)}; expected ${keyType}`;
  const [publicKey, pair, comment] = [inner.string(), inner.string(), inner.string()];
  if (publicKey === null || pair === null || comment === null) return truncated;
  // The seed and once more the public key.
  if (publicKey.length !== keyBytes || pair.length !== 2 * keyBytes || !pair.subarray(keyBytes).equals(publicKey)) {
    return 'damaged';
  }
  return {
    seed: new Uint8Array(pair.subarray(0, keyBytes)),
    publicKey: new Uint8Array(publicKey),
    comment: comment.toString('utf8'),
  };
}

/** `ssh-ed25519 BASE64 COMMENT`, as in a .pub file; 32 bytes. */
export function parsePublicKey(line: string): { readonly publicKey: Uint8Array } | { readonly problem: string } {
  const [type = '', base64 = ''] = line.trim().split(/\s+/);
  if (type !== keyType) return { problem: `${JSON.stringify(type.slice(0, 32))}; expected a line "${keyType} …"` };
  const packed = new Packed(Buffer.from(base64, 'base64'));
  const [inner, key] = [packed.string(), packed.string()];
  if (inner?.toString('latin1') !== keyType || key?.length !== keyBytes) return { problem: 'a damaged public key' };
  return { publicKey: new Uint8Array(key) };
}

const printable = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1').slice(0, 32));
