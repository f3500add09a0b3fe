import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readTokens } from '../../src/http/token.ts';
import type { Json } from '../../src/verwalter/canonical.ts';
import { agentUrl } from '../../src/verwalter/client.ts';
import { verwalterCommand } from '../../src/verwalter/commands.ts';
import { verwalterRoutes } from '../../src/verwalter/routes.ts';
import { statusText } from '../../src/verwalter/status-text.ts';
import { type OneNode, startOneNode } from './one-node.ts';
import { bundleWorker } from './worker-bundle.ts';

const scheduler = `return { scheduler = function(input)
  local answers = {}
  for id, action in pairs(input.actions) do
    if action == 'bad' then error('no') end
    if action ~= 'quiet' then answers[id] = { got = action } end
  end
  return { schedule = { state = { seen = input.runtime.app } }, actions = answers }
end }`;

let worker: Awaited<ReturnType<typeof bundleWorker>>;
let node: OneNode;
beforeAll(async () => {
  worker = await bundleWorker();
  node = await startOneNode({
    files: {
      'config/scheduler/v1/main.lua': scheduler,
      'config/runtime/app/v1.2/daemons.yaml': 'web: { image: web-1 }\n',
      'config/runtime/number.json': '5',
      tokens: 'viewer view look\nops act press\n',
      'act-token': '# mine\nops act press\n',
    },
    workerUrl: worker.url,
    http: { tokens: readTokens('viewer view look\nops act press\n', 'tokens') },
    routes: (verwalter, peers) => verwalterRoutes(verwalter, { version: '0.0.1', peers }),
  });
  await vi.waitFor(() => expect(node.verwalter.status().scheduleStatus).toBe('ok'), { timeout: 30_000 });
});
afterAll(async () => {
  await node.stop();
  worker.remove();
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const run = async (...words: string[]) => {
  const said = { out: '', err: '' };
  const keep = (stream: 'stdout' | 'stderr', name: 'out' | 'err') =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[name] += String(text);
      return true;
    });
  keep('stdout', 'out');
  keep('stderr', 'err');
  const command = verwalterCommand();
  for (const each of [command, ...command.commands]) {
    each.exitOverride((error) => {
      throw error;
    });
  }
  let code = 0;
  try {
    await command.parseAsync(words, { from: 'user' });
    code = Number(process.exitCode ?? 0);
  } catch {
    code = 2;
  }
  vi.restoreAllMocks();
  return { code, ...said };
};
const url = () => ['--url', node.server.url];
const token = () => ['--token-file', join(node.root, 'act-token')];

describe('verwalter status', () => {
  it('says who leads, what is held, what is wrong, and ends with 0 or 1', async () => {
    const fine = await run('status', ...url());
    expect(fine).toMatchObject({ code: 0, err: '' });
    expect(fine.out).toMatch(
      /^n1 \(a+\), stellwerk 0\.0\.1: leads, epoch \d+\nschedule {3}ok, [0-9a-f]{8} of \d+ s ago/,
    );
    expect(fine.out).toContain('roles      none\n');
    node.put('config/runtime/broken.json', '{');
    await expect.poll(() => node.verwalter.status().errors.runtime, { timeout: 20_000 }).toBeDefined();
    const bad = await run('status', ...url());
    expect([bad.code, bad.out]).toEqual([1, expect.stringContaining('error      runtime: ')]);
    const asJson = await run('status', '--json', ...url());
    expect([asJson.code, JSON.parse(asJson.out).hostname]).toEqual([1, 'n1']);
    node.put('config/runtime/broken.json', '{}');
  });

  it('ends with 3 where no agent answers, and says which', async () => {
    expect(await run('status', '--url', 'http://127.0.0.1:9')).toMatchObject({
      code: 3,
      err: expect.stringContaining('http://127.0.0.1:9: connect ECONNREFUSED'),
    });
  });

  it('has a text for whatever an agent says', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, part) => {
        for (const odd of [value, { roles: value, errors: part, leadership: value, schedule: part, held: value }]) {
          expect(statusText(odd as Json, 0).text.endsWith('\n')).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('verwalter action', () => {
  it('queues, or waits for the answer', async () => {
    expect(await run('action', '{"x":1}', '--wait', ...url(), ...token())).toEqual({
      ...{ code: 0, out: '{"got":{"x":1}}\n', err: '' },
    });
    expect(await run('action', '"quiet"', '--wait', ...url(), ...token())).toMatchObject({ code: 0, out: '' });
    expect((await run('action', '{}', ...url(), ...token())).out).toMatch(/^\{"registered":\d{13}\}\n$/);
    const keyed = () => run('action', '{}', '--key', 'once', ...url(), ...token());
    expect((await keyed()).out).toBe((await keyed()).out);
  });

  it('says what was wrong: words, token, scheduler', async () => {
    expect(await run('action', '{x', ...url(), ...token())).toMatchObject({
      code: 2,
      err: expect.stringContaining('not JSON'),
    });
    expect(await run('action', '{}', '--deadline', '0', ...url())).toMatchObject({ code: 2 });
    expect(await run('action', '{}', ...url())).toMatchObject({
      code: 1,
      err: expect.stringContaining('needs the token'),
    });
    const shared = ['--token-file', join(node.root, 'tokens')];
    expect(await run('action', '{}', ...url(), ...shared)).toMatchObject({
      ...{ code: 1, err: expect.stringContaining('Say it with --as: viewer, ops') },
    });
    expect(await run('action', '{}', ...url(), ...shared, '--as', 'ops')).toMatchObject({ code: 0 });
    expect(await run('action', '{}', ...url(), ...shared, '--as', 'viewer')).toMatchObject({
      ...{ code: 1, err: expect.stringContaining('needs a token that may act (HTTP 403)') },
    });
    expect(await run('action', '"bad"', '--wait', ...url(), ...token())).toMatchObject({
      ...{ code: 1, err: expect.stringContaining('(HTTP 422)') },
    });
    expect(await run('action', '{}', ...url(), '--token-file', '/no/such')).toMatchObject({ code: 1 });
  });
});

describe('verwalter pull', () => {
  it('brings what a scheduler needs to run at a desk, and replaces nothing unasked', async () => {
    const dir = join(node.root, 'pulled');
    const pulled = await run('pull', node.server.url, dir);
    expect(pulled).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(readFileSync(join(dir, 'runtime/app.json'), 'utf8'))).toEqual({
      'v1.2': { daemons: { web: { image: 'web-1' } } },
    });
    expect(readFileSync(join(dir, 'runtime/number.json'), 'utf8')).toBe('5\n');
    const schedule = JSON.parse(readFileSync(join(dir, 'schedule.json'), 'utf8'));
    const again = await run('schedule', '--config-dir', join(node.root, 'config'), '--input', join(dir, 'input.json'));
    expect([again.code, JSON.parse(again.out)]).toEqual([0, schedule.data]);
    expect(await run('pull', node.server.url, dir)).toMatchObject({ code: 1, err: expect.stringContaining('--force') });
    mkdirSync(join(dir, 'runtime/mine'));
    writeFileSync(join(dir, 'mine.txt'), 'kept');
    expect(await run('pull', '--force', node.server.url, dir)).toMatchObject({ code: 0 });
    expect(readFileSync(join(dir, 'mine.txt'), 'utf8')).toBe('kept');
  });

  it('takes a host, a host with a port, or a URL', () => {
    expect(['web1', 'web1:9000', 'http://web1:9000/x', '[::1]:8379'].map(agentUrl)).toEqual([
      ...['http://web1:8379', 'http://web1:9000', 'http://web1:9000', 'http://[::1]:8379'],
    ]);
    expect(() => agentUrl('https://web1')).toThrow('by http');
  });
});
