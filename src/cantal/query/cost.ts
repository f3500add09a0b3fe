import type { HttpReply } from '../../http/route.ts';
import type { Dataset } from './dataset.ts';

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

/** What was read at least to answer so; of what was folded only the result is known. */
export function samplesIn(values: Readonly<Record<string, Dataset>>): number {
  return Object.values(values).reduce((sum, dataset) => {
    switch (dataset[0]) {
      case 'SingleSeries':
        return sum + dataset[3].length;
      case 'MultiSeries':
        return sum + dataset[1].reduce((all, [, , timestamps]) => all + timestamps.length, 0);
      case 'MultiTip':
        return sum + dataset[1].length;
      default:
        return sum + 1;
    }
  }, 0);
}

/** Where a query is not let in. */
export function tooMuchAsked(seconds: number): HttpReply {
  const error = `you have asked for so much that others would wait: try again in ${seconds} s`;
  return { status: 429, json: { error }, headers: { 'retry-after': String(seconds) } };
}
