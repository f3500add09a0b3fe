import type { PeerView } from './views.ts';

/** A peer in the names of spec/cantal.md 6.4. Times in milliseconds since the epoch, spans in milliseconds. */
export interface PeerRecord {
  readonly id: string;
  readonly primary_addr: string;
  readonly addresses: readonly string[];
  readonly name: string;
  readonly hostname: string;
  readonly version: string;
  readonly known_since: number;
  readonly last_report_direct: number | null;
  readonly last_probe: readonly [atMs: number, addr: string] | null;
  readonly probes_sent: number;
  readonly pings_received: number;
  readonly pongs_received: number;
  readonly last_roundtrip: readonly [addr: string, atMs: number, tookMs: number] | null;
  readonly random_peer_roundtrip: readonly [atMs: number, tookMs: number] | null;
  readonly report: readonly [atMs: number, PeerReport] | null;
  readonly state: PeerView['freshness'];
  readonly liveness: PeerView['liveness'];
  readonly incarnation: number;
}

/** Its own figures. `has_remote`: it holds connections to the others for queries about the whole cluster. */
interface PeerReport {
  readonly peers: number;
  readonly scan_ms: number | null;
  readonly has_remote: boolean;
}

export function peerRecord(view: PeerView): PeerRecord {
  const { lastProbe, roundtrip, hearsayRoundtrip, report } = view;
  return {
    id: view.id,
    primary_addr: view.addr,
    addresses: view.addresses,
    name: view.name,
    hostname: view.hostname,
    version: view.version,
    known_since: view.knownSince,
    last_report_direct: view.lastReportDirect,
    last_probe: lastProbe === null ? null : [lastProbe.at, lastProbe.addr],
    probes_sent: view.probesSent,
    pings_received: view.pingsReceived,
    pongs_received: view.pongsReceived,
    last_roundtrip: roundtrip === null ? null : [roundtrip.addr, roundtrip.at, roundtrip.ms],
    random_peer_roundtrip: hearsayRoundtrip === null ? null : [hearsayRoundtrip.at, hearsayRoundtrip.ms],
    report:
      report === null ? null : [report.at, { peers: report.peers, scan_ms: report.scanMs, has_remote: view.hasRemote }],
    state: view.freshness,
    liveness: view.liveness,
    incarnation: view.incarnation,
  };
}
