import { type Edit, isLive, put } from './edit.ts';
import type { Sighting } from './message.ts';
import { tryToDraw } from './roster.ts';
import type { Peer } from './state.ts';

/**
 * Some of what we know at first hand, for whoever pings us: in a large cluster two nodes meet seldom, and yet each is
 * to know of all that they are well, what they report and how far they are from somebody.
 */
export function sightings(draft: Edit, receiver: string): Sighting[] {
  const { env, state } = draft;
  const told = (peer: Peer): boolean =>
    isLive(peer) && peer.report !== null && peer.lastReportDirectMs !== null && peer.record.id !== receiver;
  const most = Math.min(state.config.sightingsPerAck, state.live - 1);
  return tryToDraw(draft, most, told).flatMap(({ record, lastReportDirectMs, report, roundtrip }) =>
    lastReportDirectMs === null || report === null
      ? []
      : [
          {
            id: record.id,
            ageMs: age(env.nowMs, lastReportDirectMs),
            report: { peers: report.peers, scanMs: report.scanMs },
            roundtrip: roundtrip === null ? null : { ageMs: age(env.nowMs, roundtrip.atMs), tookMs: roundtrip.tookMs },
          },
        ],
  );
}

const age = (nowMs: number, atMs: number): number => Math.max(0, Math.round(nowMs - atMs));

/** Of several words the newest is kept; about a node that is dead to us, only the node itself can tell. */
export function hearSighting(draft: Edit, { id, ageMs, report, roundtrip }: Sighting): void {
  const { env, state } = draft;
  const peer = state.peers.get(id);
  if (peer === undefined || !isLive(peer)) return;
  const atMs = env.nowMs - ageMs;
  const measuredMs = roundtrip === null ? 0 : env.nowMs - roundtrip.ageMs;
  const newerReport = peer.report === null || peer.report.atMs < atMs;
  const newerRoundtrip =
    roundtrip !== null && (peer.hearsayRoundtrip === null || peer.hearsayRoundtrip.atMs < measuredMs);
  put(draft, {
    ...peer,
    lastSignMs: Math.max(peer.lastSignMs, atMs),
    report: newerReport ? { ...report, atMs } : peer.report,
    hearsayRoundtrip: newerRoundtrip ? { atMs: measuredMs, tookMs: roundtrip.tookMs } : peer.hearsayRoundtrip,
  });
}
