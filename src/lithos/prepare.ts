import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { symlinkBetween } from './config/mounts.ts';
import type { DesiredInstance, Preparation } from './desired.ts';

/** Modes of folders that only lead to the one that was asked for. */
const leadingMode = 0o755;

/**
 * Makes what an instance needs on the host, before each start and after its state dir was made: copies of hosts and
 * resolv.conf, folders of volumes. Null when all is there; otherwise the start has to wait, and the message says why.
 */
export function prepareInstance({ preparations }: Pick<DesiredInstance, 'preparations'>): { message: string } | null {
  for (const preparation of preparations) {
    try {
      const message = prepare(preparation);
      if (message !== null) return { message };
    } catch (error) {
      const { syscall, code, path = preparation.path, message } = error as NodeJS.ErrnoException;
      return { message: syscall === undefined ? message : `prepare: ${syscall}: ${path}: ${code}` };
    }
  }
  return null;
}

function prepare(preparation: Preparation): string | null {
  switch (preparation.kind) {
    case 'file': {
      const { path, copyFrom, append, mode } = preparation;
      const copied = copyFrom === null ? '' : readFileSync(copyFrom, 'utf8');
      const between = copied === '' || copied.endsWith('\n') ? '' : '\n';
      // A running neighbour may have the old file mounted: it keeps that one whole.
      const next = `${path}.new`;
      rmSync(next, { force: true });
      writeFileSync(next, copied + between + append, { flag: 'wx' });
      chmodSync(next, mode);
      renameSync(next, path);
      return null;
    }
    case 'folder': {
      const { base, path, mode, uid, gid, fresh } = preparation;
      if (fresh) rmSync(path, { recursive: true, force: true });
      const link = symlinkBetween(base, path);
      if (link !== null) return `prepare: ${link} is a symbolic link`;
      if (exists(path)) return null;
      if (dirname(path) !== base) makeLeading(base, dirname(path));
      mkdirSync(path);
      chownSync(path, uid, gid);
      chmodSync(path, mode);
      return null;
    }
    case 'beneath': {
      const link = symlinkBetween(preparation.base, preparation.path);
      return link === null ? null : `prepare: ${link} is a symbolic link`;
    }
    default:
      return preparation satisfies never;
  }
}

function makeLeading(base: string, path: string): void {
  let at = base;
  for (const part of path.slice(base.length).split('/')) {
    if (part === '') continue;
    at = join(at, part);
    if (exists(at)) continue;
    mkdirSync(at);
    chmodSync(at, leadingMode);
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
