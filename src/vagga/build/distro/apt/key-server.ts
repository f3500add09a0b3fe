import type { Fetcher } from '../../fetch.ts';
import { dearmored, fingerprints } from './openpgp-key.ts';

export const ubuntuKeyServer = 'hkps://keyserver.ubuntu.com:443';

/** An address as !AptTrust takes it, as one of HTTP; a bare name stands for hkps. */
export function keyServerAddress(server: string): string {
  const [, scheme = 'hkps', host = '', port] = /^(?:(\w+):\/\/)?([^/:]+)(?::(\d+))?\/*$/.exec(server) ?? [];
  const plain = scheme === 'hkp' || scheme === 'http';
  if (host === '' || (!plain && scheme !== 'hkps' && scheme !== 'https')) {
    throw new Error(`key server "${server}": expected hkps://HOST, hkp://HOST, https://HOST or http://HOST`);
  }
  const usual = scheme === 'hkp' ? ':11371' : '';
  return `${plain ? 'http' : 'https'}://${host}${port === undefined ? usual : `:${port}`}`;
}

/** The keyring of a key that is known by its fingerprint or its long id; what comes is that key, or it is refused. */
export async function fetchKey(fetcher: Fetcher, server: string, asked: string): Promise<Buffer> {
  const id = asked.replace(/^0x/i, '').replaceAll(' ', '').toUpperCase();
  if (!/^([0-9A-F]{16}|[0-9A-F]{40})$/.test(id)) {
    throw new Error(
      `key "${asked}": expected a fingerprint of 40 hex digits, or a key id of 16 (shorter ones can be forged)`,
    );
  }
  const url = `${keyServerAddress(server)}/pks/lookup?op=get&options=mr&search=0x${id}`;
  const bytes = await fetcher.bytes(url);
  if (bytes === null) throw new Error(`${server} does not have the key ${id}`);
  let keyring: Buffer;
  let found: readonly string[];
  try {
    keyring = dearmored(bytes);
    found = fingerprints(keyring);
  } catch (error) {
    throw new Error(`${url}: ${(error as Error).message}`);
  }
  if (!found.some((fingerprint) => fingerprint.endsWith(id))) {
    throw new Error(`${url}: the answer is another key: ${found[0] ?? 'none'}`);
  }
  return keyring;
}
