import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, type ClusterOptions, startCluster } from '../../src/cluster/shell.ts';

/** Real nodes on loopback addresses, each with a folder of its own. */
export const clusterKey = randomBytes(32);
export const idOf = (number: number): string => String(number).repeat(32);

export interface Nodes {
  start(number: number, options?: Partial<ClusterOptions>): Promise<Cluster>;
  /** What node `number` logged. */
  lines(number: number): readonly string[];
  folder(number: number): string;
  stop(): Promise<void>;
}

export function testNodes(): Nodes {
  const base = mkdtempSync(join(tmpdir(), 'stellwerk-cluster-'));
  const started: Cluster[] = [];
  const logs = new Map<number, string[]>();
  const folder = (number: number): string => join(base, `node${number}`);
  return {
    async start(number, options = {}) {
      const lines = logs.get(number) ?? [];
      logs.set(number, lines);
      const node = await startCluster({
        host: `127.0.0.${number}`,
        port: 0,
        machineId: idOf(number),
        hostname: `node${number}`,
        name: `node${number}.test`,
        clusterName: 'test',
        keys: [clusterKey],
        join: [],
        allowMinority: false,
        storageDir: folder(number),
        log: (line) => lines.push(line),
        ...options,
      });
      started.push(node);
      return node;
    },
    lines: (number) => logs.get(number) ?? [],
    folder,
    async stop() {
      for (const node of started) await node.stop();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** A limit is that of an idle machine; what must hold in time is shown in virtual time, by test/sim. */
const busyMachine = 6;

/** How long it took, in milliseconds; rejects with what was asked for when it does not become true in time. */
export async function until(what: string, limitMs: number, isTrue: () => boolean): Promise<number> {
  const startedMs = performance.now();
  while (!isTrue()) {
    if (performance.now() - startedMs > limitMs * busyMachine) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - startedMs;
}

/** All agree on one leader among them, in one epoch; the leader agrees too. */
export function leaderOf(nodes: readonly Cluster[]): Cluster | null {
  const leaders = nodes.filter((node) => node.leadership().role === 'leader');
  const [leader] = leaders;
  if (leader === undefined || leaders.length > 1) return null;
  const { epoch } = leader.leadership();
  const agreed = nodes.every((node) => {
    const view = node.leadership();
    if (view.epoch !== epoch) return false;
    return node === leader || (view.role === 'follower' && view.leaderId === leader.self.id);
  });
  return agreed ? leader : null;
}
