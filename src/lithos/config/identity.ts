import type { NumberRange } from '../../config/ids.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import type { HostIds } from '../../config/view.ts';
import { type IdMapRow, inRanges, mapId } from './common.ts';
import type { ContainerConfig } from './container.ts';
import type { SandboxConfig } from './sandbox.ts';

/** As whom a program runs: ids inside, and how they look from the host. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Empty: no user namespace, ids inside are the host's. */
  readonly uidMap: readonly IdMapRow[];
  readonly gidMap: readonly IdMapRow[];
}

interface Side {
  readonly who: 'User' | 'Group';
  readonly short: 'uid' | 'gid';
  readonly asked: number | null;
  readonly fallback: number | null;
  readonly ranges: readonly NumberRange[];
  readonly ownMap: readonly IdMapRow[];
  readonly sandboxMap: readonly IdMapRow[];
  readonly hostId: number;
}

/**
 * The rules of lithos 2.6. `host` is who starts containers: an ordinary user can only be itself outside, or what
 * /etc/subuid grants.
 */
export function decideIdentity(
  sandbox: LoadedConfig<SandboxConfig>,
  container: LoadedConfig<ContainerConfig>,
  host: HostIds,
): Identity | { readonly problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const [box, own] = [sandbox.value, container.value];
  if (box.uidMap.length > 0 && own.uidMap.length > 0) {
    return {
      problems: [container.problemAt('uid-map', `${sandbox.file} has an uid-map too; only one of both may map`)],
    };
  }
  const sides: readonly [Side, Side] = [
    {
      who: 'User',
      short: 'uid',
      asked: own.userId,
      fallback: box.defaultUser,
      ranges: box.allowUsers,
      ownMap: own.uidMap,
      sandboxMap: box.uidMap,
      hostId: host.uid,
    },
    {
      who: 'Group',
      short: 'gid',
      asked: own.groupId,
      fallback: box.defaultGroup,
      ranges: box.allowGroups,
      ownMap: own.gidMap,
      sandboxMap: box.gidMap,
      hostId: host.gid,
    },
  ];
  const [user, group] = sides.map((side) => {
    const key = side.who === 'User' ? 'user-id' : 'group-id';
    const id = side.asked ?? side.fallback;
    if (id === null) {
      problems.push(container.problemAt(key, `No ${side.who.toLowerCase()} id specified and no default is found`));
      return { id: 0, map: [] };
    }
    const told = sideProblem(side, id);
    if (told !== null) problems.push(container.problemAt(told.inMap ? `${side.short}-map` : key, told.message));
    const map = side.ownMap.length > 0 ? side.ownMap : side.sandboxMap;
    if (map.length > 0 || host.uid === 0) return { id, map };
    // Without privileges a user namespace is the only way to the others, and it maps nobody but ourselves.
    if (id !== side.hostId) {
      const message = `${side.short} ${id} is not the own one, ${side.hostId}: as an ordinary user this needs ${side.short}-map`;
      problems.push(container.problemAt(key, message));
    }
    return { id, map: [{ inside: id, outside: side.hostId, count: 1 }] };
  });
  if (problems.length > 0 || user === undefined || group === undefined) return { problems };
  return { uid: user.id, gid: group.id, uidMap: user.map, gidMap: group.map };
}

function sideProblem(side: Side, id: number): { readonly message: string; readonly inMap: boolean } | null {
  const { who, short, ranges } = side;
  const allow = who === 'User' ? 'allow_users' : 'allow_groups';
  if (side.ownMap.length > 0) {
    const within = side.ownMap.every(({ outside, count }) =>
      ranges.some(({ first, last }) => outside >= first && outside + count - 1 <= last),
    );
    if (!within) return { message: `Bad ${short} mapping (probably doesn't match ${allow})`, inMap: true };
    if (mapId(side.ownMap, id) !== null) return null;
    return { message: `${who} is not in mapped range (${short}: ${id})`, inMap: false };
  }
  if (!inRanges(ranges, id)) return { message: `${who} is not in allowed range (${short}: ${id})`, inMap: false };
  if (side.sandboxMap.length > 0 && mapId(side.sandboxMap, id) === null) {
    return { message: `${who} is not in mapped range (${short}: ${id})`, inMap: false };
  }
  return null;
}

/** An id inside as the host sees it; null where the namespace has no such id. */
export const outside = (map: readonly IdMapRow[], inside: number): number | null =>
  map.length === 0 ? inside : mapId(map, inside);

/** Who, seen from the host, does the mounting and who is the program: both have to find their way through the image. */
export function hostIdsOf(identity: Identity): readonly HostIds[] {
  const setUp = {
    uid: outside(identity.uidMap, 0) ?? outside(identity.uidMap, identity.uid) ?? identity.uid,
    gid: outside(identity.gidMap, 0) ?? outside(identity.gidMap, identity.gid) ?? identity.gid,
  };
  const program = {
    uid: outside(identity.uidMap, identity.uid) ?? identity.uid,
    gid: outside(identity.gidMap, identity.gid) ?? identity.gid,
  };
  return [setUp, program];
}
