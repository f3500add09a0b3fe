import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parsePublicKey, readPrivateKeys } from './secrets/openssh-key.ts';
import { decrypt, keyHashOf, parseWire, sealSecret } from './secrets/secret.ts';

/** lithos 3, lithos_crypt. `-d -` takes the data from standard input, where no other user's `ps` shows it. */
const dataOf = async (data: string): Promise<string> =>
  data === '-' ? (await text(process.stdin)).replace(/\r?\n$/, '') : data;

/** A file, or the line itself. */
function publicLineOf(key: string): { readonly line: string } | { readonly problem: string } {
  if (key.startsWith('ssh-')) return { line: key };
  try {
    return { line: readFileSync(key, 'utf8') };
  } catch (error) {
    return { problem: `${key}: cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

function fail(message: string): number {
  process.stderr.write(`lithos crypt: ${message}\n`);
  return 1;
}

export async function cryptEncrypt(options: { key: string; data: string; namespace: string }): Promise<number> {
  const key = publicLineOf(options.key);
  if ('problem' in key) return fail(key.problem);
  const sealed = sealSecret(key.line, options.namespace, await dataOf(options.data));
  if ('problem' in sealed) return fail(sealed.problem);
  process.stdout.write(`${sealed.wire}\n`);
  return 0;
}

export async function cryptDecrypt(options: { key: string; data: string }): Promise<number> {
  const read = readPrivateKeys(options.key);
  if ('problem' in read) return fail(read.problem);
  const wire = parseWire(await dataOf(options.data));
  if ('problem' in wire) return fail(wire.problem);
  const reasons: string[] = [];
  for (const key of read.keys) {
    const opened = decrypt(wire, key);
    if ('reason' in opened) {
      reasons.push(opened.reason);
      continue;
    }
    process.stderr.write(`namespace:${opened.namespace}\n`);
    process.stdout.write(opened.secret);
    return 0;
  }
  return fail(reasons.join('; '));
}

/** Whether a ciphertext is for this key: by its hash, without the private half. */
export async function cryptCheckKey(options: { key: string; data: string }): Promise<number> {
  const key = publicLineOf(options.key);
  if ('problem' in key) return fail(key.problem);
  const parsed = parsePublicKey(key.line);
  if ('problem' in parsed) return fail(parsed.problem);
  const wire = parseWire(await dataOf(options.data));
  if ('problem' in wire) return fail(wire.problem);
  const own = keyHashOf(parsed.publicKey);
  return own === wire.keyHash ? 0 : fail(`sealed for key ${wire.keyHash}, this one is ${own}`);
}
