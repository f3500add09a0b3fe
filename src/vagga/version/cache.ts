import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LookedAt } from '../../native/hash.ts';

/** What the hash was after a list of files, by what it was before and how the files looked. */
export interface HashCache {
  /** The state of the hash behind the files; null where it is not known. */
  find(before: Buffer, fingerprint: Buffer): Buffer | null;
  /** `startedMs`: a time before the files were looked at, since the epoch. */
  keep(before: Buffer, files: LookedAt, startedMs: number, after: Buffer): void;
}

export const noCache: HashCache = { find: () => null, keep: () => undefined };

/**
 * A file that changed so shortly before it was looked at may change once more and look the same: what file systems say
 * of times may be as coarse as this. Such a list is not kept, and read again the next time.
 */
const youngestMs = 2_000;
/** A few hundred bytes each. */
const mostEntries = 512;
const magic = Buffer.from('stellwerk vagga hash 1\n');
const checkBytes = 32;
const isEntry = /^[0-9a-f]{64}$/;

/** Entries are files of `folder`, which is made where it is absent. Nothing here fails: without a cache all is read. */
export function folderCache(folder: string): HashCache {
  return {
    find(before, fingerprint) {
      const key = keyOf(before, fingerprint);
      const path = join(folder, key.toString('hex'));
      try {
        const bytes = readFileSync(path);
        const state = checkedState(bytes, key, before.length);
        if (state !== null) utimesSync(path, new Date(), new Date());
        return state;
      } catch {
        return null;
      }
    },
    keep(before, files, startedMs, after) {
      if (files.newestChangeNs / 1_000_000n > BigInt(Math.floor(startedMs) - youngestMs)) return;
      const key = keyOf(before, files.fingerprint);
      const body = Buffer.concat([magic, key, after]);
      const path = join(folder, key.toString('hex'));
      const temporary = `${path}.${randomBytes(6).toString('hex')}`;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o755 });
        writeFileSync(temporary, Buffer.concat([body, checkOf(body)]), { flag: 'wx' });
        renameSync(temporary, path);
        removeOldest(folder);
      } catch {
        discard(temporary);
      }
    },
  };
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // its folder is none
  }
}

function keyOf(before: Buffer, fingerprint: Buffer): Buffer {
  return createHash('sha256').update(before).update(fingerprint).digest();
}

function checkOf(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest();
}

function checkedState(bytes: Buffer, key: Buffer, stateBytes: number): Buffer | null {
  if (bytes.length !== magic.length + key.length + stateBytes + checkBytes) return null;
  const body = bytes.subarray(0, bytes.length - checkBytes);
  const expected = Buffer.concat([magic, key]);
  if (!body.subarray(0, expected.length).equals(expected)) return null;
  return checkOf(body).equals(bytes.subarray(body.length)) ? body.subarray(expected.length) : null;
}

/** Entries of the least recent use go, and what a writer left behind that was killed. */
function removeOldest(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= mostEntries) return;
  const used = names.map((name) => {
    const time = statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return { name, time: isEntry.test(name) ? time : time - youngestMs };
  });
  used.sort((a, b) => a.time - b.time);
  for (const { name } of used.slice(0, used.length - (mostEntries * 3) / 4))
    rmSync(join(folder, name), { force: true });
}
