import type { SeriesSource } from '../query/source.ts';
import type { Streams } from './streams.ts';

/** What can be looked at: spec cantal 7.1, /remote_stats and /remote/mem_info. */

export function remoteStats(streams: Streams, clients: number): unknown {
  const { peers, on, wanted } = streams.state();
  return {
    on,
    /** Agents that are connected to this one. */
    clients,
    subscriptions: [...wanted.values()].map(({ id, text, samples, askedMs }) => ({
      id,
      filter: JSON.parse(text),
      samples,
      asked_ms_ago: Math.round(performance.now() - askedMs),
    })),
    peers: [...peers.values()].map(({ id, addr, link, lastAttempt, beacon, beaconWallMs }) => ({
      id,
      current_addr: addr,
      addresses: beacon?.addresses ?? [addr],
      connected: link.kind === 'open',
      state: link.kind,
      received: streams.received(id),
      refused: link.kind === 'open' ? Object.fromEntries(link.refused) : {},
      last_attempt: lastAttempt === null ? null : [lastAttempt.wallMs, lastAttempt.reason],
      last_beacon_time: beaconWallMs,
      last_beacon: beacon,
    })),
  };
}

export function memInfo(streams: Streams, own: SeriesSource): unknown {
  const { peers, on, wanted } = streams.state();
  if (!on) return null;
  const all = [...peers.values()];
  return {
    tokens: all.filter(({ link }) => link.kind !== 'waiting').length,
    addresses: new Set(all.map(({ addr }) => addr)).size,
    peers: all.length,
    subscriptions: wanted.size,
    histories: Object.fromEntries(streams.mirrorSizes()),
    my_history: { series: own.index.ids().length, scans: own.scanTimes.length },
  };
}
