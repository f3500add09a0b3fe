import type { PeerStream } from '../../http/peer-streams.ts';
import type { Cantal } from '../shell.ts';
import { decodeRequest } from './decode.ts';
import { encodeReply } from './encode.ts';
import { createFeed, type Feed } from './feed.ts';
import { filterId, ruleOfFilter } from './filter.ts';
import { limits, peerStreamPath } from './limits.ts';
import type { Beacon } from './message.ts';

export interface ServeOptions {
  readonly cantal: Pick<Cantal, 'moment' | 'onScan'>;
  /** What this agent says of itself now. */
  readonly beacon: () => Beacon;
}

export interface PeerService {
  readonly stream: PeerStream;
  /** Agents that are connected to this one. */
  clients(): number;
  stop(): void;
}

interface Subscriber {
  readonly samples: number;
  /** Of its feed; null: at the beginning. */
  place: number | null;
}

/**
 * The side that is asked. A peer that reads slowly gets nothing until it has read what it was sent; then what it missed,
 * in one chunk for each filter. So at most one message waits for it, and it is never disconnected for being slow.
 */
export function servePeers({ cantal, beacon }: ServeOptions): PeerService {
  const feeds = new Map<string, { readonly feed: Feed; subscribers: number }>();
  const clients = new Set<() => void>();
  let said: { readonly body: Uint8Array; readonly atMs: number } | null = null;
  let round = 0;

  const beaconNow = (): Uint8Array => {
    said ??= { body: encodeReply({ kind: 'beacon', beacon: beacon() }), atMs: performance.now() };
    return said.body;
  };
  const tell = (): void => {
    if (clients.size === 0) return;
    said = null;
    round += 1;
    const moment = cantal.moment();
    for (const { feed } of feeds.values()) feed.advance(moment);
    for (const pump of [...clients]) pump();
  };
  const leave = cantal.onScan(tell);
  const timer = setInterval(() => {
    if (said !== null && performance.now() - said.atMs < limits.beaconMs) return;
    said = null;
    round += 1;
    for (const pump of [...clients]) pump();
  }, limits.beaconMs / 2);
  timer.unref();

  const release = (filter: string): void => {
    const known = feeds.get(filter);
    if (known === undefined) return;
    known.subscribers -= 1;
    if (known.subscribers === 0) feeds.delete(filter);
  };

  const stream: PeerStream = {
    path: peerStreamPath,
    summary: 'WebSocket for other agents (schema/remote.fbs): subscriptions to series, a beacon each scan',
    open(outlet) {
      const subscribers = new Map<string, Subscriber>();
      let heard = -1;

      /** Sends as long as the outlet takes it at once. */
      const pump = (): void => {
        if (outlet.backlog() > 0) return;
        if (heard !== round) {
          heard = round;
          outlet.send(beaconNow());
        }
        for (const [filter, subscriber] of subscribers) {
          if (outlet.backlog() > 0) return;
          const feed = feeds.get(filter)?.feed;
          if (feed === undefined || subscriber.place === feed.place()) continue;
          const message = feed.next(subscriber.place, subscriber.samples, cantal.moment());
          if (message.kind === 'nothing') continue;
          subscriber.place = feed.place();
          if (message.kind === 'body') outlet.send(message.body);
          else {
            outlet.send(encodeReply({ kind: 'refusal', filter, reason: message.reason }));
            subscribers.delete(filter);
            release(filter);
          }
        }
      };

      clients.add(pump);
      pump();
      return {
        receive(bytes) {
          const decoded = decodeRequest(bytes);
          if (decoded.kind === 'refused') return outlet.close(decoded.reason);
          const request = decoded.message;
          if (request.kind === 'unsubscribe') {
            if (subscribers.delete(request.filter)) release(request.filter);
            return;
          }
          const { filter, text, samples } = request;
          const rule = ruleOfFilter(text);
          if (rule === null || filterId(text) !== filter) return outlet.close('a subscription to what is no filter');
          if (!subscribers.has(filter)) {
            if (subscribers.size >= limits.mostFilters) return outlet.close('too many subscriptions');
            const known = feeds.get(filter) ?? { feed: createFeed(filter, rule), subscribers: 0 };
            if (known.subscribers === 0) known.feed.advance(cantal.moment());
            known.subscribers += 1;
            feeds.set(filter, known);
          }
          subscribers.set(filter, { samples, place: null });
          pump();
        },
        drained: pump,
        leave() {
          clients.delete(pump);
          for (const filter of subscribers.keys()) release(filter);
          subscribers.clear();
        },
      };
    },
  };

  return {
    stream,
    clients: () => clients.size,
    stop() {
      leave();
      clearInterval(timer);
    },
  };
}
