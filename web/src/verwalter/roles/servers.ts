import type { Overview } from '../../api.ts';
import type { PeerFacts } from '../../cantal/peer-facts.ts';

export interface ServerRow {
  readonly id: string;
  readonly hostname: string;
  /** Null: not told, as of the node that serves the page by an older agent. */
  readonly name: string | null;
  readonly addr: string;
  readonly liveness: string;
  readonly leads: boolean;
  readonly own: boolean;
  readonly knownForMs: number | null;
  /** Since its last direct packet. */
  readonly lastReportAgoMs: number | null;
}

/** Every node of the overview with what gossip knows of it, in the order of hostnames; `ownName` is that of the page's node. */
export function serverRows(
  overview: Overview,
  peers: readonly PeerFacts[],
  ownName: string | null,
): readonly ServerRow[] {
  const byId = new Map(peers.map((peer) => [peer.id, peer] as const));
  return overview.nodes.map((node) => {
    const peer = byId.get(node.id);
    return {
      id: node.id,
      hostname: node.hostname,
      name: peer?.name ?? (node.id === overview.self ? ownName : null),
      addr: node.addr,
      liveness: node.liveness,
      leads: node.leader,
      own: node.id === overview.self,
      knownForMs: peer?.knownForMs ?? null,
      lastReportAgoMs: peer?.silentMs ?? peer?.lastReportAgoMs ?? null,
    };
  });
}
