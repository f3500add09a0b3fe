import { asList, asNumber, asRecord, asText, type JsonRecord } from '../json.ts';

/** What GET /all_peers and GET /v1/peers say of a peer together; null and empty: it is not said. */
export interface PeerFacts {
  readonly id: string;
  readonly hostname: string;
  readonly name: string;
  readonly addr: string;
  readonly addresses: readonly string[];
  readonly liveness: string;
  /** fresh, pre-fail, stale, failing */
  readonly freshness: string | null;
  readonly suspectedBy: number;
  readonly version: string | null;
  /** Since the last packet of its own, ms. */
  readonly silentMs: number | null;
  readonly lastProbeAgoMs: number | null;
  readonly lastReportAgoMs: number | null;
  readonly knownForMs: number | null;
  readonly probesSent: number | null;
  readonly pingsReceived: number | null;
  readonly pongsReceived: number | null;
  readonly roundtripMs: number | null;
  /** What another peer measured. */
  readonly hearsayMs: number | null;
  readonly skewMs: number | null;
  readonly peers: number | null;
  readonly hasRemote: boolean | null;
}

/** Silent for longer: they stand in a table of their own. */
export const longSilentMs = 300_000;

/** Both lists by id; in the order of the host names. What has another shape than expected counts as not said. */
export function peerFacts(allPeers: unknown, v1Peers: unknown, nowMs: number): PeerFacts[] {
  const detailed = byId(v1Peers);
  const listed = byId(allPeers);
  const ids = [...new Set([...detailed.keys(), ...listed.keys()])];
  return ids
    .map((id) => factsOf(id, { ...listed.get(id), ...detailed.get(id) }, nowMs))
    .sort((a, b) => (a.hostname === b.hostname ? compare(a.id, b.id) : compare(a.hostname, b.hostname)));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function byId(answer: unknown): Map<string, JsonRecord> {
  return new Map(
    asList(asRecord(answer).peers).flatMap((peer): [string, JsonRecord][] => {
      const id = asText(asRecord(peer).id);
      return id === null ? [] : [[id, asRecord(peer)]];
    }),
  );
}

function factsOf(id: string, peer: JsonRecord, nowMs: number): PeerFacts {
  const ago = (at: unknown): number | null => {
    const time = timeOf(at);
    return time === null ? null : Math.max(0, nowMs - time);
  };
  const addr = asText(peer.addr) ?? asText(peer.primary_addr) ?? '';
  const hostname = asText(peer.hostname) ?? asText(peer.name) ?? id.slice(0, 8);
  const lastReportAgoMs = ago(peer.last_report_direct ?? peer.lastReportDirect);
  const report = reportOf(peer.report);
  return {
    id,
    hostname,
    name: asText(peer.name) ?? hostname,
    addr,
    addresses: asList(peer.addresses).flatMap((each) => asText(each) ?? asText(asRecord(each).addr) ?? []),
    liveness: asText(peer.liveness) ?? 'alive',
    freshness: asText(peer.freshness) ?? asText(peer.state),
    suspectedBy: asList(peer.suspectedBy).length,
    version: asText(peer.version),
    silentMs: asNumber(peer.silentMs) ?? lastReportAgoMs,
    lastProbeAgoMs: asNumber(peer.lastProbeAgoMs) ?? ago(peer.last_probe),
    lastReportAgoMs,
    knownForMs: ago(peer.known_since ?? peer.knownSince),
    probesSent: asNumber(peer.probes_sent),
    pingsReceived: asNumber(peer.pings_received),
    pongsReceived: asNumber(peer.pongs_received),
    roundtripMs: asNumber(peer.roundtripMs) ?? roundtripOf(peer.last_roundtrip),
    hearsayMs: roundtripOf(peer.random_peer_roundtrip),
    skewMs: asNumber(peer.skewMs),
    peers: asNumber(report.peers),
    hasRemote: asTruth(report.has_remote) ?? asTruth(peer.hasRemote),
  };
}

const asTruth = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);

/** A time, or a tuple or record that begins with one: (ms, addr). */
function timeOf(value: unknown): number | null {
  const record = asRecord(value);
  const inList = asList(value).find((part) => asNumber(part) !== null);
  return (
    asNumber(value) ?? asNumber(inList) ?? asNumber(record.at) ?? asNumber(record.time) ?? asNumber(record.timestamp)
  );
}

/** (addr, ms when, ms) or (ms when, ms): the last is what it took. */
function roundtripOf(value: unknown): number | null {
  const record = asRecord(value);
  return (
    asNumber(value) ??
    asNumber(asList(value).at(-1)) ??
    asNumber(record.ms) ??
    asNumber(record.rtt) ??
    asNumber(record.roundtrip) ??
    asNumber(record.duration)
  );
}

/** {peers, has_remote}, or (ms, {peers, has_remote}). */
function reportOf(value: unknown): JsonRecord {
  const inner = asList(value).find((part) => Object.keys(asRecord(part)).length > 0);
  return inner === undefined ? asRecord(value) : asRecord(inner);
}
