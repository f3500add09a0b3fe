import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** machine-id(5); unreadable: random for this start, and said so by the caller. */
export function readMachineId(): { readonly id: string; readonly random: boolean } {
  try {
    const text = readFileSync('/etc/machine-id', 'utf8').trim();
    if (/^[0-9a-f]{32}$/.test(text)) return { id: text, random: false };
  } catch {
    // An unreadable file counts as none.
  }
  return { id: randomBytes(16).toString('hex'), random: true };
}

/** Hex keys of at least 16 bytes, one per line; throws with file and line. */
export function readKeys(file: string): Buffer[] {
  const keys = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      const text = line.trim();
      if (text === '' || text.startsWith('#')) return [];
      if (!/^([0-9a-f]{2}){16,}$/i.test(text)) {
        throw new Error(`${file}:${index + 1}: a key is at least 32 hex digits (make one with: openssl rand -hex 32)`);
      }
      return [Buffer.from(text, 'hex')];
    });
  if (keys.length === 0) throw new Error(`${file}: no key in it (make one with: openssl rand -hex 32)`);
  return keys;
}

/** One token per line. */
export function readTokens(file: string): string[] {
  const tokens = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (tokens.length === 0) throw new Error(`${file}: no token in it (make one with: openssl rand -hex 16)`);
  return tokens;
}
