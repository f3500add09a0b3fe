import { lstatSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import type { Input } from './inputs.ts';
import type { Condition, Identity } from './plan.ts';

/**
 * A file that changed so shortly before this process began may have been read before it changed once more, and look the
 * same: as for the cache of hashes (version/cache.ts).
 */
export const youngestMs = 2_000;

/** Of statfs(2). Times of all others may be those of another host, or come late. */
const localFileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
]);

/** How the inputs are now; a `problem`: one that says nothing for sure. `startMs`: when this process began. */
export function conditionsOf(
  inputs: readonly Input[],
  startMs: number,
): { readonly conditions: readonly Condition[] } | { readonly problem: string } {
  const conditions: Condition[] = [];
  const devices = new Set<bigint>();
  for (const { look, path, existed } of inputs) {
    const identity = look === 'entry' || look === 'folder' ? lookAt(path, lstatSync) : lookAt(path, statSync);
    if ((identity !== null) !== existed) return { problem: `${path} came or went meanwhile` };
    if (identity === null) {
      conditions.push({ kind: 'absent', path });
      continue;
    }
    if (look === 'exists') {
      conditions.push({ kind: 'exists', path });
      continue;
    }
    if (look !== 'folder' && identity.ctimeNs / 1_000_000n > BigInt(Math.floor(startMs)) - BigInt(youngestMs)) {
      return { problem: `${path} has changed less than ${youngestMs / 1000} seconds before` };
    }
    if (!devices.has(identity.dev)) {
      if (!localFileSystems.has(statfsSync(path).type))
        return { problem: `${path} is on a file system of its own kind` };
      devices.add(identity.dev);
    }
    conditions.push({ kind: look, path, identity });
  }
  return { conditions };
}

export function holds(condition: Condition): boolean {
  const { kind, path } = condition;
  switch (kind) {
    case 'absent':
      return lookAt(path, statSync) === null;
    case 'exists':
      return lookAt(path, statSync) !== null;
    case 'file':
    case 'entry': {
      const now = lookAt(path, kind === 'file' ? statSync : lstatSync);
      const was = condition.identity;
      return now !== null && (Object.keys(was) as (keyof Identity)[]).every((key) => now[key] === was[key]);
    }
    default:
      return false; // only the fast path proves the others
  }
}

/** A symbolic link that leads where it must; null: it does not. */
export function linkCondition(path: string, target: string): Condition | null {
  try {
    return readlinkSync(path) === target ? { kind: 'link', path, target } : null;
  } catch {
    return null;
  }
}

function lookAt(path: string, look: typeof statSync): Identity | null {
  const stats = look(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return null;
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = stats;
  return { dev, ino, size, mtimeNs, ctimeNs, mode };
}
