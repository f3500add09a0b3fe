import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpReply } from '../../src/http/route.ts';
import type { JsonObject } from '../../src/verwalter/canonical.ts';
import type { Leadership, Member, Peers, ScheduleStamp } from '../../src/verwalter/ports.ts';
import { verwalterRoutes } from '../../src/verwalter/routes.ts';
import { startVerwalter } from '../../src/verwalter/shell.ts';
import type { Verwalter } from '../../src/verwalter/verwalter.ts';
import { bundleWorker } from './worker-bundle.ts';

// Two nodes in one process: gossip is a variable, HTTP is a call of the other's route; Lua, files and commands are real.

const mainLua = `return { scheduler = function(input)
  local last = input.parents[1]
  local count = last and last.state.count or 0
  local answers = {}
  for id, action in pairs(input.actions) do
    if action == 'poison' then error('cannot stomach that') end
    count = count + action.add
    answers[id] = { count = count }
  end
  local seen = input.metrics[input.current_id]
  return {
    schedule = {
      state = { count = count, greeting = input.runtime.greeting, metric = seen and seen.rate },
      query_metrics = { rules = { rate = { any = 'rule' } } },
      nodes = {
        a = { roles = { r = { template = 't', text = input.runtime.greeting.text, count = count } } },
        b = { roles = { r = { template = 't', text = 'b', count = count } } },
      },
      changes = { 'count is ' .. count },
    },
    actions = answers,
  }
end }`;

interface Node {
  readonly verwalter: Verwalter;
  readonly get: (path: string) => Promise<HttpReply>;
  readonly post: (path: string, body: unknown) => Promise<HttpReply>;
}

const names = ['a', 'b'] as const;
type Name = (typeof names)[number];
const idOf = { a: 'a'.repeat(32), b: 'b'.repeat(32) } as const;

let worker: Awaited<ReturnType<typeof bundleWorker>>;
let root: string;
let leader: Name | null;
let epoch: number;
let nodes: Partial<Record<Name, Node>>;
/** What each last said about leading. */
let willing: Partial<Record<Name, boolean>>;
let told: Partial<Record<Name, { schedule: ScheduleStamp | null; errors: number }>>;
let listeners: Set<() => void>;
beforeAll(async () => {
  worker = await bundleWorker();
});
afterAll(() => worker.remove());
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'verwalter-shell-'));
  leader = null;
  epoch = 0;
  nodes = {};
  told = {};
  willing = {};
  listeners = new Set();
  put('config/scheduler/v1/main.lua', mainLua);
  put('config/runtime/greeting.yaml', 'text: hello\n');
  put('config/templates/t/out.hbs', '{{text}} {{count}}');
  put(
    'config/templates/t/x.render.yaml',
    `templates: {out: out.hbs}\ncommands:\n- !Copy { dest: "${root}/out-{{ node }}" }\n`,
  );
});
afterEach(async () => {
  await Promise.all(Object.values(nodes).map((node) => node.verwalter.stop()));
  rmSync(root, { recursive: true, force: true });
});
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const get = (path: string): string => {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
};
const tell = (): void => {
  for (const listener of listeners) listener();
};
const elect = (name: Name | null): void => {
  leader = name;
  epoch++;
  tell();
};

const peersOf = (name: Name): Peers => ({
  self: { id: idOf[name], addr: name, hostname: name, name },
  members: () =>
    names
      .filter((other) => other !== name && told[other] !== undefined)
      .map(
        (other): Member => ({
          id: idOf[other],
          addr: other,
          hostname: other,
          name: other,
          knownSince: 0,
          // Heard now and then, of which nobody is told.
          lastReportDirect: Math.floor(Date.now() / heardEveryMs) * heardEveryMs,
          liveness: nodes[other] === undefined ? 'dead' : 'alive',
          schedule: told[other]?.schedule ?? null,
          errors: told[other]?.errors ?? 0,
        }),
      ),
  leadership: (): Leadership => {
    if (leader === null) return { role: 'none', epoch };
    if (leader === name) return { role: 'leader', epoch };
    const made = told[leader]?.schedule ?? null;
    const leaderId = idOf[leader];
    return { role: 'follower', epoch, leaderId, schedule: made?.origin === leaderId ? made : null };
  },
  onChange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  // Who leads is the test's to say.
  mayLead: (allowed) => {
    willing[name] = allowed;
  },
  announce(own) {
    told[name] = own;
    queueMicrotask(tell);
  },
});

const start = (name: Name): Node => {
  const verwalter = startVerwalter({
    peers: peersOf(name),
    metrics: {
      queryByHost: (rules) =>
        Promise.resolve({ byHost: { [idOf[name]]: { rate: Object.keys(rules).length } }, missing: ['elsewhere'] }),
    },
    peerHttp: {
      async getJson(addr, path) {
        const reply = await nodes[addr as Name]?.get(path);
        if (reply === undefined || reply.status !== 200 || !('json' in reply)) throw new Error('no answer');
        return JSON.parse(JSON.stringify(reply.json));
      },
    },
    configDir: join(root, 'config'),
    storageDir: join(root, 'storage', name),
    logDir: join(root, 'log', name),
    version: '0.0.1',
    lithosSwitch: ['/bin/false'],
    roundIntervalMs: 500,
    workerUrl: worker.url,
  });
  const routes = verwalterRoutes(verwalter, { version: '0.0.1', peers: peersOf(name) });
  const call = async (method: 'GET' | 'POST', target: string, body?: unknown): Promise<HttpReply> => {
    const url = new URL(target, 'http://x');
    for (const route of routes) {
      const pattern = new RegExp(`^${route.path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
      const match = pattern.exec(url.pathname);
      if (route.method !== method || match === null) continue;
      const params = match.groups ?? {};
      return route.handle({
        method,
        path: url.pathname,
        query: url.searchParams,
        params,
        body,
        accept: '',
        remoteAddress: '',
        principal: 'token',
      });
    }
    return { status: 404, json: null };
  };
  const node: Node = { verwalter, get: (path) => call('GET', path), post: (path, body) => call('POST', path, body) };
  nodes[name] = node;
  return node;
};
const heardEveryMs = 300;
const until = { timeout: 15_000, interval: 20 };

describe('verwalter on two nodes', () => {
  it('decides on the leader, spreads the schedule and renders on both', async () => {
    const a = start('a');
    const b = start('b');
    elect('a');
    await expect.poll(() => [get('out-a'), get('out-b')], until).toEqual(['hello 0', 'b 0']);
    expect(b.verwalter.schedule()).toMatchObject({ hash: a.verwalter.schedule()?.hash, origin: idOf.a });
    expect(b.verwalter.status()).toMatchObject({ scheduleStatus: 'ok', errors: {}, failedRoles: [] });
    expect((await b.get(`/v1/schedule/${b.verwalter.schedule()?.hash}`)).status).toBe(200);
    expect((await b.get('/v1/scheduler_input')).status).toBe(404);
    expect(JSON.parse(get('storage/b/schedule/schedule.json'))).toMatchObject({ origin: idOf.a });
    await expect
      .poll(() => (a.verwalter.lastInput()?.metrics_meta as JsonObject | undefined)?.missing, until)
      .toEqual(['elsewhere']);
    await expect.poll(() => (a.verwalter.schedule()?.data.state as JsonObject | undefined)?.metric, until).toBe(1);
    expect(get('log/a/.changes/latest')).toContain('count is 0');
    expect(await a.get('/v1/roles_data')).toMatchObject({ json: { all_roles: ['r'] } });
    expect(await a.get('/v1/render_log?role=r')).toMatchObject({
      status: 200,
      text: expect.stringContaining('rendered'),
    });
  });

  it('takes actions on the leader, sends others there, and refuses without one', async () => {
    const a = start('a');
    const b = start('b');
    expect(await a.post('/v1/action', { add: 1 })).toMatchObject({ status: 503 });
    elect('a');
    expect(await b.post('/v1/action', { add: 1 })).toEqual({ status: 307, location: 'http://a/v1/action' });
    expect(await a.post('/v1/wait_action', { add: 5 })).toMatchObject({ status: 200, json: { count: 5 } });
    const queued = await a.post('/v1/action', { add: 1 });
    expect(queued).toMatchObject({ status: 200, json: { registered: expect.any(Number) } });
    const { registered } = (queued as { json: { registered: number } }).json;
    const asked = `/v1/action_is_pending/${registered}`;
    expect(await a.get(asked)).toMatchObject({ json: { pending: true } });
    await expect.poll(() => a.get(asked), until).toMatchObject({ json: { pending: false } });
    expect(await b.get(asked)).toMatchObject({ status: 404 });
    expect(await a.post('/v1/action', undefined)).toMatchObject({ status: 415 });
    await expect.poll(() => get('out-b'), until).toBe('b 6');
    const poison = a.post('/v1/wait_action', 'poison');
    const good = a.post('/v1/wait_action', { add: 1 });
    expect(await poison).toMatchObject({
      status: 422,
      json: { error: expect.stringContaining('cannot stomach that') },
    });
    expect(await good).toMatchObject({ status: 200 });
    expect(await a.get('/v1/action_is_pending/1')).toMatchObject({ status: 404 });
    // The poisonous one is none of them.
    expect(a.verwalter.counts().actionsExecuted).toBe(3);
  });

  it('sees changes of runtime, template and scheduler, and keeps the last good of each', async () => {
    const a = start('a');
    elect('a');
    await expect.poll(() => get('out-a'), until).toBe('hello 0');
    put('config/runtime/greeting.yaml', 'text: good day\n');
    await expect.poll(() => get('out-a'), until).toBe('good day 0');
    put('config/runtime/greeting.yaml', 'text: [\n');
    await expect.poll(() => a.verwalter.status().errors.runtime, until).toContain('greeting.yaml:');
    put('config/scheduler/v1/main.lua', 'return oops oops');
    await expect.poll(() => a.verwalter.status().errors.scheduler_load, until).toContain('scheduler/v1/main.lua:1: ');
    expect(await a.post('/v1/wait_action', { add: 1 })).toMatchObject({ status: 200 });
    put('config/templates/t/out.hbs', '{{text}}! {{count}}');
    await expect.poll(() => get('out-a'), until).toBe('good day! 1');
    put('config/scheduler/v1/main.lua', mainLua);
    put('config/runtime/greeting.yaml', 'text: fine\n');
    await expect.poll(() => a.verwalter.status().errors, until).toEqual({});
    await expect.poll(() => get('out-a'), until).toBe('fine! 1');
  });

  it('says with file and line what is wrong with a scheduler from the start, and decides once it is repaired', async () => {
    put('config/scheduler/v1/main.lua', 'local x =\n\nreturn');
    const a = start('a');
    elect('a');
    await expect.poll(() => a.verwalter.status().errors.scheduler_load, until).toContain('scheduler/v1/main.lua:3: ');
    expect(await a.get('/v1/status')).toMatchObject({ status: 200 });
    expect(willing.a).toBe(false);
    put('config/scheduler/v1/main.lua', "return { scheduler = function() return '{}', '' end }");
    await expect.poll(() => willing.a, until).toBe(true);
    await expect.poll(() => a.verwalter.schedule()?.data, until).toEqual({});
    await expect.poll(() => a.verwalter.status(), until).toMatchObject({ errors: {}, scheduleStatus: 'ok' });
  });

  it('shows the error of a scheduler that returns no schedule, and keeps the old one', async () => {
    put(
      'config/scheduler/v1/main.lua',
      `return { scheduler = function(input)
        local text = input.runtime.greeting.text
        print('thinking of ' .. text)
        if text == 'nil' then return nil end
        if text == 'five' then return 5 end
        return ({ hello = '{"changes": ["all is well"]}', list = '[]', text = 'no' })[text], ''
      end }`,
    );
    const a = start('a');
    elect('a');
    await expect.poll(() => a.verwalter.schedule()?.data.changes, until).toEqual(['all is well']);
    for (const [value, error] of [
      ['nil', 'returned nil'],
      ['five', 'returned number'],
      ['list', 'a list, not an object'],
      ['text', 'not JSON'],
    ]) {
      put('config/runtime/greeting.yaml', `text: "${value}"\n`);
      await expect.poll(() => a.verwalter.status().errors.scheduler, until).toContain(error);
      expect(a.verwalter.schedule()?.data.changes).toEqual(['all is well']);
    }
    expect(a.verwalter.lastLog()).toContain('thinking of text');
    const { roundsSucceeded, roundsFailed, errorsOccurred } = a.verwalter.counts();
    expect(roundsSucceeded).toBeGreaterThanOrEqual(1);
    expect(roundsFailed).toBeGreaterThanOrEqual(4);
    expect(errorsOccurred).toBeGreaterThanOrEqual(4);
  });

  it('holds a schedule that stops too much, until somebody decides', async () => {
    const withInstances = (instances: number) =>
      `return { scheduler = function(input) return { schedule = {
        changes = { 'now ${instances}' },
        nodes = { a = { roles = { r = { template = 't', text = '${instances}', count = 0, daemons = { d = { instances = ${instances} } } } } } },
      } } end }`;
    put('config/scheduler/v1/main.lua', withInstances(10));
    const a = start('a');
    elect('a');
    await expect.poll(() => get('out-a'), until).toBe('10 0');
    put('config/scheduler/v1/main.lua', withInstances(2));
    await expect.poll(() => a.verwalter.status().errors.guard, until).toContain('would stop 8 of 10 instances');
    expect(get('out-a')).toBe('10 0');
    expect(get('log/a/.changes/latest')).not.toContain('now 2');
    const { hash } = a.verwalter.status().held ?? { hash: '' };
    expect(await a.post('/v1/guard', { decision: 'maybe', hash })).toMatchObject({ status: 400 });
    expect(await a.post('/v1/guard', { decision: 'apply', hash: 'f' })).toMatchObject({ status: 409 });
    expect(await a.post('/v1/guard', { decision: 'apply', hash })).toMatchObject({ status: 200 });
    await expect.poll(() => get('out-a'), until).toBe('2 0');
    expect(get('log/a/.changes/latest').match(/now 2\n/g)).toHaveLength(1);
    expect(a.verwalter.status()).toMatchObject({ errors: {}, held: null });
  });

  it('goes on with what it knew when the leader is lost, and after a restart renders nothing unconfirmed', async () => {
    const a = start('a');
    const b = start('b');
    elect('a');
    await a.post('/v1/wait_action', { add: 7 });
    await expect.poll(() => get('out-b'), until).toBe('b 7');
    await a.verwalter.stop();
    delete nodes.a;
    elect('b');
    expect(await b.post('/v1/wait_action', { add: 1 })).toMatchObject({ status: 200, json: { count: 8 } });
    expect(b.verwalter.schedule()?.origin).toBe(idOf.b);
    elect(null);
    put('out-a', 'untouched');
    const again = start('a');
    expect(again.verwalter.schedule()?.data.state).toMatchObject({ count: 7 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(get('out-a')).toBe('untouched');
    elect('b');
    await expect.poll(() => get('out-a'), until).toBe('hello 8');
  });

  it('says what is wrong with a damaged stored schedule and starts without it', async () => {
    put('storage/a/schedule/schedule.json', '{"timestamp": 1');
    const a = start('a');
    expect(a.verwalter.status().errors.storage).toContain('schedule.json');
    elect('a');
    await expect.poll(() => get('out-a'), until).toBe('hello 0');
  });
});
