import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { hostOf, isLoopback } from './address.ts';
import { type ClusterGate, clusterGate, type Proof, type SignedRequest } from './cluster-auth.ts';
import type { Access } from './route.ts';

export interface AccessOptions {
  /** Address that the server is bound to. */
  readonly host: string;
  /** "ip:port" by which peers reach it; null where it is bound to all addresses and cannot know. */
  readonly ownAuthority: () => string | null;
  /** Any of them is enough for `act`, and for `read` from elsewhere. */
  readonly tokens: readonly string[];
  readonly clusterKeys: readonly Uint8Array[];
  /** Free reading from other hosts too. */
  readonly allowRemoteRead: boolean;
  /** Names by which browsers may reach this host, beside localhost and IP addresses. */
  readonly hostNames: readonly string[];
}

export interface Asked {
  readonly access: Access;
  readonly remoteAddress: string;
  readonly host: string;
  readonly origin: string;
  /** Value of the Authorization header. */
  readonly authorization: string;
  /** WebSockets of browsers cannot send headers: there the token may be in the query. */
  readonly queryToken: string | null;
  readonly proof: Proof | null;
  readonly signed: SignedRequest;
}

export type Decision =
  | { readonly kind: 'granted'; readonly principal: string }
  | { readonly kind: 'proven'; readonly principal: 'cluster'; readonly key: Uint8Array; readonly nonce: string }
  | { readonly kind: 'refused'; readonly status: 401 | 403; readonly error: string };

export interface AccessControl {
  /** Null where Host and Origin are fine, the reason otherwise. Looked at before anything else of a request. */
  originProblem(asked: Pick<Asked, 'host' | 'origin'>, changes: boolean): string | null;
  decide(asked: Asked, nowMs: number): Decision;
}

export function accessControl(options: AccessOptions): AccessControl {
  const tokens = options.tokens.map(digest);
  const gate: ClusterGate | null = options.clusterKeys.length > 0 ? clusterGate(options.clusterKeys) : null;
  const names = new Set([
    'localhost',
    hostname().toLowerCase(),
    ...options.hostNames.map((name) => name.toLowerCase()),
  ]);
  const boundToLoopback = options.host === 'localhost' || isLoopback(options.host);

  /**
   * DNS rebinding: a page of evil.example whose name suddenly resolves to 127.0.0.1 sends "Host: evil.example". An
   * address cannot be rebound, so addresses pass; on a loopback server only loopback ones can be meant.
   */
  const isOurs = (authority: string): boolean => {
    const host = hostOf(authority);
    if (host === null) return false;
    if (isIP(host) !== 0) return boundToLoopback ? isLoopback(host) : true;
    return names.has(host);
  };

  const hasToken = (token: string): boolean => {
    const given = digest(token);
    // All are compared, so that time tells nothing about which matched.
    return tokens.reduce((found, expected) => timingSafeEqual(given, expected) || found, false);
  };

  const cluster = (asked: Asked, nowMs: number): Decision => {
    if (gate === null) {
      // A cluster on one machine needs no secret from that machine's users, who may read all of it anyway.
      if (boundToLoopback && isLoopback(asked.remoteAddress)) return { kind: 'granted', principal: 'cluster' };
      return { kind: 'refused', status: 403, error: 'this agent has no cluster key, so it answers no peers' };
    }
    const own = options.ownAuthority();
    if (own !== null && asked.host !== own) {
      return { kind: 'refused', status: 403, error: `a request of a peer to ${asked.host} came to ${own}` };
    }
    if (asked.proof === null)
      return { kind: 'refused', status: 401, error: 'for peers only: sign with the cluster key' };
    const verdict = gate.check(asked.signed, asked.proof, nowMs);
    if (verdict.kind === 'refused') return { kind: 'refused', status: 401, error: verdict.reason };
    return { kind: 'proven', principal: 'cluster', key: verdict.key, nonce: verdict.nonce };
  };

  return {
    originProblem({ host, origin }, changes) {
      if (!isOurs(host)) {
        return `"${host}" is not a name of this agent: use its address, localhost, or a name that it was told`;
      }
      // Programs send no Origin. A page of another origin may not read our answers, but it could make us act.
      if (!changes || origin === '') return null;
      return sameAuthority(origin, host) ? null : `a page of ${origin} may not send this to ${host}`;
    },

    decide(asked, nowMs) {
      // A peer that signs expects a signed answer, also to what others may read without a key.
      if (asked.access === 'cluster' || (asked.access === 'read' && asked.proof !== null)) return cluster(asked, nowMs);
      const token = bearer(asked.authorization) ?? asked.queryToken;
      if (token !== null) {
        if (hasToken(token)) return { kind: 'granted', principal: 'token' };
        return { kind: 'refused', status: 401, error: 'the token is not one of this agent' };
      }
      switch (asked.access) {
        case 'read':
          if (isLoopback(asked.remoteAddress)) return { kind: 'granted', principal: 'loopback' };
          if (options.allowRemoteRead) return { kind: 'granted', principal: 'anyone' };
          return { kind: 'refused', status: 401, error: 'reading from another host needs the token' };
        case 'act':
          if (tokens.length > 0) return { kind: 'refused', status: 401, error: 'this needs the token' };
          return {
            kind: 'refused',
            status: 403,
            error: 'this agent was started without tokens: nothing can be changed',
          };
        default:
          return asked.access satisfies never;
      }
    },
  };
}

/** Fixed length for the comparison, and no plain tokens kept. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function bearer(authorization: string): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null;
}

/** "http://127.0.0.1:8379" and "127.0.0.1:8379"; "null" and other schemes are nobody's. */
function sameAuthority(origin: string, host: string): boolean {
  return /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
}
