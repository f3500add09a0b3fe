import type { HttpReply, HttpRequest, Route } from '../http/route.ts';
import { json, problem } from '../http/route.ts';
import { deadlineOf } from '../verwalter/action-routes.ts';
import type { Peers } from '../verwalter/ports.ts';

/** How one agent asks another; rejects with an error whose `status` is the other's refusal, if it gave one. */
export interface LeaderHttp {
  getJson(addr: string, path: string, timeoutMs: number, maxBytes: number): Promise<unknown>;
  /** Never sends twice. */
  postOnce(addr: string, path: string, body: unknown, timeoutMs: number, maxBytes: number): Promise<unknown>;
}

export interface ForwardOptions {
  /** verwalter's routes: those that only the leader can answer come out as ones that every node answers. */
  readonly routes: readonly Route[];
  readonly peers: Pick<Peers, 'members' | 'leadership'>;
  readonly http: LeaderHttp;
}

const forwardPath = '/v1/peer/action';
const actionPaths = ['/v1/action', '/v1/wait_action'];
/** Answered by whoever holds a schedule back: only a leader does. */
const guardPath = '/v1/guard';
const pendingPath = '/v1/action_is_pending/:id';
/** A waiting action is answered by its deadline; then so much for the way. */
const graceMs = 5_000;
const pendingTimeoutMs = 3_000;
/** An answer of the scheduler; more is no answer to a button. */
const mostBytes = 256 * 1024;

/**
 * A page talks to one agent only, and a browser drops the token where a redirect leads to another origin: so followers
 * pass actions on to the leader, authenticated as a peer, instead of answering 307.
 */
export function forwardToLeader({ routes, peers, http }: ForwardOptions): readonly Route[] {
  const actions = new Map(
    routes
      .filter(({ path }) => path === guardPath || actionPaths.includes(path))
      .map((route) => [route.path, route] as const),
  );
  const leaderAddr = (): string | null => {
    const leadership = peers.leadership();
    if (leadership.role !== 'follower') return null;
    return peers.members().find(({ id }) => id === leadership.leaderId)?.addr ?? null;
  };

  const forwarded = routes.map((route): Route => {
    if (route.path === guardPath) {
      return {
        ...route,
        async handle(request) {
          const addr = leaderAddr();
          if (addr === null || request.body === undefined) return route.handle(request);
          const { principal, remoteAddress: address } = request;
          const body = { path: guardPath, action: request.body, principal, address };
          return replyOf(http.postOnce(addr, forwardPath, body, pendingTimeoutMs, mostBytes));
        },
      };
    }
    if (actions.has(route.path)) {
      return {
        ...route,
        async handle(request) {
          const own = await route.handle(request);
          const addr = own.status === 307 ? leaderAddr() : null;
          if (addr === null) return own.status === 307 ? noLeader : own;
          const { principal, remoteAddress: address, idempotencyKey } = request;
          const deadlineMs = deadlineOf(request);
          if (typeof deadlineMs === 'string') return problem(400, deadlineMs);
          const deadline = String(deadlineMs / 1000);
          const body = { path: route.path, action: request.body, principal, address, idempotencyKey, deadline };
          return replyOf(http.postOnce(addr, forwardPath, body, deadlineMs + graceMs, mostBytes));
        },
      };
    }
    if (route.path === pendingPath) {
      return {
        ...route,
        async handle(request) {
          const addr = leaderAddr();
          if (addr === null) return route.handle(request);
          const path = pendingPath.replace(':id', encodeURIComponent(request.params.id ?? ''));
          return replyOf(http.getJson(addr, path, pendingTimeoutMs, mostBytes).then(json));
        },
      };
    }
    return route;
  });

  const taken: Route = {
    method: 'POST',
    path: forwardPath,
    access: 'cluster',
    summary: 'actions that other agents pass on to the leader',
    async handle(request) {
      // Whoever signs has looked at a token; on a machine without a key anybody could say so.
      if (request.principal !== 'cluster') {
        return problem(403, 'agents without a cluster key pass on no actions: send it to the leader itself');
      }
      const { path, action, ...told } = (request.body ?? {}) as Readonly<Record<string, unknown>>;
      const route = typeof path === 'string' ? actions.get(path) : undefined;
      if (route === undefined || action === undefined) return problem(400, 'the body is {"path": …, "action": JSON}');
      const reply = await route.handle({
        ...{ ...request, path: route.path, body: action },
        ...(typeof told.principal === 'string' ? { principal: told.principal } : {}),
        ...(typeof told.address === 'string' ? { remoteAddress: told.address } : {}),
        ...(typeof told.idempotencyKey === 'string' ? { idempotencyKey: told.idempotencyKey } : {}),
        ...(typeof told.deadline === 'string' ? { deadline: told.deadline } : {}),
      } satisfies HttpRequest);
      // The leadership moved while the action was under way; the sender tries again when it knows the new leader.
      return json(reply.status === 307 ? noLeader : reply);
    },
  };
  return [...forwarded, taken];
}

const noLeader: HttpReply = problem(503, 'no leader is known at the moment; nothing was queued');

async function replyOf(asked: Promise<unknown>): Promise<HttpReply> {
  try {
    const reply = await asked;
    if (isReply(reply)) return reply;
    return problem(502, 'the leader’s answer is not understood; do all agents have the same version?');
  } catch (error) {
    const text = `asking the leader: ${error instanceof Error ? error.message : String(error)}`;
    if (error instanceof Error && 'status' in error && typeof error.status === 'number')
      return problem(error.status, text);
    // It may have died with the action; or, if only the way there is cut, still do it.
    return problem(503, `${text}; look at what there is before you repeat it`);
  }
}

function isReply(value: unknown): value is HttpReply {
  return (
    typeof value === 'object' &&
    value !== null &&
    'status' in value &&
    Number.isInteger(value.status) &&
    'json' in value
  );
}
