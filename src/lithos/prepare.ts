import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { containerAddon, isFailure } from '../native/container.ts';
import { symlinkBetween } from './config/mounts.ts';
import type { DesiredInstance, Preparation } from './desired.ts';

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
      // The look above words it; what holds against a container that is quicker is in the call.
      const made = containerAddon().makeFolder(base, path, mode, uid, gid);
      return isFailure(made) ? `prepare: ${made.message}` : null;
    }
    case 'beneath': {
      const link = symlinkBetween(preparation.base, preparation.path);
      return link === null ? null : `prepare: ${link} is a symbolic link`;
    }
    default:
      return preparation satisfies never;
  }
}
