import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';

const program = join(packageRoot(), 'bin', 'stellwerk.js');
let dir = '';
let port = 0;
let agent: ChildProcess | null = null;
let said = '';
let startedMs = 0;

const words = (): readonly string[] => [
  ...[program, 'agent', '--config-dir', join(dir, 'config'), '--storage-dir', join(dir, 'storage')],
  ...['--log-dir', join(dir, 'log'), '--carbon-dir', join(dir, 'carbon'), '--machine-id', 'a'.repeat(32)],
];

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port: found } = server.address() as { port: number };
      server.close(() => resolve(found));
    });
  });

const get = async (path: string): Promise<unknown> => {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`);
  return reply.ok ? reply.json() : Promise.reject(new Error(`${path}: ${reply.status}`));
};

const until = async <T>(what: string, probe: () => Promise<T | null>): Promise<T> => {
  const end = performance.now() + 60_000;
  for (;;) {
    const found = await probe().catch(() => null);
    if (found !== null) return found;
    if (performance.now() > end) throw new Error(`never: ${what}\n${said}`);
    await sleep(50);
  }
};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'one-node-'));
  mkdirSync(join(dir, 'config', 'scheduler', 'v1'), { recursive: true });
  writeFileSync(
    join(dir, 'config', 'scheduler', 'v1', 'main.lua'),
    'return { scheduler = function() return "{}", "" end }\n',
  );
  port = await freePort();
});
afterAll(async () => {
  if (agent !== null && agent.exitCode === null) {
    const gone = new Promise((resolve) => agent?.once('exit', resolve));
    agent.kill('SIGTERM');
    await gone;
  }
  rmSync(dir, { recursive: true, force: true });
});

describe('one node', () => {
  test('does not start with a mistake in verwalter.yaml, and says where it is and what was meant', () => {
    const file = join(dir, 'config', 'verwalter.yaml');
    writeFileSync(file, 'host: 127.0.0.1\nround-intervall: 5 s\n');
    const { status, stderr } = spawnSync(process.execPath, words(), { encoding: 'utf8', timeout: 60_000 });
    expect(stderr).toBe(
      `stellwerk agent: ${file}:2:1: round-intervall: unknown key in the options of the daemon; did you mean round-interval?\n`,
    );
    expect(status).toBe(3);
  });

  test('with nothing but a scheduler leads after its start time-out, soon has the empty schedule, and is ready', async () => {
    // The command line wins over the port of the file.
    writeFileSync(join(dir, 'config', 'verwalter.yaml'), 'hostname: alone\nport: 1\n');
    startedMs = performance.now();
    agent = spawn(process.execPath, [...words(), '--port', String(port)], { stdio: ['ignore', 'ignore', 'pipe'] });
    agent.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await until('it answers', () => get('/v1/status'));
    const answersMs = performance.now() - startedMs;
    await until('it leads', async () => {
      const { leadership } = (await get('/v1/status')) as { leadership: { role: string } };
      return leadership.role === 'leader' ? true : null;
    });
    const leadsMs = performance.now() - startedMs;
    const schedule = await until('it has a schedule', () => get('/v1/schedule') as Promise<{ data: unknown }>);
    expect(schedule.data).toEqual({});
    const scheduleMs = performance.now() - startedMs;
    const status = await until('it is ready', async () => {
      const now = (await get('/v1/status')) as { schedule_status: string; schedule_id: string; rendered_id: string };
      return now.schedule_status === 'ok' && now.schedule_id === now.rendered_id ? now : null;
    });
    expect(status).toMatchObject({ errors: {}, failed_roles: [], num_errors: 0 });
    // Others might be there: it listens for its whole start time-out and an election interval.
    expect(leadsMs).toBeGreaterThan(6_600);
    const text = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    process.stdout.write(
      `one node: answers ${text(answersMs)} after the start of the program, leads ${text(leadsMs)}, has {} ${text(scheduleMs)}\n`,
    );
  });

  test('tells its own numbers as metrics of the groups global, peers, scheduler and election', async () => {
    const newest = async (group: string, metric: string): Promise<number | null> => {
      const condition = ['And', ['Eq', 'group', group], ['Eq', 'metric', metric]];
      const rules = { x: { series: { source: 'Fine', condition }, extract: ['Tip'], functions: [] } };
      const reply = await fetch(`http://127.0.0.1:${port}/query.json`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ rules }),
      });
      const [kind, , value] = ((await reply.json()) as { values: { x: [string, unknown, [string, number]] } }).values.x;
      return kind === 'SingleTip' ? value[1] : null;
    };
    await until(
      'rounds are counted',
      async () => ((await newest('scheduler', 'scheduler_succeeded')) ?? 0) >= 1 || null,
    );
    expect(await newest('election', 'won_no')).toBe(1);
    expect(await newest('election', 'won_tm')).toBeGreaterThan(Date.now() - 600_000);
    expect(await newest('peers', 'known')).toBe(0);
    for (const name of ['actions_executed', 'errors_occured', 'roles_failed', 'current_errors', 'current_failing'])
      expect([name, await newest('global', name)]).toEqual([name, 0]);
  });
});
