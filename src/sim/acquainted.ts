import type { Peer } from '../cluster/gossip/state.ts';
import type { World } from './world.ts';

/**
 * Starts all nodes of a world as if they had long known each other: joining is not what is to be seen. The world's
 * clocks must begin at zero, as every node has the same word about a peer.
 */
export function acquaint(world: World): void {
  if (world.options.clocksFromZero !== true) throw new Error('clocks that are apart cannot share what they know');
  for (const node of world.nodes) world.start(node.index);
  const all = world.nodes.map((node): readonly [string, Peer] => {
    const record = node.state?.gossip.self;
    if (record === undefined) throw new Error(`node ${node.index} does not run`);
    return [
      node.id,
      {
        record,
        addr: record.addr,
        seenAt: null,
        knownSinceMs: 0,
        lastReportDirectMs: null,
        lastSignMs: 0,
        lastProbe: null,
        probesSent: 0,
        pingsReceived: 0,
        pongsReceived: 0,
        roundtrip: null,
        hearsayRoundtrip: null,
        report: null,
        skewMs: null,
        suspicion: null,
      },
    ];
  });
  const ids = all.map(([id]) => id).sort();
  for (const node of world.nodes) {
    if (node.state === null) continue;
    const peers = new Map(all);
    peers.delete(node.id);
    const roster = ids.filter((id) => id !== node.id);
    const gossip = { ...node.state.gossip, peers, roster, live: roster.length, joins: new Map() };
    node.state = { ...node.state, gossip };
  }
}
