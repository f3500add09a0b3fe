import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readTokens } from '../../src/http/token.ts';
import { auditRoute } from '../../src/verwalter/audit-route.ts';
import { type AuditRecord, openAuditLog } from '../../src/verwalter/log/audit-log.ts';
import { verwalterRoutes } from '../../src/verwalter/routes.ts';
import { type OneNode, startOneNode } from './one-node.ts';
import { bundleWorker } from './worker-bundle.ts';

// Actions from a request over HTTP to a real scheduler and back.

const scheduler = `return { scheduler = function(input)
  local last = input.parents[1]
  local count = last and last.state.count or 0
  local answers = {}
  for id, action in pairs(input.actions) do
    if action.poison then error('cannot stomach that') end
    if action.mute then return nil end
    if action.stray then answers[7] = 'nobody asked' end
    count = count + (action.add or 0)
    if not action.silent then answers[id] = { count = count } end
  end
  return { schedule = { state = { count = count } }, actions = answers }
end }`;
const stubborn = "return { scheduler = function(input) error('not today') end }";

const secrets = { view: 'v1ew-secret', web: 'w3b-secret', act: 'act-secret', admin: 'adm1n-secret' } as const;
const tokenFile = [
  `grafana view ${secrets.view}`,
  `ci act:web ${secrets.web}`,
  `ops act ${secrets.act}`,
  `alice admin ${secrets.admin}`,
].join('\n');
const as = (who: keyof typeof secrets) => ({ authorization: `Bearer ${secrets[who]}` });

let worker: Awaited<ReturnType<typeof bundleWorker>>;
let node: OneNode;
beforeAll(async () => {
  worker = await bundleWorker();
  let audit: ReturnType<typeof openAuditLog> | null = null;
  const auditOf = () => {
    audit ??= openAuditLog({ dir: `${node.root}/log`, keep: { ms: 1e9, bytes: 1e9 }, nowMs: Date.now });
    return audit;
  };
  node = await startOneNode({
    files: { 'config/scheduler/v1/main.lua': scheduler },
    workerUrl: worker.url,
    http: { tokens: readTokens(tokenFile, 'tokens'), audit: (entry) => auditOf().note(entry) },
    routes: (verwalter, peers) => [
      ...verwalterRoutes(verwalter, { version: '0.0.1', peers }),
      auditRoute({ read: (...asked) => auditOf().read(...asked), problem: () => null }),
    ],
  });
  await vi.waitFor(() => expect(count()).toBe(0), until);
});
afterAll(async () => {
  await node.stop();
  worker.remove();
});

const until = { timeout: 30_000, interval: 50 };
const count = (): unknown => (node.verwalter.schedule()?.data.state as { count?: number } | undefined)?.count;
const loads = async (text: string): Promise<void> => {
  const before = node.verwalter.status().schedulerHash;
  node.put('config/scheduler/v1/main.lua', text);
  await expect.poll(() => node.verwalter.status().schedulerHash, until).not.toBe(before);
};
const add = (body: object, headers: Readonly<Record<string, string>> = {}, query = '') =>
  node.post(`/v1/wait_action${query}`, body, { ...as('act'), ...headers });
const audited = async (): Promise<readonly AuditRecord[]> =>
  JSON.parse((await node.get('/v1/audit?limit=1000')).text).entries;

describe('an action', () => {
  it('is answered by the scheduler with its id, or with 204 and no body where that says nothing', async () => {
    const before = count() as number;
    const told = await add({ add: 2 });
    expect([told.status, JSON.parse(told.text)]).toEqual([200, { count: before + 2 }]);
    expect(told.headers['stellwerk-action']).toMatch(/^\d{13}$/);
    const silent = await add({ add: 1, silent: true });
    expect([silent.status, silent.text]).toEqual([204, '']);
    expect(count()).toBe(before + 3);
  });

  it('has an id that no other gets, also when it is done before the second is over', async () => {
    const ids: string[] = [];
    for (let round = 0; round < 4; round++) ids.push(String((await add({ add: 0 })).headers['stellwerk-action']));
    const more = await Promise.all(Array.from({ length: 20 }, () => node.post('/v1/action', { add: 0 }, as('act'))));
    ids.push(...more.map(({ text }) => String(JSON.parse(text).registered)));
    expect(new Set(ids).size).toBe(24);
    await expect.poll(async () => (await node.get('/v1/pending_actions')).text, until).toBe('{}');
  });

  it('is removed at its deadline where no round takes it: 504', async () => {
    await loads(stubborn);
    const before = count() as number;
    const asked = [
      add({ add: 100 }, {}, '?deadline=0.3'),
      add({ add: 100 }, { 'x-deadline': '0.4' }),
      node.post('/v1/action?deadline=0.2', { add: 100 }, as('act')),
    ];
    const [byQuery, byHeader, unwaited] = await Promise.all(asked);
    expect([byQuery?.status, byHeader?.status, unwaited?.status]).toEqual([504, 504, 200]);
    await expect.poll(async () => (await node.get('/v1/pending_actions')).text, until).toBe('{}');
    const { registered } = JSON.parse(unwaited?.text ?? '');
    await expect.poll(async () => (await node.get(`/v1/action_is_pending/${registered}`)).status, until).toBe(404);
    await loads(scheduler);
    expect(JSON.parse((await add({ add: 1 })).text)).toEqual({ count: before + 1 });
  });

  it.each(['0', '-1', 'soon', '601', '1e3', ''])('is refused with a deadline of "%s"', async (deadline) => {
    const reply = await add({ add: 1 }, {}, `?deadline=${deadline}`);
    expect([reply.status, JSON.parse(reply.text).error]).toEqual([400, expect.stringContaining('deadline: seconds')]);
  });

  it('that makes every round fail is found and answered with 422, also where there are two, and whether it throws or makes it say nothing', async () => {
    const before = count() as number;
    const asked = [add({ poison: true }), add({ add: 1 }), add({ mute: true }), add({ add: 1 })];
    const replies = await Promise.all(asked);
    expect(replies.map(({ status }) => status)).toEqual([422, 200, 422, 200]);
    expect(JSON.parse(replies[0]?.text ?? '').error).toContain('the scheduler failed 3 times with this action');
    expect(count()).toBe(before + 2);
    expect(node.verwalter.status().errors).toEqual({});
  });

  it('is answered with 503 when its leader leads no longer, and was not done', async () => {
    await loads(stubborn);
    const before = count();
    const waiting = add({ add: 50 });
    await expect.poll(() => node.verwalter.pendingActions().length, until).toBe(1);
    node.lead(false);
    expect((await waiting).status).toBe(503);
    expect((await add({ add: 50 })).status).toBe(503);
    await loads(scheduler);
    node.lead(true);
    await expect.poll(() => node.verwalter.status().scheduleStatus, until).toBe('ok');
    expect(count()).toBe(before);
  });

  it('is told to the scheduler without who sent it; the log of changes knows', async () => {
    const id = (await add({ add: 1, button: { role: 'web' } })).headers['stellwerk-action'];
    const input = node.verwalter.lastInput();
    expect(JSON.stringify(input)).not.toMatch(/ops|secret|127\.0\.0\.1:/);
    const line = `action ${id} by ops (127.0.0.1): {"add":1,"button":{"role":"web"}} → 200 {"count":${count()}}`;
    await expect.poll(() => node.read('log/.changes/latest'), until).toContain(line);
  });

  it('that the scheduler was not given and answers all the same is told to the operator', async () => {
    expect((await add({ stray: true })).status).toBe(200);
    expect(node.said).toContainEqual(expect.stringMatching(/answers to actions that it was not given: 7$/));
  });
});

describe('an Idempotency-Key', () => {
  it('makes the same action be done once, and gives the same answer again', async () => {
    const before = count() as number;
    const key = { 'idempotency-key': 'deploy-17' };
    const first = await Promise.all([add({ add: 5 }, key), add({ add: 5 }, key)]);
    const later = await add({ add: 5 }, key);
    const unwaited = await node.post('/v1/action', { add: 5 }, { ...as('act'), ...key });
    expect([...first, later].map(({ text }) => JSON.parse(text))).toEqual(Array(3).fill({ count: before + 5 }));
    expect(JSON.parse(unwaited.text)).toEqual({ registered: Number(later.headers['stellwerk-action']) });
    await add({ add: 0 });
    expect(count()).toBe(before + 5);
  });

  it('of another action, or one that cannot be a key, is refused; of another sender it is another key', async () => {
    const key = { 'idempotency-key': 'deploy-18' };
    expect((await add({ add: 1 }, key)).status).toBe(200);
    expect((await add({ add: 2 }, key)).status).toBe(422);
    expect((await add({ add: 2 }, { 'idempotency-key': 'two words' })).status).toBe(400);
    expect((await add({ add: 2 }, { ...key, ...as('admin') })).status).toBe(200);
  });

  it('may try again where nothing was done', async () => {
    await loads(stubborn);
    const key = { 'idempotency-key': 'deploy-19' };
    expect((await add({ add: 1 }, key, '?deadline=0.1')).status).toBe(504);
    // A round may have begun with it: until that has failed, nobody knows.
    const { lastRound } = node.verwalter.status();
    await expect.poll(() => node.verwalter.status().lastRound?.atMs, until).not.toBe(lastRound?.atMs);
    await loads(scheduler);
    expect((await add({ add: 1 }, key)).status).toBe(200);
  });
});

describe('a token', () => {
  const act = (who: keyof typeof secrets, body: unknown) => node.post('/v1/action', body, as(who));

  it('for viewing reads and changes nothing', async () => {
    expect((await node.get('/v1/status', as('view'))).status).toBe(200);
    const reply = await act('view', { add: 1 });
    expect([reply.status, JSON.parse(reply.text)]).toEqual([403, { error: 'this needs a token that may act' }]);
  });

  it('for a role of the scheduler sends the buttons of that role and nothing else', async () => {
    expect((await act('web', { button: { role: 'web', action: 'restart' } })).status).toBe(200);
    for (const body of [
      { button: { role: 'celery' } },
      { button: { role: 'web' }, add: 1 },
      { button: { role: ['web'] } },
      { add: 1 },
      'web',
      null,
    ]) {
      expect((await act('web', body)).status).toBe(403);
    }
  });

  it('that may act may not tell the agent what to do; that of an admin may', async () => {
    for (const who of ['view', 'web', 'act'] as const) {
      expect((await node.post('/v1/force_render_all', undefined, as(who))).status).toBe(403);
      expect((await node.post('/v1/guard', { decision: 'apply', hash: 'x' }, as(who))).status).toBe(403);
    }
    expect((await node.post('/v1/force_render_all', undefined, as('admin'))).status).toBe(200);
    expect((await node.post('/v1/guard', { decision: 'apply', hash: 'x' }, as('admin'))).status).toBe(409);
    expect((await act('admin', { add: 0 })).status).toBe(200);
  });
});

describe('the audit log', () => {
  it('has who did what, from where, and what came of it', async () => {
    const id = (await add({ add: 1 })).headers['stellwerk-action'];
    await node.post('/v1/action?token=x', { add: 1 });
    await node.post('/v1/guard', {}, as('view'));
    await node.post('/v1/action', {}, { ...as('act'), origin: 'https://evil.example' });
    await loads(stubborn);
    await add({ add: 1 }, {}, '?deadline=0.1');
    await loads(scheduler);
    await node.post('/v1/force_render_all', undefined, as('admin'));
    const records = (await audited()).slice(-6);
    const known = { address: '127.0.0.1', method: 'POST' };
    expect(records).toMatchObject([
      { ...known, principal: 'ops', path: '/v1/wait_action', status: 200, error: null, action: id },
      { ...known, principal: null, path: '/v1/action', status: 401, error: 'this needs the token' },
      { ...known, principal: 'grafana', path: '/v1/guard', status: 403, error: 'this needs a token of an admin' },
      { ...known, principal: null, path: '/v1/action', status: 403, error: expect.stringContaining('evil.example') },
      {
        ...known,
        principal: 'ops',
        path: '/v1/wait_action',
        status: 504,
        error: expect.stringContaining('no round has'),
      },
      { ...known, principal: 'alice', path: '/v1/force_render_all', status: 200, error: null },
    ]);
    expect(records.every(({ time, tookMs }) => Date.parse(time) > 0 && tookMs >= 0)).toBe(true);
    expect(JSON.stringify(await audited())).not.toMatch(/secret|guess/);
  });

  it('is read by admins and on the machine itself', async () => {
    expect((await node.get('/v1/audit', as('admin'))).status).toBe(200);
    expect((await node.get('/v1/audit', as('act'))).status).toBe(403);
    expect((await node.get('/v1/audit', as('view'))).status).toBe(403);
    expect((await node.get('/v1/audit?limit=0')).status).toBe(400);
    expect((await node.get('/v1/audit?from=x')).status).toBe(400);
    expect(JSON.parse((await node.get(`/v1/audit?from=${Date.now() + 60_000}`)).text).entries).toEqual([]);
  });
});

describe('a page of another origin', () => {
  const changing = async (): Promise<readonly string[]> => {
    const { routes } = JSON.parse((await node.get('/v1')).text) as {
      routes: { method: string; path: string; access: string }[];
    };
    return routes.flatMap(({ method, path, access }) => (method === 'POST' && access !== 'read' ? [path] : []));
  };

  it('changes nothing by any route, with whatever a browser lets it send', async () => {
    const paths = await changing();
    expect(paths).toEqual(['/v1/action', '/v1/wait_action', '/v1/guard', '/v1/force_render_all']);
    const before = count();
    const browser = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'cors',
      referer: 'https://evil.example/',
      cookie: 'session=1',
    };
    const body = JSON.stringify({ add: 1000 });
    for (const path of paths) {
      const send = (headers: Readonly<Record<string, string>>) => node.post(path, JSON.parse(body), headers);
      // What needs no preflight: forms, and fetch in the mode no-cors.
      for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain']) {
        const simple = { ...browser, 'content-type': type };
        expect((await send({ ...simple, origin: 'https://evil.example' })).status).toBe(403);
        // A page that knew a token would still not be let in, nor would a form without an Origin.
        expect((await send({ ...simple, origin: 'https://evil.example', ...as('admin') })).status).toBe(403);
        expect((await send({ ...simple, origin: 'null', ...as('admin') })).status).toBe(403);
        expect((await send(simple)).status).toBe(401);
        expect((await send({ ...simple, ...as('admin') })).status).toBe(415);
      }
      expect((await send({ ...browser, origin: `http://127.0.0.1:${node.server.port}.evil.example` })).status).toBe(
        403,
      );
      expect((await send({ host: 'evil.example', origin: 'http://evil.example', ...as('admin') })).status).toBe(403);
      expect((await send({})).status).toBe(401);
      expect((await send({ authorization: 'Bearer guess' })).status).toBe(401);
      expect((await node.get(`${path}?add=1000`, as('admin'))).status).toBe(405);
    }
    await add({ add: 0 });
    expect(count()).toBe(before);
  });
});
