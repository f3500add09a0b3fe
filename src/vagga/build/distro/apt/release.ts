import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStanzas, type Stanza, words } from './stanza.ts';

/** What a suite says of itself (a Release file). */
export interface Release {
  readonly suite: string;
  readonly codename: string;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  /** Files can be had by their sums, which no update of the mirror changes under our hands. */
  readonly byHash: boolean;
  readonly validUntil: Date | null;
  /** Path below the suite → sum and size. */
  readonly files: ReadonlyMap<string, { readonly sha256: string; readonly size: number }>;
}

export function parseRelease(text: string): Release {
  const fields: Stanza = parseStanzas(text)[0] ?? new Map();
  const files = new Map<string, { sha256: string; size: number }>();
  for (const line of (fields.get('sha256') ?? '').split('\n')) {
    const [sha256, size, path] = words(line);
    if (path !== undefined && /^[0-9a-f]{64}$/.test(sha256 ?? '')) {
      files.set(path, { sha256: sha256 ?? '', size: Number(size) });
    }
  }
  const until = Date.parse(fields.get('valid-until') ?? '');
  return {
    suite: fields.get('suite') ?? '',
    codename: fields.get('codename') ?? '',
    components: words(fields.get('components')),
    architectures: words(fields.get('architectures')),
    byHash: fields.get('acquire-by-hash') === 'yes',
    validUntil: Number.isNaN(until) ? null : new Date(until),
    files,
  };
}

/** The text of an InRelease file that a key of these keyrings has signed; throws where none has. */
export async function signedText(inRelease: Uint8Array, keyrings: readonly string[], subject: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'vagga-gpgv-'));
  try {
    const [signed, text] = [join(folder, 'InRelease'), join(folder, 'Release')];
    writeFileSync(signed, inRelease);
    const rings = keyrings.filter((file) => existsSync(file)).flatMap((file) => ['--keyring', file]);
    const status = await gpgv(['--homedir', folder, '--status-fd', '1', ...rings, '--output', text, signed]);
    // One key of several may be unknown here; none may disagree.
    const valid = /^\[GNUPG:\] VALIDSIG /m.test(status) && !/^\[GNUPG:\] (BADSIG|EXPKEYSIG|REVKEYSIG) /m.test(status);
    if (!valid) {
      const unknown = [...status.matchAll(/^\[GNUPG:\] NO_PUBKEY (\w+)/gm)].map(([, id]) => id);
      const why =
        unknown.length > 0 ? `signed by ${unknown.join(', ')}, of which no keyring here knows one` : 'not signed';
      throw new Error(`${subject}: ${why}`);
    }
    return readFileSync(text, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What it says on its status descriptor; its exit code says no more. */
function gpgv(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('gpgv', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let status = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      status += part;
    });
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new Error('gpgv is not installed on this host; it checks signatures (apt-get install gpgv)')
          : error,
      ),
    );
    child.on('close', () => resolve(status));
  });
}
