import type { SimNode, World } from './world.ts';

export const running = (world: World): SimNode[] => world.nodes.filter((node) => node.state !== null);

export const leaders = (world: World): SimNode[] =>
  running(world).filter((node) => node.state?.election.role.kind === 'leader');

/** What is not as it should be in one group of nodes that can talk; null: one leader, followed by all. */
export function leadershipProblem(group: readonly SimNode[]): string | null {
  const leading = group.filter((node) => node.state?.election.role.kind === 'leader');
  const [leader] = leading;
  if (leader === undefined || leader.state === null) return 'nobody leads';
  if (leading.length > 1) return `${leading.length} lead: ${leading.map((node) => node.index).join(', ')}`;
  for (const node of group) {
    if (node === leader || node.state === null) continue;
    const { role, epoch } = node.state.election;
    if (role.kind !== 'follower') return `node ${node.index} is ${role.kind} in epoch ${epoch}`;
    if (role.leader !== leader.id || epoch !== leader.state.election.epoch) return `node ${node.index} follows another`;
  }
  return null;
}

/** Null: in the group all see each other alive and of `others` none. */
export function membershipProblem(group: readonly SimNode[], others: readonly SimNode[] = []): string | null {
  for (const node of group) {
    const peers = node.state?.gossip.peers;
    if (peers === undefined) return `node ${node.index} does not run`;
    for (const peer of group) {
      if (peer === node) continue;
      const liveness = peers.get(peer.id)?.record.liveness ?? 'unknown';
      if (liveness !== 'alive') return `node ${node.index} holds node ${peer.index} for ${liveness}`;
    }
    for (const peer of others) {
      const liveness = peers.get(peer.id)?.record.liveness ?? 'unknown';
      if (liveness === 'alive' || liveness === 'suspect')
        return `node ${node.index} holds node ${peer.index} for ${liveness}`;
    }
  }
  return null;
}

/** What keeps the cluster from rest, when nothing is broken any more. */
export function restProblem(world: World): string | null {
  const live = running(world);
  const gone = world.nodes.filter((node) => node.state === null);
  return membershipProblem(live, gone) ?? leadershipProblem(live);
}
