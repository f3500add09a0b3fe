import { splitAddr } from '../addr.ts';

/**
 * One Ethernet frame (1500) less IPv6 and UDP headers (48), with room for a tunnel: no datagram of ours is ever cut
 * into fragments, of which one lost loses all.
 */
export const mostDatagramBytes = 1_400;

/** In bytes of UTF-8. A record of the longest texts, twice in a packet (sender and news), still fits one datagram. */
export const mostTextBytes = {
  // "[", 45 of an IPv6 address with an IPv4 tail, "]:65535".
  addr: 53,
  // HOST_NAME_MAX of Linux.
  hostname: 64,
  // RFC 1035 allows 253 in a fully qualified domain name; that twice would be the last straw.
  name: 200,
  version: 32,
  // SHA-256 in hex.
  hash: 64,
} as const;

/** A node's addresses beside the first, with which it has eight: more are containers' bridges. */
export const mostOtherAddrs = 7;
const addrBytes = 16;
/** The two vectors of a record's other addresses, with their places and padding. */
const addrVectorBytes = 36;

/** How many other addresses still fit into a record with these names; all, where the names are no longer than usual. */
export function roomForAddrs(hostname: string, name: string): number {
  const names = Buffer.byteLength(hostname) + Buffer.byteLength(name);
  const left = mostTextBytes.hostname + mostTextBytes.name - names - addrVectorBytes;
  return Math.max(0, Math.min(mostOtherAddrs, Math.floor(left / addrBytes)));
}

export type Text = keyof typeof mostTextBytes;

/** What is wrong with a text of this kind; null: nothing. */
export function textProblem(kind: Text, text: string): string | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > mostTextBytes[kind]) return `${bytes} bytes, at most ${mostTextBytes[kind]}`;
  if (kind === 'addr') return splitAddr(text) === null ? 'no IP:PORT' : null;
  if (text === '' && kind !== 'name') return 'empty';
  return /\p{Cc}/u.test(text) ? 'a control character' : null;
}

export const isNodeId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);
