import type { Leadership } from './leadership.ts';

/** A change of this node's role, for people: who led when, as this node saw it. */
export interface RoleChange {
  /** Milliseconds since the epoch. */
  readonly at_ms: number;
  readonly epoch: number;
  readonly role: Leadership['role'];
  /** Id of who leads from then on; null: nobody that this node knows of. */
  readonly leader: string | null;
}

/** The last ones; a week of a quiet cluster, and the whole of a bad hour. */
const mostChanges = 100;

export interface Timeline {
  /** At every step; only what differs from the last is kept. */
  note(selfId: string, leadership: Leadership, wallMs: number): void;
  /** The oldest first. */
  changes(): readonly RoleChange[];
  /** When this node last knew a leader, milliseconds since the epoch; null: never. */
  lastStableMs(wallMs: number): number | null;
}

export function createTimeline(): Timeline {
  const changes: RoleChange[] = [];
  let known: RoleChange | null = null;
  let leftMs: number | null = null;
  return {
    note(selfId, leadership, wallMs) {
      const { role, epoch } = leadership;
      const leader =
        leadership.role === 'leader' ? selfId : leadership.role === 'follower' ? leadership.leaderId : null;
      if (known?.role === role && known.epoch === epoch && known.leader === leader) return;
      // A node without a leader that counts up epochs is one thing that goes on.
      if (role === 'none' && known?.role === 'none') return;
      if (known !== null && known.leader !== null && leader === null) leftMs = wallMs;
      known = { at_ms: Math.round(wallMs), epoch, role, leader };
      changes.push(known);
      if (changes.length > mostChanges) changes.shift();
    },
    changes: () => [...changes],
    lastStableMs: (wallMs) => (known !== null && known.leader !== null ? Math.round(wallMs) : leftMs),
  };
}
