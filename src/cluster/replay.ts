/**
 * Tells packets that were here before. Each node numbers its datagrams from 1 in each life, and lives only rise
 * (memory.ts); so of each sender we keep the life, the highest number and which of the 256 below it came.
 */
export interface ReplayGuard {
  check(sender: string, life: number, counter: number, nowMs: number): ReplayVerdict;
}

/** `earlier-life`: a replay, a second machine with the same id, or a clock set back on a node that lost its memory. */
export type ReplayVerdict = 'new' | 'replayed' | 'earlier-life';

/** Datagrams overtake each other by a few, never by hundreds. */
const window = 256;
const mask = (1n << BigInt(window)) - 1n;
/** A node that lost its memory and whose clock went back is heard again after so long a silence of its former life. */
const lapseMs = 600_000;
/** Only key holders get in here: ten times the largest cluster that we think of. */
const mostSenders = 10_000;

interface Sender {
  readonly life: number;
  readonly highest: number;
  /** Bit n: `highest - n` came. */
  readonly came: bigint;
  readonly lastMs: number;
}

export function createReplayGuard(): ReplayGuard {
  // In order of the last packet, so that the longest silent one is the first to be forgotten.
  const senders = new Map<string, Sender>();

  const keep = (id: string, sender: Sender): 'new' => {
    senders.delete(id);
    senders.set(id, sender);
    if (senders.size > mostSenders) {
      const [oldest] = senders.keys();
      if (oldest !== undefined) senders.delete(oldest);
    }
    return 'new';
  };

  return {
    check(id, life, counter, nowMs) {
      const known = senders.get(id);
      const fresh: Sender = { life, highest: counter, came: 1n, lastMs: nowMs };
      if (known === undefined || life > known.life) return keep(id, fresh);
      if (life < known.life) return nowMs - known.lastMs >= lapseMs ? keep(id, fresh) : 'earlier-life';
      const ahead = counter - known.highest;
      if (ahead > 0) {
        const came = ahead >= window ? 1n : ((known.came << BigInt(ahead)) | 1n) & mask;
        return keep(id, { life, highest: counter, came, lastMs: nowMs });
      }
      // Too old to know: better lost, as datagrams may be, than told twice.
      if (-ahead >= window) return 'replayed';
      const bit = 1n << BigInt(-ahead);
      if ((known.came & bit) !== 0n) return 'replayed';
      return keep(id, { ...known, came: known.came | bit, lastMs: nowMs });
    },
  };
}
