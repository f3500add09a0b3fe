import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { mostDatagramBytes } from './bounds.ts';

/**
 * The outside of a datagram: "SWK" | format | cluster (8) | MAC (16) | body. Nothing of the body is read before the MAC
 * is right. The MAC is HMAC-SHA256 over all the rest, cut to 16 bytes: RFC 2104 allows half of the hash, and 128 bits
 * cannot be guessed over a network, while each byte saved is room for news. Without a key the MAC is made with the
 * public name of the cluster: it then tells damage and strangers, but keeps out nobody who wants in.
 */
export interface Seal {
  /** With the first key. */
  seal(body: Uint8Array): Uint8Array;
  open(datagram: Uint8Array): Opened;
}

export type Opened =
  | { readonly kind: 'authentic'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: SealProblem };

/** `mac`: another key, or damaged on the way. */
export type SealProblem = 'too-short' | 'too-long' | 'not-ours' | 'unknown-format' | 'other-cluster' | 'mac';

const magic = Buffer.from('SWK');
/** Raised by a change that a reader of the former format would misread. */
export const packetFormat = 1;
const clusterAt = magic.length + 1;
const macAt = clusterAt + 8;
const macBytes = 16;
const bodyAt = macAt + macBytes;

/** Room for the body of one datagram. */
export const mostBodyBytes = mostDatagramBytes - bodyAt;

export function createSeal(clusterName: string, keys: readonly Uint8Array[]): Seal {
  const cluster = createHash('sha256').update(`stellwerk cluster 1\n${clusterName}`).digest().subarray(0, 8);
  const head = Buffer.concat([magic, Buffer.of(packetFormat), cluster]);
  // A key of its own for packets: what the same secret signs over HTTP can never pass for one.
  const derive = (key: Uint8Array | string): Buffer =>
    createHmac('sha256', key).update(`stellwerk packets 1\n${clusterName}`).digest();
  const derived = keys.length === 0 ? [derive('no key')] : keys.map(derive);
  const [first] = derived as [Buffer, ...Buffer[]];

  return {
    seal(body) {
      return Buffer.concat([head, macOf(first, head, body), body]);
    },
    open(datagram) {
      if (datagram.length <= bodyAt) return { kind: 'refused', reason: 'too-short' };
      if (datagram.length > mostDatagramBytes) return { kind: 'refused', reason: 'too-long' };
      if (!magic.equals(datagram.subarray(0, magic.length))) return { kind: 'refused', reason: 'not-ours' };
      if (datagram[magic.length] !== packetFormat) return { kind: 'refused', reason: 'unknown-format' };
      if (!cluster.equals(datagram.subarray(clusterAt, macAt))) return { kind: 'refused', reason: 'other-cluster' };
      const mac = datagram.subarray(macAt, bodyAt);
      const body = datagram.subarray(bodyAt);
      // During a change of keys some nodes sign with the new one, others still with the old.
      const known = derived.some((key) => timingSafeEqual(macOf(key, head, body), mac));
      return known ? { kind: 'authentic', body } : { kind: 'refused', reason: 'mac' };
    },
  };
}

function macOf(key: Buffer, head: Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(head).update(body).digest().subarray(0, macBytes);
}
