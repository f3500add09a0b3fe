import type { NodeOverview } from './api.ts';
import { asNumber, asRecord, member } from './json.ts';

/** Instances wanted by the schedule beside those that run; wanted is null without a schedule. */
export interface Count {
  readonly wanted: number | null;
  readonly running: number;
}

export interface MatrixRow {
  readonly process: string;
  /** In the order of the nodes given. */
  readonly cells: readonly Count[];
  readonly total: Count;
}

/** One row per process that is wanted or runs anywhere, in alphabetical order. */
export function scheduleMatrix(nodes: readonly NodeOverview[], data: unknown | null): MatrixRow[] {
  const wanted = nodes.map((node) => wantedInstances(data, node.hostname));
  const running = nodes.map(runningInstances);
  const names = new Set([...wanted, ...running].flatMap((counts) => [...counts.keys()]));
  return [...names].sort().map((process) => {
    const cells = nodes.map((_, column) => ({
      wanted: data === null ? null : (wanted[column]?.get(process) ?? 0),
      running: running[column]?.get(process) ?? 0,
    }));
    return { process, cells, total: sum(cells) };
  });
}

export function sum(counts: readonly Count[]): Count {
  let wanted: number | null = null;
  let running = 0;
  for (const count of counts) {
    if (count.wanted !== null) wanted = (wanted ?? 0) + count.wanted;
    running += count.running;
  }
  return { wanted, running };
}

export type Fit = 'exact' | 'missing' | 'surplus' | 'none';

export function fitOf({ wanted, running }: Count): Fit {
  if (wanted === null || wanted === running)
    return wanted === 0 || (wanted === null && running === 0) ? 'none' : 'exact';
  return running < wanted ? 'missing' : 'surplus';
}

function wantedInstances(data: unknown, hostname: string): Map<string, number> {
  const counts = new Map<string, number>();
  const roles = asRecord(member(member(member(data, 'nodes'), hostname), 'roles'));
  for (const role of Object.values(roles)) {
    for (const [process, daemon] of Object.entries(asRecord(member(role, 'daemons')))) {
      const instances = asNumber(member(daemon, 'instances')) ?? 0;
      counts.set(process, (counts.get(process) ?? 0) + instances);
    }
  }
  return counts;
}

function runningInstances(node: NodeOverview): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { process, phase } of node.containers) {
    if (phase === 'running') counts.set(process, (counts.get(process) ?? 0) + 1);
  }
  return counts;
}
