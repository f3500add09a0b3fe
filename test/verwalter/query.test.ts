import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { verwalterRoutes } from '../../src/verwalter/routes.ts';
import { type OneNode, selfId, startOneNode } from './one-node.ts';
import { bundleWorker } from './worker-bundle.ts';

const scheduler = `return { scheduler = function(input)
  return { schedule = {
    nodes = { n1 = { roles = { web = { template = 'web', text = 'of the schedule' } } } },
    changes = { 'told of ' .. tostring(input.runtime.tick) },
    state = { tick = input.runtime.tick },
  } }
end }`;
const query = `local func = require 'func'
local known
return {
  init = function(about) known = about end,
  render_roles = function(about)
    return { Ok = {
      to_render = { web = { template = 'web', text = 'of query.lua on ' .. known.hostname } },
      all_roles = { 'web', 'later' },
    } }
  end,
  query = function(asked)
    if asked.path == '/fail' then error('no such luck') end
    if asked.path == '/loop' then while true do end end
    return { path = asked.path, body = asked.body, tick = known.schedule.state.tick, roles = func.keys(known.schedule.nodes) }
  end,
}`;

let worker: Awaited<ReturnType<typeof bundleWorker>>;
let node: OneNode;
beforeAll(async () => {
  worker = await bundleWorker();
  node = await startOneNode({
    files: {
      'config/scheduler/v1/main.lua': scheduler,
      'config/runtime/tick.yaml': '1\n',
      'config/templates/web/out.hbs': '{{text}}',
      'config/templates/web/x.render.yaml':
        'templates: {out: out.hbs}\ncommands:\n- !Copy { src: "{{ files.out }}", dest: ROOT/out }\n',
    },
    workerUrl: worker.url,
    http: { tokens: ['secret'] },
    routes: (verwalter, peers) => verwalterRoutes(verwalter, { version: '0.0.1', peers }),
  });
  await vi.waitFor(() => expect(node.read('out')).toBe('of the schedule'), until);
});
afterAll(async () => {
  await node.stop();
  worker.remove();
});
const until = { timeout: 30_000, interval: 50 };
const ask = async (path: string, body: unknown = null) => {
  const reply = await node.post(`/v1/query/${path}`, body);
  return [reply.status, JSON.parse(reply.text)];
};

describe('what a node says of itself', () => {
  it('is a status with the names of the original', async () => {
    const status = JSON.parse((await node.get('/v1/status')).text);
    expect(status).toMatchObject({
      ...{ version: '0.0.1', id: selfId, name: 'n1.example.org', hostname: 'n1', peers: 0 },
      leader: { id: selfId, name: 'n1.example.org', hostname: 'n1', schedule: { hash: status.schedule_id } },
      ...{ schedule_status: 'ok', num_errors: 0, errors: {}, failed_roles: [], debug_force_leader: false },
      ...{ fetch_state: 'leading', default_frontend: 'common', election_state: null },
      roles: [{ role: 'web', state: 'rendered' }],
      metrics: { 'peers.known': 0, current_errors: 0, current_failing: 0 },
    });
    expect(Math.abs(status.last_stable_timestamp - Date.now())).toBeLessThan(60_000);
  });

  it('is had indented and for grep as well', async () => {
    expect((await node.get('/v1/status.pretty')).text).toContain('\n  "hostname": "n1",\n');
    expect((await node.get('/v1/scheduler_input.gron')).text).toContain('json.current_host = "n1";');
    expect((await node.get('/v1/schedule.pretty')).headers['content-type']).toBe('application/json');
  });

  it('is ready while a leader is known whose schedule it holds, and leads others to that leader', async () => {
    expect((await node.get('/ready')).status).toBe(200);
    node.lead(false);
    for (const path of ['/ready', '/v1/ready']) {
      const reply = await node.get(path);
      expect([reply.status, JSON.parse(reply.text)]).toEqual([503, { ready: false, error: 'there is no leader' }]);
    }
    const waiting = node.get('/v1/leader-redirect-by-node-name');
    node.lead(true);
    const redirected = await waiting;
    expect([redirected.status, redirected.headers.location]).toEqual([308, 'http://n1.example.org:1/']);
    await expect.poll(async () => (await node.get('/ready')).status, until).toBe(200);
  });

  it('is changed by POST alone, and by JSON alone', async () => {
    expect((await node.get('/v1/force_render_all', { authorization: 'Bearer secret' })).status).toBe(405);
    const text = { authorization: 'Bearer secret', 'content-type': 'text/plain' };
    expect((await node.post('/v1/action', {}, text)).status).toBe(415);
  });
});

describe('query.lua', () => {
  it('is not needed', async () => {
    expect(await ask('x')).toEqual([404, { error: 'scheduler/v1/query.lua has no function query' }]);
    expect(JSON.parse((await node.get('/v1/roles_data')).text)).toMatchObject({ all_roles: ['web'] });
  });

  it('tells which roles to render, in the place of the schedule, and answers queries', async () => {
    node.put('config/scheduler/v1/query.lua', query);
    await expect.poll(() => node.read('out'), until).toBe('of query.lua on n1');
    expect(JSON.parse((await node.get('/v1/roles_data')).text)).toEqual({
      to_render: { web: { template: 'web', text: 'of query.lua on n1' } },
      all_roles: ['later', 'web'],
    });
    const answer = { path: '/a/b c', body: { x: [1, null] }, tick: 1, roles: ['n1'] };
    expect(await ask('a/b%20c', { x: [1, null] })).toEqual([200, answer]);
  });

  it('that fails or does not end is an error of the query alone', async () => {
    expect(await ask('fail')).toEqual([
      500,
      { error: expect.stringContaining('scheduler/v1/query.lua:12: no such luck') },
    ]);
    const loop = await ask('loop');
    expect(loop).toEqual([500, { error: expect.stringContaining('time limit of 1000 ms exceeded') }]);
    expect(node.verwalter.status().errors).toEqual({});
  });

  it.each([
    ["error('not now')", 'not now'],
    ["return { Err = { kind = 'Sad', message = 'gone', causes = { 'a', 'b' } } }", 'render_roles: Sad: gone (a; b)'],
    ['return 5', 'render_roles returned no table'],
    ['return { to_render = { web = 5 } }', 'to_render.web is not a table of variables'],
    ["return { to_render = {}, all_roles = 'web' }", 'all_roles is not a list of names'],
  ])('whose render_roles does %s leaves what was rendered, and says so', async (body, message) => {
    node.put('config/scheduler/v1/query.lua', `return { render_roles = function() ${body} end }`);
    await expect.poll(() => node.verwalter.status().errors.query ?? '', until).toContain(message);
    expect(node.read('out')).toBe('of query.lua on n1');
    expect((await node.get('/v1/roles_data')).status).toBe(500);
  });

  it('is heard again once it is repaired', async () => {
    const text = query.replace('of query.lua on', 'again on');
    node.put('config/scheduler/v1/query.lua', text);
    await expect.poll(() => node.read('out'), until).toBe('again on n1');
    expect(node.verwalter.status().errors).toEqual({});
  });
});
