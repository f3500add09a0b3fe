import type { ClusterQueries, World } from '../../../src/cantal/graphql/resolve.ts';
import { costLimit } from '../../../src/cantal/query/cost.ts';
import type { ClusterMember } from '../../../src/cantal/remote/by-host.ts';
import { startCantal } from '../../../src/cantal/shell.ts';
import { SeriesKind } from '../../../src/native/scanner.ts';
import { type MemoryScanner, memoryScanner, processRow } from '../memory-scanner.ts';

export const peer: ClusterMember = {
  ...{ id: 'b'.repeat(32), addr: '10.0.0.2:22682', hostname: 'n2', name: 'n2.example', knownSince: 5 },
  ...{ lastReportDirect: null, liveness: 'suspect' },
};

export interface TestWorld extends World {
  readonly scanner: MemoryScanner;
  readonly reported: string[];
  /** Something changed among the peers. */
  peersChanged(): void;
  /** How many listen to peers. */
  listeners(): number;
}

/** An agent with a load, a counter of two nodes, a state, four processes, and a peer. */
export function testWorld(remote: Partial<ClusterQueries> = {}): TestWorld {
  const scanner = memoryScanner();
  const load = scanner.series({ metric: 'load' }, SeriesKind.float);
  const requests = ['n1', 'n2'].map((node) => scanner.series({ metric: 'requests', node }, SeriesKind.counter));
  scanner.scan(1000, { [load]: 0.5, [requests[0] ?? 0]: 10, [requests[1] ?? 0]: 1 });
  scanner.scan(3000, { [load]: 1.5, [requests[0] ?? 0]: 30, [requests[1] ?? 0]: 2 });
  scanner.setStates([{ labels: { state: 'http' }, timestamp: 3000, since: 5, text: 'GET' }]);
  scanner.setProcesses([
    processRow({ pid: 1, cmdline: '/sbin/init', userTime: 2, systemTime: 3, childUserTime: 4, childSystemTime: 5 }),
    processRow({ pid: 7, cgroup: 'system.web', cmdline: 'nginx\0-g\0', rss: 2 ** 40, uid: 4_294_967_294 }),
    processRow({ pid: 8, cgroup: 'system.web', startTimestamp: Date.now() - 1000 }),
    processRow({ pid: 9, cgroup: 'system.db' }),
  ]);
  const listeners = new Set<() => void>();
  const reported: string[] = [];
  return {
    scanner,
    reported,
    cantal: startCantal({ scanner, intervalMs: 2000, version: '1.2.3' }),
    remote: {
      members: () => [peer],
      queryByHost: () => Promise.reject(new Error('the network is on fire')),
      ...remote,
    },
    node: { id: 'a'.repeat(32), hostname: 'n1', name: 'n1.example', cluster: 'main' },
    onPeers(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    cost: costLimit(),
    report: (what) => reported.push(what),
    peersChanged: () => {
      for (const listener of [...listeners]) listener();
    },
    listeners: () => listeners.size,
  };
}
