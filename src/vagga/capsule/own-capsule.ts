import type { NumberRange } from '../../config/ids.ts';
import type { IdMapping } from '../../native/container.ts';
import { mapThrough } from '../run/id-map.ts';

// What a vagga that runs in a capsule knows of it: by a variable of its environment.

export const capsuleVariable = '_VAGGA_IN_CAPSULE';

export interface Capsule {
  readonly uids: readonly NumberRange[];
  readonly gids: readonly NumberRange[];
  /** Ids of the host behind those of the capsule. */
  readonly uidMap: readonly IdMapping[];
  readonly gidMap: readonly IdMapping[];
}

type Maps = Pick<Capsule, 'uidMap' | 'gidMap'>;

export const capsuleText = (capsule: Capsule): string => JSON.stringify(capsule);

/** The capsule that this process is in; null: none. */
export function ownCapsule(env: NodeJS.ProcessEnv = process.env): Capsule | null {
  const text = env[capsuleVariable];
  return text === undefined ? null : (JSON.parse(text) as Capsule);
}

/**
 * Maps as the host sees them: a build is kept with those, whether it was made in a capsule or not. Maps of a capsule's
 * own ids that have no id of the host behind them stay as they are.
 */
export function hostMaps<T extends Maps>(maps: T, capsule: Capsule | null = ownCapsule()): Maps {
  if (capsule === null) return maps;
  const { uidMap, gidMap } = maps;
  return { uidMap: mapThrough(capsule.uidMap, uidMap) ?? uidMap, gidMap: mapThrough(capsule.gidMap, gidMap) ?? gidMap };
}

/** Why a container cannot be built or run in the capsule; null: it can. */
export function otherIds(
  uids: readonly NumberRange[],
  gids: readonly NumberRange[],
  capsule: Capsule | null = ownCapsule(),
): string | null {
  if (capsule === null) return null;
  const same = (a: readonly NumberRange[], b: readonly NumberRange[]): boolean =>
    a.length === b.length && a.every(({ first, last }, index) => first === b[index]?.first && last === b[index]?.last);
  if (same(uids, capsule.uids) && same(gids, capsule.gids)) return null;
  return 'in a capsule a container must have the uids and gids of the capsule';
}
