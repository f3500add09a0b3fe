import { isLoopback } from '../../http/address.ts';
import { splitAddr } from '../addr.ts';
import { pick } from '../env.ts';
import { type NodeRecord, sameAddrs } from '../member.ts';
import type { Edit } from './edit.ts';
import type { Peer } from './state.ts';

const isLoopbackAddr = (addr: string): boolean =>
  addr.startsWith('127.') || (addr.startsWith('[') && isLoopback(splitAddr(addr)?.host ?? ''));

/** What we may use of what others say: a loopback address means somebody else on every host (spec/cantal.md 6.4). */
function usable(self: NodeRecord, addrs: readonly string[]): string[] {
  const onLoopback = isLoopbackAddr(self.addr);
  return addrs.filter((addr) => splitAddr(addr) !== null && (onLoopback || !isLoopbackAddr(addr)));
}

export const sameWhere = (a: NodeRecord, b: NodeRecord): boolean =>
  a.addr === b.addr && sameAddrs(a.otherAddrs, b.otherAddrs);

/** A record as we keep it; null where nothing in it can be reached. */
export function reachable(self: NodeRecord, record: NodeRecord): NodeRecord | null {
  const [addr, ...otherAddrs] = usable(self, [record.addr, ...record.otherAddrs]);
  return addr === undefined ? null : { ...record, addr, otherAddrs };
}

/** What a friend saw beside what the node itself tells; null: nothing new, or nothing to use. */
export const hint = (self: NodeRecord, record: NodeRecord, seenAt: string | null): string | null =>
  seenAt === null || seenAt === record.addr || record.otherAddrs.includes(seenAt)
    ? null
    : (usable(self, [seenAt])[0] ?? null);

/** Where to tell others that it is, if the node does not tell so itself. */
export const seenFrom = ({ addr, record }: Peer): string | null =>
  addr === record.addr || record.otherAddrs.includes(addr) || isLoopbackAddr(addr) ? null : addr;

/** All addresses at which it may be, the primary one first. */
export function addressesOf(peer: Peer): string[] {
  const { addr, record, seenAt } = peer;
  return [...new Set([addr, record.addr, ...record.otherAddrs, ...(seenAt === null ? [] : [seenAt])])];
}

/** The next place to knock at: not the last one tried, and none that is ours too (each host has its 172.17.0.1). */
export function elsewhere(draft: Edit, peer: Peer): string | null {
  const { self } = draft.state;
  const last = peer.lastProbe?.addr ?? peer.addr;
  const others = addressesOf(peer).filter(
    (addr) => addr !== last && addr !== self.addr && !self.otherAddrs.includes(addr),
  );
  return pick(draft.env, others);
}

/** Where to ping it: at its primary address, and after long silence at any of the others in turn. */
export function pingAddr(draft: Edit, peer: Peer): string {
  const { env, state } = draft;
  const heardMs = peer.lastReportDirectMs ?? Number.NEGATIVE_INFINITY;
  // In a large cluster a well peer may be silent for so long because neither had its turn.
  const unanswered = peer.lastProbe !== null && heardMs < peer.lastProbe.atMs;
  const silentMs = env.nowMs - (peer.lastReportDirectMs ?? peer.knownSinceMs);
  if (!unanswered || silentMs < state.config.preFailMs) return peer.addr;
  return elsewhere(draft, peer) ?? peer.addr;
}
