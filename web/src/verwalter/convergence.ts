import type { NodeOverview, Overview } from '../api.ts';

/** How far a node is with the leader's schedule. */
export type Progress = 'converged' | 'rendering' | 'failed' | 'fetching' | 'unreachable' | 'none';

export interface Convergence {
  readonly node: NodeOverview;
  readonly progress: Progress;
}

/** Worst first, then by name. */
const order: readonly Progress[] = ['unreachable', 'failed', 'none', 'fetching', 'rendering', 'converged'];

export function convergenceOf({ nodes, schedule, leaderId }: Overview): readonly Convergence[] {
  // What the leader holds is what all are to come to; without one, what this node holds.
  const wanted = nodes.find(({ id }) => id === leaderId)?.scheduleHash ?? schedule?.hash ?? null;
  return nodes
    .map((node) => ({ node, progress: progressOf(node, wanted) }))
    .sort(
      (a, b) => order.indexOf(a.progress) - order.indexOf(b.progress) || (a.node.hostname < b.node.hostname ? -1 : 1),
    );
}

function progressOf(node: NodeOverview, wanted: string | null): Progress {
  if (!node.reachable) return 'unreachable';
  if (node.failedRoles.length > 0) return 'failed';
  if (wanted === null || node.scheduleHash === null) return 'none';
  if (node.scheduleHash !== wanted) return 'fetching';
  return node.renderedHash === wanted ? 'converged' : 'rendering';
}
