import type { Leadership, Peers } from '../verwalter/ports.ts';
import type { NodeReport, Overview, OverviewNode } from './api.ts';

export interface OverviewSources {
  readonly clusterName: string;
  readonly version: string;
  readonly peers: Pick<Peers, 'self' | 'members' | 'leadership'>;
  readonly schedule: () => Overview['schedule'];
  readonly ownReport: () => Promise<NodeReport>;
  readonly reportOf: (addr: string) => Promise<NodeReport>;
  /** By id, kept from call to call: what nodes said when they last answered. */
  readonly lastReports: Map<string, NodeReport>;
}

/**
 * Asks every node that gossip does not call dead. One that does not answer is shown as it was when it last did: its
 * containers most likely run on.
 */
export async function collectOverview(sources: OverviewSources): Promise<Overview> {
  const leadership = sources.peers.leadership();
  const { self } = sources.peers;
  const leaderId = leaderOf(leadership, self.id);
  const own = sources.ownReport().then(
    (report): OverviewNode => ({
      ...report,
      addr: self.addr,
      liveness: 'alive',
      leader: self.id === leaderId,
      reachable: true,
    }),
  );
  const others = sources.peers.members().map(async (member): Promise<OverviewNode> => {
    const known = { addr: member.addr, liveness: member.liveness, leader: member.id === leaderId };
    const report = member.liveness === 'dead' ? null : await sources.reportOf(member.addr).catch(() => null);
    if (report !== null) {
      sources.lastReports.set(member.id, report);
      return { ...report, ...known, reachable: true };
    }
    const last = sources.lastReports.get(member.id) ?? unknownReport(member.id, member.hostname);
    return { ...last, ...known, reachable: false };
  });
  const nodes = await Promise.all([own, ...others]);
  return {
    now: Date.now(),
    self: self.id,
    clusterName: sources.clusterName,
    version: sources.version,
    leaderId,
    epoch: leadership.epoch,
    nodes: nodes.sort((a, b) => (a.hostname < b.hostname ? -1 : 1)),
    schedule: sources.schedule(),
  };
}

function leaderOf(leadership: Leadership, selfId: string): string | null {
  switch (leadership.role) {
    case 'leader':
      return selfId;
    case 'follower':
      return leadership.leaderId;
    case 'none':
      return null;
    default:
      return leadership satisfies never;
  }
}

function unknownReport(id: string, hostname: string): Omit<OverviewNode, 'addr' | 'liveness' | 'leader' | 'reachable'> {
  return {
    id,
    hostname,
    version: null,
    scanMs: null,
    cpuShare: null,
    memoryUsedBytes: null,
    memoryTotalBytes: null,
    scheduleHash: null,
    renderedHash: null,
    scheduleTimestamp: null,
    failedRoles: [],
    errors: [],
    treeRunning: null,
    containers: [],
  };
}
