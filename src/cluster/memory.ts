import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { splitAddr } from './addr.ts';
import { writeDurably } from './durable-file.ts';

/**
 * What a node must remember across restarts. Votes are not among it: a restarted node waits until every candidature of
 * its former life is over (election/state.ts). It is:
 * - `life`: the number of its last start. Others drop packets of an earlier life as replays, so it may only rise, also
 *   where the clock was set back.
 * - `peers.json`: where the others were (spec/cantal.md 5.5), so that a cluster of which every node was restarted finds
 *   together again; and how many they were: a node that is restarted where it reaches nobody must not take itself for
 *   the whole cluster, lead, and stop what the others run.
 */
export interface Memory {
  /** For this start; on disk before it returns, where a disk can be written. */
  readonly life: number;
  /** "ip:port" */
  readonly peers: readonly string[];
  /** How many other nodes were known when it was last written. */
  readonly others: number;
  /** Never rejects: what cannot be written is said. One write at a time, the newest wins. */
  remember(peers: readonly string[], others: number): Promise<void>;
}

/** Enough to find the others by. */
const mostPeers = 1_000;
/** A clock further ahead than this is broken, and must not leave its mark in the file for ever: the year 2200. */
const latestLife = Date.UTC(2200, 0);

/** `folder` null: nothing outlives this start, whose number is then that of the clock. */
export async function openMemory(folder: string | null, wallMs: number, log: (line: string) => void): Promise<Memory> {
  if (folder === null) return { life: Math.floor(wallMs), peers: [], others: 0, remember: () => Promise.resolve() };
  const lifeFile = join(folder, 'life');
  const peersFile = join(folder, 'peers.json');

  await mkdir(folder, { recursive: true }).catch((error: Error) => log(`${folder} cannot be made: ${error.message}`));
  const former = read(lifeFile, log, parseLife) ?? 0;
  const life = Math.max(Math.floor(wallMs), former + 1);
  await write(lifeFile, `${life}\n`, log);
  let wanted = '';
  let written = '';
  let writing: Promise<void> | null = null;

  const catchUp = async (): Promise<void> => {
    while (written !== wanted) {
      const text = wanted;
      await write(peersFile, text, log);
      written = text;
    }
    writing = null;
  };

  return {
    life,
    ...(read(peersFile, log, parsePeers) ?? { peers: [], others: 0 }),
    remember(peers, others) {
      wanted = `${JSON.stringify({ ip_addresses: peers.slice(0, mostPeers), nodes: others })}\n`;
      writing ??= catchUp();
      return writing;
    },
  };
}

/** Null where there is none, or none that can be used; the latter is said. */
function read<T>(path: string, log: (line: string) => void, parse: (text: string) => T): T | null {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    log(`${path} cannot be used, starting without it: ${(error as Error).message}`);
    return null;
  }
}

function write(path: string, text: string, log: (line: string) => void): Promise<void> {
  return writeDurably(path, text).catch((error: Error) => log(`${path} cannot be written, going on: ${error.message}`));
}

function parseLife(text: string): number {
  const value = /^\d{1,15}\n$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= latestLife)) throw new Error('not the number of a start');
  return value;
}

function parsePeers(text: string): Pick<Memory, 'peers' | 'others'> {
  const value: unknown = JSON.parse(text);
  const { ip_addresses: list = null, nodes = 0 } = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly ip_addresses?: unknown;
    readonly nodes?: unknown;
  };
  if (!Array.isArray(list) || list.length > mostPeers) throw new Error('no list "ip_addresses"');
  const peers = list.map((addr: unknown, index) => {
    if (typeof addr === 'string' && splitAddr(addr) !== null) return addr;
    throw new Error(`ip_addresses[${index}] is no IP:PORT`);
  });
  // Never more than there are addresses: a number that is too high would keep every leader away.
  const others = typeof nodes === 'number' && Number.isInteger(nodes) && nodes >= 0 ? nodes : 0;
  return { peers, others: Math.min(others, peers.length) };
}
