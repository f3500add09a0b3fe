import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * How agents prove to each other that they hold the cluster key: an HMAC-SHA256 over everything that says what is
 * asked and of whom, so that no part can be changed and nothing can be sent again, here or to another node. The reply
 * carries one over its status and body, bound to the request's nonce. This authenticates; it does not hide.
 */
export interface SignedRequest {
  readonly method: string;
  /** With the query, as sent. */
  readonly target: string;
  /** The Host header: an answer of one node cannot be had from another with the same request. */
  readonly host: string;
  readonly body: Uint8Array;
}

/** What travels in headers. */
export interface Proof {
  /** Milliseconds since the epoch on the sender's clock. */
  readonly date: string;
  readonly nonce: string;
  readonly mac: string;
}

export const proofHeaders = {
  date: 'x-stellwerk-date',
  nonce: 'x-stellwerk-nonce',
  mac: 'x-stellwerk-mac',
} as const;

/** How far the clocks of two nodes may differ: nodes without any time service still talk, a replay list stays short. */
export const clockToleranceMs = 30_000;
/** Replays remembered: two windows of 500 requests a second. Beyond it the node refuses rather than forgets. */
const mostNonces = 60_000;

function macOf(key: Uint8Array, request: SignedRequest, date: string, nonce: string): Buffer {
  const digest = createHash('sha256').update(request.body).digest('hex');
  return createHmac('sha256', key)
    .update(['stellwerk request 1', request.method, request.target, request.host, date, nonce, digest].join('\n'))
    .digest();
}

export function prove(key: Uint8Array, request: SignedRequest, nowMs: number): Proof {
  const date = String(nowMs);
  const nonce = randomBytes(16).toString('hex');
  return { date, nonce, mac: macOf(key, request, date, nonce).toString('hex') };
}

export function proveReply(key: Uint8Array, nonce: string, status: number, body: Uint8Array | string): string {
  const digest = createHash('sha256').update(body).digest('hex');
  return createHmac('sha256', key).update(['stellwerk reply 1', nonce, status, digest].join('\n')).digest('hex');
}

export function checkReply(
  keys: readonly Uint8Array[],
  nonce: string,
  status: number,
  body: Uint8Array,
  mac: string,
): boolean {
  return keys.some((key) => sameHex(proveReply(key, nonce, status, body), mac));
}

export type Verdict =
  | { readonly kind: 'proven'; readonly key: Uint8Array; readonly nonce: string }
  | { readonly kind: 'refused'; readonly reason: string };

export interface ClusterGate {
  check(request: SignedRequest, proof: Proof, nowMs: number): Verdict;
}

/** Remembers nonces for as long as their date would be accepted. */
export function clusterGate(keys: readonly Uint8Array[]): ClusterGate {
  // Insertion order is about the order of expiry, so that cleaning looks at few.
  const seen = new Map<string, number>();

  const forget = (nowMs: number): void => {
    for (const [nonce, expires] of seen) {
      if (expires > nowMs) break;
      seen.delete(nonce);
    }
  };

  return {
    check(request, proof, nowMs) {
      const date = /^\d{1,15}$/.test(proof.date) ? Number(proof.date) : Number.NaN;
      if (!(Math.abs(date - nowMs) <= clockToleranceMs)) {
        return refused(`the clocks differ by more than ${clockToleranceMs / 1000} s, or the request is old`);
      }
      if (!/^[0-9a-f]{32}$/.test(proof.nonce)) return refused('the nonce is not 32 hex digits');
      const key = keys.find((each) =>
        sameHex(macOf(each, request, proof.date, proof.nonce).toString('hex'), proof.mac),
      );
      if (key === undefined) return refused('not signed with a key of this cluster');
      // Only who holds the key gets this far: strangers cannot fill the list.
      forget(nowMs);
      if (seen.has(proof.nonce)) return refused('this request was seen before');
      if (seen.size >= mostNonces) return refused('too many requests from peers at once');
      // The latest moment at which a date that is fine now could still be.
      seen.set(proof.nonce, nowMs + 2 * clockToleranceMs + 1);
      return { kind: 'proven', key, nonce: proof.nonce };
    },
  };
}

const refused = (reason: string): Verdict => ({ kind: 'refused', reason });

function sameHex(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8');
  const right = Buffer.from(b, 'utf8');
  return left.length === right.length && timingSafeEqual(left, right);
}
