import type { Stream } from '../http/route.ts';
import { type Budget, type CostLimit, costLimit } from './query/cost.ts';
import { mostSamplesPerQuery } from './query/extract.ts';
import type { Following } from './query/follow.ts';
import type { Cantal } from './shell.ts';

/**
 * Queries that stay: the client sends {"rules": {ID: rule}}, as often as it likes, and gets the answer at once and then
 * what is new after each scan: {"timestamp", "after", "appends", "values"} or {"error"} (src/cantal/query/follow.ts).
 * What a slow client did not take in time is part of the next message, so nothing is missing in what it has.
 */
export function queryStream(cantal: Pick<Cantal, 'follow' | 'onScan'>, cost: CostLimit = costLimit()): Stream {
  return {
    path: '/v1/stream',
    summary: 'WebSocket: send {"rules": {ID: rule}}; the answer comes at once, and after each scan what is new',
    open(_query, send, { remoteAddress }) {
      let next: ((budget: Budget) => Following) | null = null;
      let refused: string | null = null;
      const message = () => {
        if (refused !== null) {
          const error = refused;
          refused = null;
          return { error };
        }
        // Who owes waits: what it misses is part of the answer after.
        if (next === null || cost.refusal(remoteAddress) !== null) return null;
        const budget = { samples: mostSamplesPerQuery };
        const following = next(budget);
        cost.charge(remoteAddress, mostSamplesPerQuery - budget.samples);
        if (following.kind === 'nothing') return null;
        if (following.kind === 'newer') {
          const { timestamp, after, appends, values } = following;
          return { timestamp, after, appends, values };
        }
        next = null;
        return { error: `rules.${following.rule}: ${following.reason}` };
      };
      const leave = cantal.onScan(() => send(message));
      return {
        receive(text) {
          const asked = parsed(text);
          const followed = asked === undefined ? null : cantal.follow(asked);
          if (followed?.kind === 'followed') next = followed.next;
          else {
            next = null;
            refused = followed === null ? 'a message is {"rules": {ID: rule}}' : `${followed.path}: ${followed.reason}`;
          }
          send(message);
        },
        leave,
      };
    },
  };
}

/** The rules; undefined where there are none to be found. */
function parsed(text: string): unknown {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message === 'object' && message !== null && 'rules' in message) return message.rules;
  } catch {
    // Said to the client.
  }
  return undefined;
}
