import type { ElectionState, Voter } from './state.ts';

/** spec/verwalter.md 4.5: of 1, 1; of 2, 2; else a majority. */
export function quorum(size: number): number {
  return size <= 2 ? size : Math.floor(size / 2) + 1;
}

/** Nodes that count towards the quorum, self included. */
export function countedSize(state: ElectionState, nowMs: number): number {
  if (state.config.expectedPeers !== null) return state.config.expectedPeers;
  if (!state.config.allowMinority) return knownSize(state, nowMs);
  let size = 1;
  for (const peer of state.peers.values()) if (isReported(state, peer, nowMs)) size += 1;
  return size;
}

/** All nodes that are known or were before a restart, dead ones and self included. */
export function knownSize({ config, startedMs, peers }: ElectionState, nowMs: number): number {
  const remembered = nowMs - startedMs < config.rememberedMs ? config.remembered : 0;
  return Math.max(peers.size, remembered) + 1;
}

export const neededVotes = (state: ElectionState, nowMs: number): number => quorum(countedSize(state, nowMs));

function isReported(state: ElectionState, peer: Voter, nowMs: number): boolean {
  return peer.lastReportDirectMs !== null && nowMs - peer.lastReportDirectMs < state.config.reportedMs;
}

/** Not believed dead, self included. */
export function visibleSize(state: ElectionState): number {
  let size = 1;
  for (const peer of state.peers.values()) if (peer.visible) size += 1;
  return size;
}

export function peersAreFresh(state: ElectionState, nowMs: number): boolean {
  return state.peersMs !== null && nowMs - state.peersMs < state.config.peersFreshMs;
}

/** Whether this node may lead at all now. */
export function mayLead(state: ElectionState): boolean {
  return !state.config.neverLead && state.willing && visibleSize(state) >= state.config.minCluster;
}

/** A leader heard so many within its lease, itself included, that no quorum without it can have formed unnoticed. */
export function holdsQuorum(state: ElectionState, heardMs: ReadonlyMap<string, number>, nowMs: number): boolean {
  let heard = 1;
  for (const [id, at] of heardMs) if (state.peers.has(id) && nowMs - at < state.config.leaseMs) heard += 1;
  return heard >= neededVotes(state, nowMs);
}
