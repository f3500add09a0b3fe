import { json, problem, type Route } from '../http/route.ts';
import type { Peers } from '../verwalter/ports.ts';
import type { LeaderHttp } from './actions.ts';

export interface RenderEverywhereOptions {
  /** verwalter's routes: `force_render_all` comes out with ?nodes=all. */
  readonly routes: readonly Route[];
  readonly peers: Pick<Peers, 'self' | 'members'>;
  readonly http: Pick<LeaderHttp, 'postOnce'>;
}

const path = '/v1/force_render_all';
const peerPath = '/v1/peer/force_render_all';
/** It is only begun, not waited for. */
const timeoutMs = 3_000;
const mostBytes = 4096;

/**
 * POST /v1/force_render_all?nodes=all passes the wish on to every other node that gossip does not call dead, and answers
 * {"nodes": {HOST: "ok" or why not}}, with `error` where not all took it.
 */
export function renderEverywhere({ routes, peers, http }: RenderEverywhereOptions): readonly Route[] {
  const own = routes.find((route) => route.path === path);
  if (own === undefined) return routes;
  const everywhere: Route = {
    ...own,
    summary: 'render all roles of this node again; ?nodes=all: of every node',
    async handle(request) {
      const reply = await own.handle(request);
      if (request.query.get('nodes') !== 'all') return reply;
      const others = peers.members().map(async ({ addr, hostname, liveness }): Promise<readonly [string, string]> => {
        if (liveness === 'dead') return [hostname, 'dead'];
        return http.postOnce(addr, peerPath, {}, timeoutMs, mostBytes).then(
          () => [hostname, 'ok'] as const,
          (error: unknown) => [hostname, error instanceof Error ? error.message : String(error)] as const,
        );
      });
      const nodes = [[peers.self.hostname, 'ok'] as const, ...(await Promise.all(others))];
      const failed = nodes.filter(([, words]) => words !== 'ok').map(([hostname, words]) => `${hostname}: ${words}`);
      return json({
        nodes: Object.fromEntries(nodes.sort(([a], [b]) => (a < b ? -1 : 1))),
        ...(failed.length === 0 ? {} : { error: `not on all nodes: ${failed.join('; ')}` }),
      });
    },
  };
  const asked: Route = {
    method: 'POST',
    path: peerPath,
    access: 'cluster',
    summary: 'another agent was asked to render all roles of all nodes again',
    // Whoever signs has looked at a token; on a machine without a key anybody could say so.
    handle: (request) =>
      request.principal === 'cluster'
        ? own.handle(request)
        : problem(403, 'agents without a cluster key pass on nothing: ask each node itself'),
  };
  return [...routes.map((route) => (route === own ? everywhere : route)), asked];
}
