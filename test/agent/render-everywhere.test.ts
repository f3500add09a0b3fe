import { describe, expect, it } from 'vitest';
import { renderEverywhere } from '../../src/agent/render-everywhere.ts';
import { type HttpRequest, json, type Route } from '../../src/http/route.ts';
import type { Member } from '../../src/verwalter/ports.ts';

const member = (hostname: string, liveness: Member['liveness']): Member =>
  ({ hostname, addr: `${hostname}:1`, liveness }) as Member;

function nodeWith(members: readonly Member[]) {
  let rendered = 0;
  const asked: string[] = [];
  const own: Route = {
    ...{ method: 'POST', path: '/v1/force_render_all', access: 'act', summary: '' },
    handle() {
      rendered += 1;
      return json('ok');
    },
  };
  const routes = renderEverywhere({
    routes: [own],
    peers: { self: { id: 'a', addr: 'a:1', hostname: 'a', name: 'a' }, members: () => members },
    http: {
      async postOnce(addr, path) {
        asked.push(`${addr} ${path}`);
        if (addr.startsWith('deaf')) throw new Error('no answer');
        return 'ok';
      },
    },
  });
  const call = (path: string, query = '', principal = 'cluster') => {
    const route = routes.find((each) => each.path === path);
    return route?.handle({ query: new URLSearchParams(query), principal } as HttpRequest);
  };
  return { call, asked, count: () => rendered };
}

describe('a forced render', () => {
  it('is of this node alone, unless all are asked for', async () => {
    const node = nodeWith([member('b', 'alive')]);
    expect(await node.call('/v1/force_render_all')).toEqual(json('ok'));
    expect([node.count(), node.asked]).toEqual([1, []]);
    expect(await node.call('/v1/force_render_all', 'nodes=all')).toEqual(json({ nodes: { a: 'ok', b: 'ok' } }));
    expect([node.count(), node.asked]).toEqual([2, ['b:1 /v1/peer/force_render_all']]);
  });

  it('says which nodes did not take it', async () => {
    const node = nodeWith([member('b', 'dead'), member('deaf', 'suspect')]);
    expect(await node.call('/v1/force_render_all', 'nodes=all')).toEqual(
      json({
        nodes: { a: 'ok', b: 'dead', deaf: 'no answer' },
        error: 'not on all nodes: b: dead; deaf: no answer',
      }),
    );
  });

  it('that another node passed on is not passed on again', async () => {
    const node = nodeWith([member('b', 'alive')]);
    expect(await node.call('/v1/peer/force_render_all', 'nodes=all')).toEqual(json('ok'));
    expect([node.count(), node.asked]).toEqual([1, []]);
  });

  it('that anybody on the machine says another node passed on is refused', async () => {
    const node = nodeWith([]);
    expect(await node.call('/v1/peer/force_render_all', '', 'loopback')).toMatchObject({ status: 403 });
    expect(node.count()).toBe(0);
  });
});
