import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname as hostnameOfSystem } from 'node:os';
import { readTokens, type Token } from '../http/token.ts';

export interface IdentityOptions {
  readonly host: string;
  readonly hostname?: string;
  readonly name?: string;
  readonly machineId?: string;
  readonly clusterKeyFile?: string;
  /** Take part in a network without a key. */
  readonly openCluster?: boolean;
  readonly tokenFile?: string;
  /** Talks to other nodes over UDP. */
  readonly gossips: boolean;
}

/** Who this node is, and the secrets that it shares with the others. */
export interface Identity {
  /** 32 hex digits. */
  readonly id: string;
  /** Short; the key of this node in a schedule. */
  readonly hostname: string;
  readonly name: string;
  readonly keys: readonly Buffer[];
  readonly tokens: readonly Token[];
  readonly warnings: readonly string[];
}

/** Throws with file and line where a secret cannot be used, and where a network could listen in without one. */
export function readIdentity(options: IdentityOptions): Identity {
  const { id, random } = options.machineId === undefined ? readMachineId() : { id: options.machineId, random: false };
  const hostname = options.hostname ?? hostnameOfSystem().split('.')[0] ?? 'localhost';
  const open = options.gossips && options.clusterKeyFile === undefined && !isLoopback(options.host);
  if (open && options.openCluster !== true) {
    throw new Error(
      `--host ${options.host} is no loopback address: give a file with the cluster’s key (--cluster-key-file, of cantal-agent --cluster-key), or others could join or lead this cluster (--open-cluster allows them to)`,
    );
  }
  return {
    id,
    hostname,
    name: options.name ?? hostname,
    keys: options.clusterKeyFile === undefined ? [] : readKeys(options.clusterKeyFile),
    tokens:
      options.tokenFile === undefined ? [] : readTokens(readFileSync(options.tokenFile, 'utf8'), options.tokenFile),
    warnings: [
      ...(random ? ['/etc/machine-id cannot be used; the id of this node is random for this start'] : []),
      ...(open ? ['--open-cluster: no cluster key, whoever reaches this node may join and lead the cluster'] : []),
    ],
  };
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.')) || host === '::1';

/** machine-id(5); unreadable: random for this start. */
function readMachineId(): { readonly id: string; readonly random: boolean } {
  try {
    const text = readFileSync('/etc/machine-id', 'utf8').trim();
    if (/^[0-9a-f]{32}$/.test(text)) return { id: text, random: false };
  } catch {
    // An unreadable file counts as none.
  }
  return { id: randomBytes(16).toString('hex'), random: true };
}

/** Hex keys of at least 16 bytes, one per line; throws with file and line. */
function readKeys(file: string): Buffer[] {
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
