import { asList, asNumber, asRecord, asText } from '../json.ts';
import { sortByDomain } from './domain.ts';
import type { PeerFacts } from './peer-facts.ts';

/** One of GET /remote_stats. */
export interface Connection {
  readonly id: string;
  readonly hostname: string;
  readonly addr: string;
  readonly connected: boolean;
  readonly lastAttemptAt: number | null;
  readonly lastAttemptReason: string | null;
  readonly beaconAt: number | null;
  readonly values: number | null;
  readonly peers: number | null;
  /** Its clock minus ours, when the beacon came. */
  readonly clockMs: number | null;
}

/** What has another shape than expected counts as not said. */
export function connectionsOf(answer: unknown, peers: readonly PeerFacts[]): Connection[] {
  const named = new Map(peers.map((peer) => [peer.id, peer]));
  const found = asList(asRecord(answer).peers).flatMap((each): Connection[] => {
    const peer = asRecord(each);
    const id = asText(peer.id);
    if (id === null) return [];
    const beacon = asRecord(peer.last_beacon);
    const attempt = asList(peer.last_attempt);
    const beaconAt = asNumber(peer.last_beacon_time);
    const clock = asNumber(beacon.current_time);
    const fine = asNumber(beacon.fine_values);
    const known = named.get(id);
    return [
      {
        id,
        hostname: asText(beacon.hostname) ?? known?.hostname ?? id.slice(0, 8),
        addr: asText(peer.current_addr) ?? known?.addr ?? asText(asList(peer.addresses)[0]) ?? '',
        connected: peer.connected === true,
        lastAttemptAt: asNumber(attempt[0]),
        lastAttemptReason: asText(attempt[1]),
        beaconAt,
        values: fine === null ? null : fine + (asNumber(beacon.tip_values) ?? 0),
        peers: asNumber(beacon.peers),
        clockMs: clock === null || beaconAt === null ? null : clock - beaconAt,
      },
    ];
  });
  return sortByDomain(found);
}
