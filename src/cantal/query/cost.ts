import type { HttpReply } from '../../http/route.ts';

/** What a query may still read, counted down. */
export interface Budget {
  samples: number;
}

/**
 * Bounds what one client makes the event loop do: each may read so many samples a second in the long run, and some more
 * at once. A query is let in while its client has no debt; what it read is then written down.
 */
export interface CostLimit {
  /** Null: let in. Otherwise the seconds until it will be. */
  refusal(client: string): number | null;
  charge(client: string, samples: number): void;
}

/** Reading and answering costs about 0.1 µs a sample: so this is a fifth of the event loop for each client. */
const samplesPerSecond = 2_000_000;
/** Ten of the largest queries. */
const burst = 20_000_000;
/** Of one that goes to all hosts, whatever it reads there: four a second in the long run. */
export const clusterQueryCost = 500_000;
/** Beyond it clients that owe nothing are forgotten. */
const mostClients = 1_000;

export function costLimit(nowMs: () => number = () => performance.now()): CostLimit {
  const owed = new Map<string, { readonly samples: number; readonly at: number }>();

  /** Below the burst it is credit, above it debt. */
  const owes = (client: string): number => {
    const known = owed.get(client);
    if (known === undefined) return 0;
    return Math.max(0, known.samples - ((nowMs() - known.at) * samplesPerSecond) / 1000);
  };

  return {
    refusal(client) {
      const debt = owes(client) - burst;
      return debt <= 0 ? null : Math.ceil(debt / samplesPerSecond);
    },
    charge(client, samples) {
      if (samples <= 0) return;
      owed.set(client, { samples: owes(client) + samples, at: nowMs() });
      if (owed.size <= mostClients) return;
      for (const each of [...owed.keys()]) if (owes(each) === 0) owed.delete(each);
    },
  };
}

/** Where a query is not let in. */
export function tooMuchAsked(seconds: number): HttpReply {
  const error = `you have asked for so much that others would wait: try again in ${seconds} s`;
  return { status: 429, json: { error }, headers: { 'retry-after': String(seconds) } };
}
