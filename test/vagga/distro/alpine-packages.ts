import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

// Packages and indexes as Alpine's tools write them.

export interface Item {
  readonly name: string;
  readonly content?: Buffer | string;
  readonly mode?: number;
  readonly link?: string;
  readonly uid?: number;
}

/** A part of a tar: without its end if others follow. */
async function tar(items: readonly Item[], end: boolean): Promise<Buffer> {
  const archive = pack();
  for (const { name, content, mode = 0o644, link, uid = 0 } of items) {
    const owner = { uid, gid: uid, mode };
    if (link !== undefined) archive.entry({ name, type: 'symlink', linkname: link, ...owner });
    else if (content === undefined) archive.entry({ name, type: 'directory', ...owner });
    else archive.entry({ name, ...owner }, content);
  }
  archive.finalize();
  const bytes = await buffer(archive);
  return gzipSync(end ? bytes : bytes.subarray(0, bytes.length - 1024));
}

export interface Signer {
  /** File name of the public key. */
  readonly name: string;
  readonly publicKey: string;
  readonly key: KeyObject;
}

export function makeSigner(name: string): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { name, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(), key: privateKey };
}

async function signed(bytes: Buffer, { name, key }: Signer): Promise<Buffer> {
  const signature = await tar([{ name: `.SIGN.RSA.${name}`, content: sign('RSA-SHA1', bytes, key) }], false);
  return Buffer.concat([signature, bytes]);
}

export interface Made {
  readonly name: string;
  readonly version: string;
  /** The .apk file. */
  readonly bytes: Buffer;
  /** Its paragraph of an index. */
  readonly paragraph: string;
  readonly checksum: string;
}

export async function makePackage(
  name: string,
  items: readonly Item[],
  signer: Signer,
  { depends = '', provides = '', version = '1.0-r0' } = {},
): Promise<Made> {
  const data = await tar(items, true);
  const hash = createHash('sha256').update(data).digest('hex');
  const info = `# made by a test\npkgname = ${name}\npkgver = ${version}\ndatahash = ${hash}\n`;
  const control = await tar([{ name: '.PKGINFO', content: info }], false);
  const checksum = `Q1${createHash('sha1').update(control).digest('base64')}`;
  const bytes = Buffer.concat([await signed(control, signer), data]);
  const fields = `C:${checksum}\nP:${name}\nV:${version}\nA:x86_64\nS:${bytes.length}\nI:1\nT:a test\n`;
  const more = `${depends === '' ? '' : `D:${depends}\n`}${provides === '' ? '' : `p:${provides}\n`}`;
  return { name, version, bytes, checksum, paragraph: `${fields}${more}` };
}

export async function makeIndex(packages: readonly Made[], signer: Signer): Promise<Buffer> {
  const text = packages.map(({ paragraph }) => `${paragraph}\n`).join('');
  const items = [
    { name: 'DESCRIPTION', content: 'a test' },
    { name: 'APKINDEX', content: text },
  ];
  return signed(await tar(items, true), signer);
}
