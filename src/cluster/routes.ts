import { type HttpReply, json, problem, type Route } from '../http/route.ts';
import { peerRecord } from './peer-record.ts';
import type { Cluster } from './shell.ts';
import type { PeerView } from './views.ts';

/** What can be looked at of gossip and election, and the one thing that can be done: introduce a host. */
export function clusterRoutes(
  cluster: Pick<Cluster, 'self' | 'peerViews' | 'gossipView' | 'electionView' | 'addHost'>,
): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/peers',
      access: 'read',
      summary: 'The other nodes with liveness, freshness, round trip and clock difference',
      handle: () =>
        json({ self: cluster.self, peers: cluster.peerViews().map((view) => ({ ...view, ...originalNames(view) })) }),
    },
    {
      method: 'GET',
      path: '/all_peers',
      access: 'read',
      summary: 'The other agents that this one knows, in the names of the original',
      handle: () => json({ peers: cluster.peerViews().map(peerRecord) }),
    },
    {
      method: 'GET',
      path: '/peers_with_remote',
      access: 'read',
      summary: 'Those of them that hold connections for queries about the whole cluster',
      handle: () =>
        json({
          peers: cluster
            .peerViews()
            .filter(({ hasRemote }) => hasRemote)
            .map(peerRecord),
        }),
    },
    {
      method: 'GET',
      path: '/v1/election',
      access: 'read',
      summary: 'Who leads, in which epoch, by whose votes, and this node’s timers',
      handle: () => json(cluster.electionView()),
    },
    {
      method: 'GET',
      path: '/v1/gossip',
      access: 'read',
      summary: 'Gossip’s own state: joins, rumours, health, packets in, out and dropped by reason',
      handle: () => json(cluster.gossipView()),
    },
    {
      method: 'POST',
      path: '/add_host',
      access: 'admin',
      summary: '{"addr": "1.2.3.4:8379"} → {"ok": true}: accepted, not yet reached',
      handle: ({ body }) => addHost(cluster, body),
    },
  ];
}

/** The same of an agent that is in no cluster: it knows nobody, and says why it gets to know nobody. */
export const noClusterRoutes = (): Route[] => [
  ...['/all_peers', '/peers_with_remote'].map(
    (path): Route => ({
      method: 'GET',
      path,
      access: 'read',
      summary: 'No other agents: this one is in no cluster',
      handle: () => json({ peers: [] }),
    }),
  ),
  {
    method: 'POST',
    path: '/add_host',
    access: 'admin',
    summary: 'Refused: this agent is in no cluster',
    handle: () => problem(409, 'this agent is in no cluster: start it with --cluster-name'),
  },
];

/** As verwalter called them (spec/verwalter.md 6.2); `id`, `name`, `hostname` and `errors` are the same. */
const originalNames = ({ addr, knownSince, lastReportDirect }: PeerView) => ({
  primary_addr: addr,
  known_since: knownSince,
  last_report_direct: lastReportDirect,
});

function addHost(cluster: Pick<Cluster, 'addHost'>, body: unknown): HttpReply {
  const addr = typeof body === 'object' && body !== null && 'addr' in body ? body.addr : undefined;
  if (typeof addr !== 'string') return problem(400, 'addr: a text "IP:PORT" is missing');
  const wrong = cluster.addHost(addr);
  return wrong === null ? json({ ok: true }) : problem(400, `addr: ${wrong}`);
}
