import { createHash, createVerify } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGunzip, inflateRawSync } from 'node:zlib';
import { extract } from 'tar-stream';

// The format of Alpine's packages and indexes (apk-tools 2): gzip members one after the other, each a part of a tar: a
// signature of the second, the second with a description, and in packages a third with the files.

/** Of a description; a bomb ends here. */
const mostInflatedBytes = 256 * 1024 * 1024;

/** Lengths of the first `count` gzip members (RFC 1952) of `bytes`; fewer where there are fewer. Throws on what is none. */
export function gzipMembers(bytes: Buffer, count: number): readonly number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length && lengths.length < count; ) {
    const start = at + gzipHeader(bytes, at);
    let used: number;
    try {
      const inflated = inflateRawSync(bytes.subarray(start), { maxOutputLength: mostInflatedBytes, info: true });
      used = (inflated as unknown as { readonly engine: { readonly bytesWritten: number } }).engine.bytesWritten;
    } catch (error) {
      throw new Error(`broken gzip data at byte ${at}: ${(error as Error).message}`);
    }
    const trailer = 8; // check sum and size
    const end = start + used + trailer;
    if (end > bytes.length) throw new Error(`broken gzip data at byte ${at}: it is cut off`);
    lengths.push(end - at);
    at = end;
  }
  return lengths;
}

/** Its length. */
function gzipHeader(bytes: Buffer, at: number): number {
  if (bytes[at] !== 0x1f || bytes[at + 1] !== 0x8b || bytes[at + 2] !== 8)
    throw new Error(`no gzip data at byte ${at}`);
  const flags = bytes[at + 3] ?? 0;
  const [headerSum, extra, name, comment] = [2, 4, 8, 16];
  let end = at + 10;
  if (flags & extra) end += 2 + (bytes[end] ?? 0) + 256 * (bytes[end + 1] ?? 0);
  for (const text of [name, comment]) {
    if (!(flags & text)) continue;
    const nul = bytes.indexOf(0, end);
    if (nul < 0) throw new Error(`broken gzip data at byte ${at}: its header has no end`);
    end = nul + 1;
  }
  if (flags & headerSum) end += 2;
  return end - at;
}

/** Small files of a compressed tar, by their names. */
export async function smallFiles(gzipped: Uint8Array): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const archive = extract();
  const tar = Readable.from([gzipped]).pipe(createGunzip());
  tar.on('error', (error) => archive.destroy(error));
  tar.pipe(archive);
  for await (const entry of archive) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer);
    files.set(entry.header.name, Buffer.concat(parts));
  }
  return files;
}

/** File names of public keys → PEM. */
export type Keys = ReadonlyMap<string, string>;

const algorithms: Readonly<Record<string, string>> = { RSA: 'RSA-SHA1', RSA256: 'RSA-SHA256', RSA512: 'RSA-SHA512' };

/** The files of a signed index; throws where none of the keys has signed it. */
export async function openIndex(bytes: Buffer, keys: Keys, subject: string): Promise<ReadonlyMap<string, Buffer>> {
  const [first = 0] = gzipMembers(bytes, 1);
  const signed = bytes.subarray(first);
  const signatures = [...(await smallFiles(bytes.subarray(0, first)))].flatMap(([name, signature]) => {
    const [, algorithm = '', key = ''] = /^\.SIGN\.([A-Z0-9]+)\.(.+)$/.exec(name) ?? [];
    return key === '' ? [] : [{ algorithm: algorithms[algorithm], key, signature }];
  });
  if (signatures.length === 0) throw new Error(`${subject}: not signed`);
  for (const { algorithm, key, signature } of signatures) {
    const pem = keys.get(key);
    if (algorithm === undefined || pem === undefined) continue;
    if (createVerify(algorithm).update(signed).verify(pem, signature)) return smallFiles(signed);
    throw new Error(`${subject}: the signature by ${key} is wrong`);
  }
  const names = signatures.map(({ key }) => key).join(', ');
  throw new Error(
    `${subject}: signed by ${names}, a key that is not known; if you trust it, put it into /etc/apk/keys before (!Text, !Copy)`,
  );
}

/**
 * Where the files of a package begin: the package is the one that its index names by `checksum` (`Q1` and the base64 of
 * the SHA-1 of its description), and its files are those that it describes. Throws otherwise.
 */
export async function checkedData(bytes: Buffer, checksum: string, subject: string): Promise<Buffer> {
  const [signature = 0, control = 0] = gzipMembers(bytes, 2);
  const description = bytes.subarray(signature, signature + control);
  const data = bytes.subarray(signature + control);
  const found = `Q1${createHash('sha1').update(description).digest('base64')}`;
  if (found !== checksum) throw new Error(`Hashsum mismatch: ${subject}: expected ${checksum}, got ${found}`);
  const info = (await smallFiles(description)).get('.PKGINFO')?.toString('utf8') ?? '';
  const dataHash = /^datahash = ([0-9a-f]{64})$/m.exec(info)?.[1];
  const sum = createHash('sha256').update(data).digest('hex');
  if (dataHash !== sum) throw new Error(`Hashsum mismatch: ${subject}: expected files of ${dataHash}, got ${sum}`);
  return data;
}
