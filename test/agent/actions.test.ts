import { describe, expect, it } from 'vitest';
import { forwardToLeader, type LeaderHttp } from '../../src/agent/actions.ts';
import { type HttpReply, type HttpRequest, json, problem, type Route } from '../../src/http/route.ts';
import type { Leadership, Member } from '../../src/verwalter/ports.ts';

interface Node {
  readonly routes: readonly Route[];
  readonly seen: unknown[];
  readonly senders: unknown[];
}

const addrs = { a: '127.0.0.1:1', b: '127.0.0.2:1' } as const;
type Name = keyof typeof addrs;

/** Two nodes, each with verwalter's routes as verwalter answers them; requests between them are calls. */
function cluster(leader: Name | null) {
  const nodes = new Map<string, Node>();
  const call = (
    node: Node,
    method: string,
    target: string,
    body?: unknown,
    more: Partial<HttpRequest> = {},
  ): HttpReply | Promise<HttpReply> => {
    for (const route of node.routes) {
      const match = new RegExp(`^${route.path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`).exec(target);
      if (route.method !== method || match === null) continue;
      const request = { method, path: target, query: new URLSearchParams(), params: match.groups ?? {}, body };
      const principal = target.startsWith('/v1/peer/') ? 'cluster' : 'token';
      return route.handle({ ...request, remoteAddress: '', principal, ...more } as HttpRequest);
    }
    return problem(404, 'nothing');
  };
  const send = async (method: string, addr: string, path: string, body?: unknown): Promise<unknown> => {
    const node = nodes.get(addr);
    if (node === undefined) throw new Error('connection refused');
    const reply = await call(node, method, path, JSON.parse(JSON.stringify(body ?? null)));
    if (reply.status !== 200 || !('json' in reply)) {
      throw Object.assign(new Error(`answered ${reply.status}`), { status: reply.status });
    }
    return JSON.parse(JSON.stringify(reply.json));
  };
  const http: LeaderHttp = {
    getJson: (addr, path) => send('GET', addr, path),
    postOnce: (addr, path, body) => send('POST', addr, path, body),
  };
  const node = (name: Name): Node => {
    const seen: unknown[] = [];
    const senders: unknown[] = [];
    const leadership: Leadership =
      leader === null
        ? { role: 'none', epoch: 1 }
        : leader === name
          ? { role: 'leader', epoch: 1 }
          : { role: 'follower', epoch: 1, leaderId: leader, schedule: null };
    const act = (path: string): Route => ({
      method: 'POST',
      path,
      access: 'act',
      summary: '',
      handle({ body, principal, remoteAddress, idempotencyKey, deadline }) {
        if (leadership.role === 'follower') return { status: 307, location: `http://elsewhere${path}` };
        if (leadership.role === 'none') return problem(503, 'no leader');
        seen.push(body);
        senders.push({ principal, remoteAddress, idempotencyKey, deadline });
        return body === 'bad' ? problem(422, 'bad') : json({ registered: 7 });
      },
    });
    const pending: Route = {
      method: 'GET',
      path: '/v1/action_is_pending/:id',
      access: 'read',
      summary: '',
      handle: ({ params }) => (params.id === '7' ? json({ pending: true }) : problem(404, 'no such action')),
    };
    const guard: Route = {
      method: 'POST',
      path: '/v1/guard',
      access: 'act',
      summary: '',
      handle({ body }) {
        if (body === undefined) return problem(415, 'JSON');
        if (leadership.role !== 'leader') return problem(409, 'nothing is held');
        seen.push(body);
        return json('ok');
      },
    };
    const routes = forwardToLeader({
      routes: [act('/v1/action'), act('/v1/wait_action'), pending, guard],
      peers: {
        leadership: () => leadership,
        members: () => [{ id: 'a', addr: addrs.a } as Member, { id: 'b', addr: addrs.b } as Member],
      },
      http,
    });
    const made = { routes, seen, senders };
    nodes.set(addrs[name], made);
    return made;
  };
  const [a, b] = [node('a'), node('b')];
  return { a, b, call, crash: (name: Name) => nodes.delete(addrs[name]) };
}

describe('actions', () => {
  it('reach the leader from whatever node was asked', async () => {
    const { a, b, call } = cluster('a');
    expect(await call(b, 'POST', '/v1/action', { x: 1 })).toEqual({ status: 200, json: { registered: 7 } });
    expect(await call(a, 'POST', '/v1/action', { x: 2 })).toEqual({ status: 200, json: { registered: 7 } });
    expect(a.seen).toEqual([{ x: 1 }, { x: 2 }]);
    expect(await call(b, 'GET', '/v1/action_is_pending/7')).toEqual({ status: 200, json: { pending: true } });
    expect(await call(b, 'GET', '/v1/action_is_pending/8')).toMatchObject({ status: 404 });
  });

  it('bring along who sent them, from where, with which key and deadline', async () => {
    const { a, b, call } = cluster('a');
    const sent = { principal: 'alice', remoteAddress: '10.0.0.7', idempotencyKey: 'k', deadline: '2' };
    await call(b, 'POST', '/v1/wait_action', { x: 1 }, sent);
    await call(b, 'POST', '/v1/wait_action', { x: 1 }, { query: new URLSearchParams('deadline=3') });
    expect(a.senders).toEqual([
      sent,
      { principal: 'token', remoteAddress: '', idempotencyKey: undefined, deadline: '3' },
    ]);
  });

  it('are not taken from somebody who has not proven to be a peer', async () => {
    const { a, call } = cluster('a');
    const forwarded = { path: '/v1/action', action: 1, principal: 'alice' };
    expect(await call(a, 'POST', '/v1/peer/action', forwarded, { principal: 'loopback' })).toMatchObject({
      status: 403,
    });
    expect(a.seen).toEqual([]);
  });

  it('bring back the refusal of the scheduler', async () => {
    const { b, call } = cluster('a');
    expect(await call(b, 'POST', '/v1/wait_action', 'bad')).toEqual({ status: 422, json: { error: 'bad' } });
  });

  it('say so when there is no leader, or it is gone', async () => {
    const none = cluster(null);
    expect(await none.call(none.b, 'POST', '/v1/action', 1)).toMatchObject({ status: 503 });
    const crashed = cluster('a');
    crashed.crash('a');
    expect(await crashed.call(crashed.b, 'POST', '/v1/action', 1)).toMatchObject({
      status: 503,
      json: { error: 'asking the leader: connection refused; look at what there is before you repeat it' },
    });
  });

  it('include the decision about a held schedule, which only the leader can take', async () => {
    const { a, b, call } = cluster('a');
    const apply = { decision: 'apply', hash: 'x' };
    expect(await call(b, 'POST', '/v1/guard', apply)).toEqual({ status: 200, json: 'ok' });
    expect(await call(a, 'POST', '/v1/guard', apply)).toEqual({ status: 200, json: 'ok' });
    expect(a.seen).toEqual([apply, apply]);
    expect(await call(b, 'POST', '/v1/guard', undefined)).toMatchObject({ status: 415 });
    const none = cluster(null);
    expect(await none.call(none.b, 'POST', '/v1/guard', apply)).toMatchObject({ status: 409 });
    expect(await call(b, 'POST', '/v1/peer/action', { path: '/v1/guard', action: apply })).toMatchObject({
      json: { status: 409 },
    });
  });

  it('are passed on once, not in a circle', async () => {
    const { b, call } = cluster('a');
    const forwarded = { path: '/v1/action', action: 1 };
    expect(await call(b, 'POST', '/v1/peer/action', forwarded)).toMatchObject({
      status: 200,
      json: { status: 503, json: { error: expect.stringContaining('no leader') } },
    });
  });

  it('of other paths are not passed on', async () => {
    const { a, call } = cluster('a');
    expect(await call(a, 'POST', '/v1/peer/action', { path: '/v1/shutdown', action: 1 })).toMatchObject({
      status: 400,
    });
    expect(await call(a, 'POST', '/v1/peer/action', null)).toMatchObject({ status: 400 });
  });
});
