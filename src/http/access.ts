import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { hostOf, isLoopback } from './address.ts';
import { type ClusterGate, clusterGate, type Proof, type SignedRequest } from './cluster-auth.ts';
import type { Access } from './route.ts';
import { type Grant, plainToken, type Token, tokenRing } from './token.ts';

export interface AccessOptions {
  /** Address that the server is bound to. */
  readonly host: string;
  /** "ip:port" by which peers reach it; null where it is bound to all addresses and cannot know. */
  readonly ownAuthority: () => string | null;
  /** Who may do what; a text is a secret that may do everything. */
  readonly tokens: readonly (string | Token)[];
  readonly clusterKeys: readonly Uint8Array[];
  /** Free reading from other hosts too. */
  readonly allowRemoteRead: boolean;
  /** Names by which browsers may reach this host, beside localhost and IP addresses. */
  readonly hostNames: readonly string[];
}

export interface Asked {
  readonly access: Access;
  /** The route itself looks at which roles of the scheduler the token is for. */
  readonly byRole?: boolean;
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
  | { readonly kind: 'granted'; readonly principal: string; readonly grant: Grant | null }
  | { readonly kind: 'proven'; readonly principal: 'cluster'; readonly key: Uint8Array; readonly nonce: string }
  | {
      readonly kind: 'refused';
      readonly status: 401 | 403;
      readonly error: string;
      /** Who asked, where that is known. */
      readonly principal: string | null;
    };

export interface AccessControl {
  /** Null where Host and Origin are fine, the reason otherwise. Looked at before anything else of a request. */
  originProblem(asked: Pick<Asked, 'host' | 'origin'>, changes: boolean): string | null;
  decide(asked: Asked, nowMs: number): Decision;
}

export function accessControl(options: AccessOptions): AccessControl {
  const tokens = tokenRing(options.tokens.map((each) => (typeof each === 'string' ? plainToken(each) : each)));
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

  /** Null: it may. */
  const missing = ({ role, schedulerRoles }: Grant, asked: Asked): string | null => {
    if (asked.access === 'admin' && role !== 'admin') return 'this needs a token of an admin';
    if (asked.access !== 'act') return null;
    if (role === 'view') return 'this needs a token that may act';
    return schedulerRoles === null || asked.byRole === true
      ? null
      : `this token may act on ${schedulerRoles.join(', ')} only`;
  };

  const cluster = (asked: Asked, nowMs: number): Decision => {
    if (gate === null) {
      // A cluster on one machine needs no secret from that machine's users, who may read all of it anyway. That they are
      // peers is not proven.
      if (boundToLoopback && isLoopback(asked.remoteAddress))
        return { kind: 'granted', principal: 'loopback', grant: null };
      return refused(403, 'this agent has no cluster key, so it answers no peers');
    }
    const own = options.ownAuthority();
    if (own !== null && asked.host !== own) {
      return refused(403, `a request of a peer to ${asked.host} came to ${own}`);
    }
    if (asked.proof === null) return refused(401, 'for peers only: sign with the cluster key');
    const verdict = gate.check(asked.signed, asked.proof, nowMs);
    if (verdict.kind === 'refused') return refused(401, verdict.reason);
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
        const found = tokens.find(token);
        if (found === null) return refused(401, 'the token is not one of this agent');
        const { name: principal, ...grant } = found;
        const problem = missing(grant, asked);
        return problem === null ? { kind: 'granted', principal, grant } : refused(403, problem, principal);
      }
      switch (asked.access) {
        case 'read':
          if (isLoopback(asked.remoteAddress)) return { kind: 'granted', principal: 'loopback', grant: null };
          if (options.allowRemoteRead) return { kind: 'granted', principal: 'anyone', grant: null };
          return refused(401, 'reading from another host needs the token');
        case 'act':
        case 'admin':
          if (!tokens.empty) return refused(401, 'this needs the token');
          return refused(403, 'this agent was started without tokens: nothing can be changed');
        default:
          return asked.access satisfies never;
      }
    },
  };
}

const refused = (status: 401 | 403, error: string, principal: string | null = null): Decision => ({
  ...{ kind: 'refused', status, error, principal },
});

function bearer(authorization: string): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null;
}

/** "http://127.0.0.1:8379" and "127.0.0.1:8379"; "null" and other schemes are nobody's. */
function sameAuthority(origin: string, host: string): boolean {
  return /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
}
