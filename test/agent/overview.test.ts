import { describe, expect, it } from 'vitest';
import type { NodeReport } from '../../src/agent/api.ts';
import { collectOverview, type OverviewSources } from '../../src/agent/overview.ts';
import type { Leadership, Member } from '../../src/verwalter/ports.ts';

const report = (id: string, hostname: string): NodeReport => ({
  id,
  hostname,
  version: '1',
  scanMs: 1,
  cpuShare: 0.5,
  memoryUsedBytes: 1,
  memoryTotalBytes: 2,
  scheduleHash: 'h',
  renderedHash: 'h',
  scheduleTimestamp: 1,
  failedRoles: [],
  errors: [],
  treeRunning: true,
  containers: [],
});

const member = (id: string, hostname: string, liveness: Member['liveness'] = 'alive'): Member =>
  ({ id, hostname, addr: `${hostname}:1`, liveness }) as Member;

function sources(members: readonly Member[], leadership: Leadership, answers: Set<string>): OverviewSources {
  return {
    clusterName: 'test',
    version: '1',
    peers: {
      self: { id: 'b', addr: 'node2:1', hostname: 'node2', name: 'node2' },
      members: () => members,
      leadership: () => leadership,
    },
    schedule: () => null,
    ownReport: async () => report('b', 'node2'),
    async reportOf(addr) {
      const hostname = addr.split(':')[0] ?? '';
      if (!answers.has(hostname)) throw new Error('no answer');
      return report(members.find((each) => each.hostname === hostname)?.id ?? '', hostname);
    },
    lastReports: new Map(),
  };
}

describe('overview', () => {
  it('shows all nodes by name, and who leads', async () => {
    const leadership: Leadership = { role: 'follower', epoch: 3, leaderId: 'a', schedule: null };
    const overview = await collectOverview(sources([member('a', 'node1')], leadership, new Set(['node1'])));
    expect(overview).toMatchObject({ self: 'b', leaderId: 'a', epoch: 3 });
    expect(overview.nodes.map(({ hostname, leader, reachable }) => [hostname, leader, reachable])).toEqual([
      ['node1', true, true],
      ['node2', false, true],
    ]);
  });

  it('shows a node that does not answer as it was when it last did', async () => {
    const answers = new Set(['node1']);
    const members = [member('a', 'node1'), member('c', 'node3', 'dead')];
    const all = sources(members, { role: 'leader', epoch: 1 }, answers);
    await collectOverview(all);
    answers.clear();
    const { nodes, leaderId } = await collectOverview(all);
    expect(leaderId).toBe('b');
    expect(nodes[0]).toMatchObject({ hostname: 'node1', reachable: false, cpuShare: 0.5, treeRunning: true });
    expect(nodes[2]).toMatchObject({ hostname: 'node3', reachable: false, cpuShare: null, liveness: 'dead' });
  });

  it('names no leader where there is none', async () => {
    const overview = await collectOverview(sources([], { role: 'none', epoch: 0 }, new Set()));
    expect(overview).toMatchObject({ leaderId: null, nodes: [{ hostname: 'node2', leader: false }] });
  });
});
