import { isObject, type JsonObject } from './canonical.ts';
import { rolesOfNode } from './render/variables.ts';

// The blast-radius guard (spec/verwalter.md 3.6): one wrong metric or one typo must not stop half of a cluster.

/** A schedule that would stop too much at once; the one before it stays until somebody decides, or the scheduler does. */
export interface Held {
  readonly hash: string;
  readonly data: JsonObject;
  /** Instances of the present schedule, and of this one. */
  readonly before: number;
  readonly after: number;
}

/** Half of all: a day's quiet hour stops less, and what stops more is worth a look. */
export const defaultMaxShrink = 0.5;

/** Instances of all daemons on all nodes, as the nodes will see them. */
export const countInstances = (data: JsonObject): number => {
  let sum = 0;
  for (const host of Object.keys(isObject(data.nodes) ? data.nodes : {})) {
    for (const { daemons } of rolesOfNode(data, host).values()) {
      if (!isObject(daemons)) continue;
      for (const daemon of Object.values(daemons)) {
        const count = isObject(daemon) ? daemon.instances : undefined;
        if (typeof count === 'number' && count > 0) sum += count;
      }
    }
  }
  return sum;
};

interface Hashed {
  readonly hash: string;
  readonly data: JsonObject;
}

/** The schedule as one to be held, or null where it may pass. */
export const heldBack = (present: Hashed | null, next: Hashed, maxShrink: number): Held | null => {
  if (present === null || present.hash === next.hash) return null;
  const before = countInstances(present.data);
  if (before === 0) return null;
  const after = countInstances(next.data);
  return before - after > maxShrink * before ? { hash: next.hash, data: next.data, before, after } : null;
};

export const heldText = ({ hash, before, after }: Held, maxShrink: number): string =>
  `the new schedule ${hash.slice(0, 8)} would stop ${before - after} of ${before} instances at once, more than ` +
  `${Math.round(maxShrink * 100)} %, and neither an action nor new metadata says why; the old one stays. ` +
  'POST /v1/guard with {"decision": "apply" or "discard", "hash"} decides';
