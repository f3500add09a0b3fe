import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpReply } from '../../src/http/route.ts';
import type { JsonObject } from '../../src/verwalter/canonical.ts';
import type { Leadership, Peers } from '../../src/verwalter/ports.ts';
import { recordingRoutes } from '../../src/verwalter/recording/recording-routes.ts';
import { verwalterRoutes } from '../../src/verwalter/routes.ts';
import { startVerwalter } from '../../src/verwalter/shell.ts';
import type { Verwalter } from '../../src/verwalter/verwalter.ts';
import { bundleWorker } from './worker-bundle.ts';

// A leader with real Lua, files and recordings; only its cluster is a variable.

const scheduler = (body: string): string => `return { scheduler = function(input)
  local count = #input.parents > 0 and input.parents[1].state.count or 2
  for _, action in pairs(input.actions) do count = action.count end
  ${body}
end }`;
const spread = scheduler(`print('count is ' .. count)
  return { schedule = { state = { count = count }, nodes = { a = { roles = { web = {
    template = 't', daemons = { main = { instances = count } } } } } }, changes = { 'web: now ' .. count } } }`);

let worker: Awaited<ReturnType<typeof bundleWorker>>;
let root: string;
let verwalter: Verwalter | null;
let leadership: Leadership;
beforeAll(async () => {
  worker = await bundleWorker();
});
afterAll(() => worker.remove());
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'verwalter-time-travel-'));
  leadership = { role: 'leader', epoch: 1 };
  put('scheduler/v1/main.lua', spread);
});
afterEach(async () => {
  await verwalter?.stop();
  rmSync(root, { recursive: true, force: true });
});
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, 'config', path)), { recursive: true });
  writeFileSync(join(root, 'config', path), text);
};

const peers: Peers = {
  self: { id: 'a'.repeat(32), addr: 'a', hostname: 'a', name: 'a' },
  members: () => [],
  leadership: () => leadership,
  onChange: () => () => {},
  announce: () => {},
  mayLead: () => {},
};

const start = (): Verwalter => {
  verwalter = startVerwalter({
    peers,
    metrics: { queryByHost: () => Promise.resolve({ byHost: {}, missing: [] }) },
    peerHttp: { getJson: () => Promise.reject(new Error('nobody')) },
    configDir: join(root, 'config'),
    storageDir: join(root, 'storage'),
    logDir: join(root, 'log'),
    version: '0.0.1',
    lithosSwitch: ['/bin/false'],
    roundIntervalMs: 100,
    schedulerLimits: { timeLimitMs: 2000, memoryLimitBytes: 64 * 1024 * 1024 },
    workerUrl: worker.url,
  });
  return verwalter;
};

const call = async (method: 'GET' | 'POST', target: string, body?: unknown): Promise<HttpReply> => {
  if (verwalter === null) throw new Error('not started');
  const url = new URL(target, 'http://x');
  for (const route of [...recordingRoutes(verwalter), ...verwalterRoutes(verwalter, { version: '0.0.1', peers })]) {
    const match = new RegExp(`^${route.path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`).exec(url.pathname);
    if (route.method !== method || match === null) continue;
    const asked = { method, path: url.pathname, query: url.searchParams, params: match.groups ?? {}, body };
    return route.handle({ ...asked, accept: '', remoteAddress: '', principal: 'token' });
  }
  return { status: 404, json: null };
};
const jsonOf = async <T>(reply: Promise<HttpReply>): Promise<T> => {
  const value = await reply;
  if (!('json' in value) || value.status !== 200) throw new Error(JSON.stringify(value));
  return JSON.parse(JSON.stringify(value.json)) as T;
};
interface Listed {
  readonly rounds: readonly { id: number; hash: string; ok: boolean; changed: boolean; error?: string }[];
}
const list = (query = ''): Promise<Listed> => jsonOf(call('GET', `/v1/recordings${query}`));
const until = { timeout: 20_000, interval: 30 };
const recorded = (count: number) =>
  expect.poll(async () => (await list()).rounds.length, until).toBeGreaterThanOrEqual(count);
const act = (a: Verwalter, value: JsonObject) =>
  a.act({
    value,
    wait: true,
    deadlineMs: 60_000,
    sender: { principal: 'token', address: '' },
    idempotencyKey: null,
  });
const loadError = () => verwalter?.status().errors.scheduler_load;

describe('a leader', () => {
  it('records its rounds, and tells them over HTTP with what moved between two', async () => {
    const a = start();
    await recorded(3);
    await act(a, { count: 5 });
    await expect.poll(async () => (await list('?changed=1')).rounds.length, until).toBe(2);
    const [first, second] = (await list('?changed=1')).rounds;
    const round = await jsonOf(call('GET', `/v1/recordings/${second?.id}?scheduler=1`));
    expect(round).toMatchObject({
      ok: true,
      changed: true,
      input: { current_host: 'a', parents: [{ state: { count: 2 } }] },
      output: { state: { count: 5 } },
      log: 'count is 5',
      scheduler: { 'main.lua': spread },
    });
    expect(await jsonOf(call('GET', `/v1/diff?from=${first?.hash}&to=${second?.hash}`))).toEqual({
      from: first?.hash,
      to: second?.hash,
      moves: [{ role: 'web', node: 'a', daemon: 'main', kind: 'changed', before: 2, after: 5, why: 'web: now 5' }],
    });
    expect(await call('GET', '/v1/recordings/1')).toMatchObject({ status: 404 });
    expect(await call('GET', `/v1/diff?from=${first?.hash}&to=f`)).toMatchObject({ status: 404 });
    expect(await call('GET', '/v1/recordings?from=yesterday')).toMatchObject({ status: 400 });
  });

  it('records rounds that fail too, with what the scheduler said', async () => {
    put('scheduler/v1/main.lua', "return { scheduler = function() print 'so far' error('no way') end }");
    start();
    await recorded(1);
    const [round] = (await list()).rounds;
    expect(round).toMatchObject({ ok: false, hash: null, error: expect.stringContaining('no way') });
    expect(await jsonOf(call('GET', `/v1/recordings/${round?.id}`))).toMatchObject({
      output: null,
      log: expect.stringMatching(/so far[\s\S]*no way/),
    });
  });
});

describe('a new scheduler that loads', () => {
  it('is refused where it fails on a recorded round, which is named, and taken when it is repaired', async () => {
    const a = start();
    await recorded(2);
    put('scheduler/v1/main.lua', scheduler("error('cannot do ' .. count)"));
    await expect.poll(loadError, until).toContain('scheduler/v1/main.lua:4: cannot do 2');
    const id = /recorded round (\d+) of/.exec(loadError() ?? '')?.[1];
    expect((await list()).rounds.map((round) => String(round.id))).toContain(id);
    const before = (await list()).rounds.length;
    await recorded(before + 2);
    expect((await list()).rounds.every(({ ok }) => ok)).toBe(true);
    expect(await act(a, { count: 7 })).toMatchObject({ status: 204 });
    put('scheduler/v1/main.lua', spread.replace("'count is '", "'the count is '"));
    await expect.poll(loadError, until).toBeUndefined();
    await expect.poll(() => a.lastLog(), until).toBe('the count is 7');
  });

  it('is refused where it stalls, while rounds go on', async () => {
    const a = start();
    await recorded(2);
    put('scheduler/v1/main.lua', scheduler('while true do end'));
    const seen = new Set<number | undefined>();
    await expect
      .poll(() => {
        seen.add(a.status().lastRound?.atMs);
        return loadError();
      }, until)
      .toContain('time limit of 2000 ms exceeded');
    // Its trial took two seconds, a round a tenth.
    expect(seen.size).toBeGreaterThan(2);
    expect(a.status().errors.scheduler).toBeUndefined();
  });

  it('is refused where it returns nonsense', async () => {
    start();
    await recorded(2);
    put('scheduler/v1/main.lua', scheduler("return '[]', ''"));
    await expect.poll(loadError, until).toContain('a list, not an object (in a dry run over the recorded round');
  });

  it('is taken where it only fails without the metadata that came with it', async () => {
    const a = start();
    await recorded(2);
    put('scheduler/v1/main.lua', spread.replace("'count is '", 'input.runtime.words.text'));
    await expect.poll(loadError, until).toContain('main.lua:4: ');
    put('runtime/words.yaml', 'text: "in words: "\n');
    await expect.poll(loadError, until).toBeUndefined();
    await expect.poll(() => a.lastLog(), until).toBe('in words: 2');
  });
});

describe('a dry run', () => {
  it('tells what another scheduler would have done in recorded rounds, and applies nothing', async () => {
    const a = start();
    await recorded(3);
    const files = { 'main.lua': spread.replace('instances = count', 'instances = count + 1') };
    const answer = await jsonOf<{ rounds: number; changed_rounds: number }>(
      call('POST', '/v1/dry_run', { scheduler: files }),
    );
    expect(answer).toMatchObject({
      failed: [],
      moves: [{ role: 'web', daemon: 'main', kind: 'changed', before: 2, after: 3 }],
    });
    expect(answer.rounds).toBeGreaterThanOrEqual(3);
    expect(answer.changed_rounds).toBe(answer.rounds);
    const failing = { scheduler: { 'main.lua': scheduler("error('never')") }, to: Date.now() };
    expect(await jsonOf(call('POST', '/v1/dry_run', failing))).toMatchObject({
      failed: expect.arrayContaining([
        { id: expect.any(Number), timestamp: expect.any(Number), error: expect.stringContaining('never') },
      ]),
      moves: [],
    });
    expect(a.status().errors).toEqual({});
    expect(await call('POST', '/v1/dry_run', { scheduler: { 'other.lua': '' } })).toMatchObject({ status: 400 });
    expect(await call('POST', '/v1/dry_run', undefined)).toMatchObject({ status: 415 });
  });

  it('answers what if a recorded round had seen something else', async () => {
    start();
    await recorded(1);
    const [round] = (await list()).rounds;
    const body = { id: round?.id, patch: { parents: [{ state: { count: 9 } }] } };
    expect(await jsonOf(call('POST', '/v1/dry_run', body))).toMatchObject({
      changed_rounds: 1,
      output: { state: { count: 9 } },
      log: 'count is 9',
      moves: [{ before: 2, after: 9 }],
    });
    expect(await call('POST', '/v1/dry_run', { ...body, id: 1 })).toMatchObject({ status: 404 });
  });
});

describe('the shadow', () => {
  it('runs after each round and tells how it differs, but decides nothing', async () => {
    put('scheduler/v1-shadow/main.lua', spread.replace('instances = count', 'instances = 9'));
    const a = start();
    await expect.poll(() => a.timeTravel.shadow()?.rounds ?? 0, until).toBeGreaterThan(1);
    const shadow = await jsonOf<{ rounds: number; differing: number }>(call('GET', '/v1/shadow'));
    expect(shadow).toMatchObject({
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      failed: 0,
      last: { moves: [{ role: 'web', daemon: 'main', before: 2, after: 9 }] },
    });
    expect(shadow.differing).toBe(shadow.rounds);
    expect(a.schedule()?.data.state).toEqual({ count: 2 });
    put('scheduler/v1-shadow/main.lua', scheduler("error('not yet')"));
    await expect
      .poll(() => a.timeTravel.shadow(), until)
      .toMatchObject({ failed: expect.any(Number), last: { error: expect.stringContaining('not yet') } });
    expect(await jsonOf(call('GET', '/v1/status'))).toMatchObject({ errors: {}, shadow: { differing: 0 } });
    rmSync(join(root, 'config/scheduler/v1-shadow'), { recursive: true });
    await expect.poll(() => a.timeTravel.shadow(), until).toBeNull();
    expect(await call('GET', '/v1/shadow')).toMatchObject({ status: 404 });
  });
});
