import { accessSync, constants, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { NumberRange } from '../../config/ids.ts';
import type { IdMapping } from '../../native/container.ts';
import { otherIds } from '../capsule/own-capsule.ts';
import { noteInput } from '../plan/inputs.ts';
import {
  type IdKind,
  type IdSpan,
  identityMap,
  maximumMap,
  type Outcome,
  requestedMap,
  singleMap,
  subordinateIds,
  type User,
} from './id-map.ts';

export interface IdMaps {
  readonly uidMap: readonly IdMapping[];
  readonly gidMap: readonly IdMapping[];
}

/** Where the maps come from; tests name other files. */
export interface IdSources {
  readonly user: User;
  readonly files: Readonly<Record<IdKind, string>>;
  /** Folders in which newuidmap and newgidmap are looked for. */
  readonly path: string;
}

export function idSources(env: NodeJS.ProcessEnv = process.env): IdSources {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  return {
    user: { name: accountName(uid), uid, gid },
    files: { uid: '/etc/subuid', gid: '/etc/subgid' },
    path: env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  };
}

/** The maps of a container with these `uids` and `gids`; a `problem` is exit code 121. */
export function containerIdMaps(
  uids: readonly NumberRange[],
  gids: readonly NumberRange[],
  sources: IdSources = idSources(),
): Outcome<IdMaps> {
  const problem = otherIds(uids, gids);
  if (problem !== null) return { problem };
  return bothMaps(sources, (kind, granted, own) => requestedMap(kind === 'uid' ? uids : gids, granted, own, kind));
}

/** The widest maps that this user has: for removing and copying files of any container. */
export function maximumIdMaps(sources: IdSources = idSources()): Outcome<IdMaps> {
  return bothMaps(sources, (_, granted, own) => ({ value: maximumMap(granted, own), warnings: [] }));
}

type Compute = (kind: IdKind, granted: readonly IdSpan[], own: number) => Outcome<readonly IdMapping[]>;

function bothMaps(sources: IdSources, compute: Compute): Outcome<IdMaps> {
  const uid = grantedIds('uid', sources);
  if ('problem' in uid) return uid;
  const gid = grantedIds('gid', sources);
  if ('problem' in gid) return gid;
  const warnings = [...uid.warnings, ...gid.warnings];
  if (uid.value === 'whole' || gid.value === 'whole') {
    return {
      value: {
        uidMap: identityMap(readFileSync('/proc/self/uid_map', 'utf8')),
        gidMap: identityMap(readFileSync('/proc/self/gid_map', 'utf8')),
      },
      warnings,
    };
  }
  const { user } = sources;
  const mapper = ['newuidmap', 'newgidmap'].find((name) => !isProgram(name, sources.path));
  // As root the maps are written without them.
  if (uid.value === 'none' || gid.value === 'none' || (mapper !== undefined && user.uid !== 0)) {
    const why =
      mapper !== undefined && user.uid !== 0
        ? `${mapper} is not found in PATH (Debian: apt-get install uidmap)`
        : `${sources.files.uid} and ${sources.files.gid} grant no ids to ${user.name} (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user.name})`;
    return {
      value: { uidMap: singleMap(user.uid), gidMap: singleMap(user.gid) },
      warnings: [...warnings, `${why}; the container has the one id 0, and chown to any other fails`],
    };
  }
  const uidMap = compute('uid', uid.value, user.uid);
  if ('problem' in uidMap) return uidMap;
  const gidMap = compute('gid', gid.value, user.gid);
  if ('problem' in gidMap) return gidMap;
  return { value: { uidMap: uidMap.value, gidMap: gidMap.value }, warnings };
}

/** `whole`: root to whom nothing is granted needs no grant. */
function grantedIds(kind: IdKind, { user, files }: IdSources): Outcome<readonly IdSpan[] | 'none' | 'whole'> {
  const nothing = user.uid === 0 ? 'whole' : 'none';
  let text: string;
  noteInput('file', files[kind]);
  try {
    text = readFileSync(files[kind], 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const warnings = missing ? [] : [`${files[kind]}: ${(error as Error).message}`];
    return { value: nothing, warnings };
  }
  const granted = subordinateIds(text, files[kind], user, kind === 'uid' ? user.uid : user.gid);
  if ('problem' in granted) return granted;
  return granted.value.length > 0 ? granted : { value: nothing, warnings: granted.warnings };
}

function isProgram(name: string, path: string): boolean {
  return path.split(':').some((folder) => {
    try {
      accessSync(join(folder || '.', name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** As `id -u -n`; the number where the account has no name. */
function accountName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}
