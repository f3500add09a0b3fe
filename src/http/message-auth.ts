import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Messages of a stream between peers, each with an HMAC-SHA256 of 16 bytes before it, bound to the signed request that
 * opened the stream (its nonce), to its direction and to its place: none can be changed, left out, repeated or sent
 * back. The first message of the one who was asked proves that it has the key too.
 */
export interface MessageAuth {
  /** What goes over the wire. */
  seal(body: Uint8Array): Uint8Array;
  /** The body; null where the message is not the next one of the other side. */
  open(message: Uint8Array): Uint8Array | null;
}

export type Side = 'asking' | 'asked';

export const macBytes = 16;

/** `session` null: a cluster on one machine, without a key. */
export function messageAuth(
  session: { readonly key: Uint8Array; readonly nonce: string } | null,
  side: Side,
): MessageAuth {
  if (session === null) return { seal: (body) => body, open: (message) => message };
  let sent = 0;
  let received = 0;
  const macOf = (from: Side, place: number, body: Uint8Array): Buffer =>
    createHmac('sha256', session.key)
      .update(`stellwerk message 1\n${session.nonce}\n${from}\n${place}\n`)
      .update(body)
      .digest()
      .subarray(0, macBytes);
  return {
    seal(body) {
      const mac = macOf(side, sent, body);
      sent += 1;
      return Buffer.concat([mac, body]);
    },
    open(message) {
      if (message.length < macBytes) return null;
      const body = message.subarray(macBytes);
      const mac = macOf(side === 'asked' ? 'asking' : 'asked', received, body);
      received += 1;
      return timingSafeEqual(mac, message.subarray(0, macBytes)) ? body : null;
    },
  };
}
