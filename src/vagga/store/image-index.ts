import { createHash } from 'node:crypto';
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { isFailure, type NativeFailure } from '../../native/container.ts';
import { type HashedFile, hashAddon } from '../../native/hash.ts';

// What a root holds, as it was when it was built: `index.ds1` beside it. Ours in form, one entry a line, in the order of
// the paths' parts, and a last line that sums up the others:
//
//     vagga-index 1 blake2b-256
//     d 0755 0 0 "/etc"
//     f 0644 0 0 5 8f0c… "/etc/hello"
//     l 0 0 "hello" "/etc/link"
//     o 020666 0 0 "/dev/null"
//     end 0a1b…
//
// Ids are those of the container, modes octal, sizes in bytes, paths JSON strings of bytes (a letter each).

export const indexFile = 'index.ds1';
const head = 'vagga-index 1 blake2b-256';

export type IndexEntry =
  | {
      readonly kind: 'folder';
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly size: number;
      /** BLAKE2b-256 in hex. */
      readonly digest: string;
    }
  | {
      readonly kind: 'link';
      readonly path: string;
      readonly uid: number;
      readonly gid: number;
      readonly target: string;
    }
  /** Socket, pipe or device: with the bits of its kind in the mode. */
  | {
      readonly kind: 'other';
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

const octal = (mode: number): string => `0${mode.toString(8)}`;

function formatEntry(entry: IndexEntry): string {
  const { path, uid, gid } = entry;
  switch (entry.kind) {
    case 'folder':
      return `d ${octal(entry.mode)} ${uid} ${gid} ${JSON.stringify(path)}`;
    case 'file':
      return `f ${octal(entry.mode)} ${uid} ${gid} ${entry.size} ${entry.digest} ${JSON.stringify(path)}`;
    case 'link':
      return `l ${uid} ${gid} ${JSON.stringify(entry.target)} ${JSON.stringify(path)}`;
    case 'other':
      return `o ${octal(entry.mode)} ${uid} ${gid} ${JSON.stringify(path)}`;
    default:
      return entry satisfies never;
  }
}

const sumOf = (body: string): string => createHash('sha256').update(body).digest('hex');

export function formatIndex(entries: readonly IndexEntry[]): string {
  const body = `${[head, ...entries.map(formatEntry)].join('\n')}\n`;
  return `${body}end ${sumOf(body)}\n`;
}

/** A `problem` where it is no index, or not all of one. */
export function parseIndex(text: string): readonly IndexEntry[] | { readonly problem: string } {
  const [, body = '', sum] = /^(.*\n)end ([0-9a-f]{64})\n$/s.exec(text) ?? [];
  if (sum === undefined || sum !== sumOf(body)) return { problem: 'it is damaged' };
  const [first, ...lines] = body.trimEnd().split('\n');
  if (first !== head) return { problem: `it is of another kind: ${first}` };
  const entries: IndexEntry[] = [];
  for (const line of lines) {
    const entry = parseEntry(line);
    if (entry === null) return { problem: `a line that is no entry: ${line}` };
    entries.push(entry);
  }
  return entries;
}

const quoted = '("(?:[^"\\\\]|\\\\.)*")';
const plain = new RegExp(`^([do]) (0[0-7]{1,7}) (\\d{1,10}) (\\d{1,10}) ${quoted}$`);
const file = new RegExp(`^f (0[0-7]{1,5}) (\\d{1,10}) (\\d{1,10}) (\\d{1,16}) ([0-9a-f]{64}) ${quoted}$`);
const link = new RegExp(`^l (\\d{1,10}) (\\d{1,10}) ${quoted} ${quoted}$`);

function parseEntry(line: string): IndexEntry | null {
  try {
    const asFile = file.exec(line);
    if (asFile !== null) {
      const [, mode = '', uid, gid, size, digest = '', path = ''] = asFile;
      const owner = { uid: Number(uid), gid: Number(gid) };
      return { kind: 'file', path: text(path), mode: Number.parseInt(mode, 8), ...owner, size: Number(size), digest };
    }
    const asLink = link.exec(line);
    if (asLink !== null) {
      const [, uid, gid, target = '', path = ''] = asLink;
      return { kind: 'link', path: text(path), uid: Number(uid), gid: Number(gid), target: text(target) };
    }
    const [, kind, mode = '', uid, gid, path] = plain.exec(line) ?? [];
    if (path === undefined) return null;
    const entry = { path: text(path), mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid) };
    return { kind: kind === 'd' ? 'folder' : 'other', ...entry };
  } catch {
    return null;
  }
}

const text = (json: string): string => JSON.parse(json) as string;

export interface IndexDifference {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly corrupted: readonly string[];
}

export function compareIndexes(expected: readonly IndexEntry[], found: readonly IndexEntry[]): IndexDifference {
  const before = new Map(expected.map((entry) => [entry.path, formatEntry(entry)]));
  const now = new Map(found.map((entry) => [entry.path, formatEntry(entry)]));
  return {
    missing: [...before.keys()].filter((path) => !now.has(path)),
    extra: [...now.keys()].filter((path) => !before.has(path)),
    corrupted: [...before].filter(([path, line]) => now.has(path) && now.get(path) !== line).map(([path]) => path),
  };
}

/** A path of the index on the host: its letters are bytes. */
export const pathOfIndex = (root: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(root), Buffer.from(path, 'latin1')]);

/** Looks at all that a root holds; files are read by so many threads. As root of the namespace that its ids are of. */
export async function indexOf(root: string, threads: number): Promise<readonly IndexEntry[] | NativeFailure> {
  const listed = await listAll(root, threads);
  if (isFailure(listed)) return listed;
  const plainOnes = listed.filter(({ kind }) => kind !== 'o');
  const addon = hashAddon();
  const looked = await addon.lookAtFiles(
    {
      root,
      below: '',
      entries: Buffer.from(plainOnes.map(({ path }) => `${path}\0`).join(''), 'latin1'),
      prefix: '',
      form: 'content',
      ...{ preserveModes: true, umask: 0, ownerUid: -1, ownerGid: -1, uidMap: [], gidMap: [] },
    },
    threads,
  );
  if (isFailure(looked)) return looked;
  const hashed = await addon.hashFiles(looked.list, addon.initial(32), threads, true);
  if (isFailure(hashed)) return hashed;
  const files = hashed.files ?? [];
  let at = 0;
  return listed.map((each) => {
    const path = `/${each.path}`;
    if (each.kind === 'o') {
      const { mode, uid, gid } = lstatSync(pathOfIndex(root, path)) as Stats;
      return { kind: 'other', path, mode, uid, gid };
    }
    const found = files[at];
    at += 1;
    if (found === undefined) throw new Error(`${path}: no hash`);
    return entryOf(root, path, each.kind, found);
  });
}

function entryOf(root: string, path: string, kind: string, found: HashedFile): IndexEntry {
  const words = found.head.split('\0');
  const field = (key: string): number => Number(words[words.indexOf(key, 2) + 1]);
  const owner = { uid: field('uid'), gid: field('gid') };
  if (kind === 'l') {
    return { kind: 'link', path, ...owner, target: readlinkSync(pathOfIndex(root, path), 'latin1') };
  }
  const mode = field('mode');
  if (kind === 'd') return { kind: 'folder', path, mode, ...owner };
  return { kind: 'file', path, mode, ...owner, size: found.size, digest: found.digest?.toString('hex') ?? '' };
}

interface Listed {
  /** Relative; a letter is a byte. */
  readonly path: string;
  readonly kind: string;
}

async function listAll(root: string, threads: number): Promise<readonly Listed[] | NativeFailure> {
  const inFolder = new Map<string, readonly Listed[]>();
  for (let level: readonly string[] = ['']; level.length > 0; ) {
    const folders = Buffer.from(level.map((path) => `${path === '' ? '.' : path}\0`).join(''), 'latin1');
    const names = await hashAddon().listFolders(root, '', folders, threads);
    if (isFailure(names)) return names;
    const texts = names.toString('latin1').split('\0');
    const next: string[] = [];
    let at = 0;
    for (const folder of level) {
      const entries: Listed[] = [];
      for (let each = texts[at++]; each !== undefined && each !== ''; each = texts[at++]) {
        const path = folder === '' ? each.slice(1) : join(folder, each.slice(1));
        entries.push({ path, kind: each.charAt(0) });
        if (each.startsWith('d')) next.push(path);
      }
      inFolder.set(folder, entries);
    }
    level = next;
  }
  const all: Listed[] = [];
  const collect = (folder: string): void => {
    for (const entry of inFolder.get(folder) ?? []) {
      all.push(entry);
      if (entry.kind === 'd') collect(entry.path);
    }
  };
  collect('');
  return all;
}
