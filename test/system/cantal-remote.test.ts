import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';

/** Below the ports that the kernel gives to clients. */
const firstPort = 20_000 + Math.floor(Math.random() * 12_000);
const intervalMs = 500;
/** Minutes of waiting; run by hand. */
const long = Boolean(process.env.STELLWERK_LONG);
const idOf = (number: number): string => String(number).repeat(32);
const [own, other, third] = [idOf(1), idOf(2), idOf(3)];

let dir = '';
const agents = new Map<number, ChildProcess>();

function start(number: number): void {
  const folder = (name: string) => {
    const path = join(dir, String(number), name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const words = [
    ...[join(packageRoot(), 'bin/stellwerk.js'), 'agent', '--port', String(firstPort + number)],
    ...['--hostname', `h${number}`, '--machine-id', idOf(number), '--interval', String(intervalMs)],
    ...['--cluster-key-file', join(dir, 'key'), '--join', `127.0.0.1:${firstPort + 1}`],
    ...['--label', `role=${number === 3 ? 'db' : 'web'}`, '--config-dir', folder('config')],
    ...[
      '--carbon-dir',
      folder('carbon'),
      '--storage-dir',
      folder('storage'),
      '--log-dir',
      folder('log'),
      '--log-level',
      'error',
    ],
  ];
  agents.set(number, spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] }));
}

async function end(number: number, signal: NodeJS.Signals): Promise<void> {
  const agent = agents.get(number);
  if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
  const ended = new Promise((resolve) => agent.once('exit', resolve));
  agent.kill(signal);
  await ended;
}

interface ByHost {
  readonly missing: readonly string[];
  readonly sources: Readonly<Record<string, { readonly from: string; readonly age_ms: number | null }>>;
  // biome-ignore lint/suspicious/noExplicitAny: datasets of any kind
  readonly by_host: Readonly<Record<string, any>>;
}

const url = (number: number, path: string): string => `http://127.0.0.1:${firstPort + number}${path}`;
// biome-ignore lint/suspicious/noExplicitAny: JSON of any path
const get = async (number: number, path: string): Promise<any> => (await fetch(url(number, path))).json();

async function post(number: number, path: string, body: unknown): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const reply = await fetch(url(number, path), { method: 'POST', headers, body: JSON.stringify(body) });
  expect(reply.status).toBe(200);
  return reply.text();
}

const samples = 20;
const memory = {
  free: {
    series: { source: 'Fine', condition: ['Eq', 'metric', 'memory.MemFree'] },
    extract: ['HistoryByNum', samples],
  },
};
const ask = async (deadlineMs = 2_000): Promise<ByHost> =>
  JSON.parse(await post(1, `/v1/query_by_host?deadline_ms=${deadlineMs}`, { rules: memory }));

async function until<T>(what: string, limitMs: number, find: () => Promise<T | null>): Promise<T> {
  for (const end = Date.now() + limitMs; ; ) {
    const found = await find().catch(() => null);
    if (found !== null) return found;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(100);
  }
}

const untilFrom = (id: string, from: string, limitMs = 30_000): Promise<ByHost> =>
  until(`${id[0]} is from ${from}`, limitMs, async () => {
    const answer = await ask();
    return answer.sources[id]?.from === from ? answer : null;
  });

const valuesOf = (answer: ByHost, id: string): (number | null)[] => answer.by_host[id].free[2][1];

describe('three agents', () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'stellwerk-remote-'));
    writeFileSync(join(dir, 'key'), randomBytes(32).toString('hex'), { mode: 0o600 });
    for (const number of [1, 2, 3]) start(number);
    await until('they know each other', 60_000, async () => {
      const { peers } = await get(1, '/all_peers');
      return peers.length === 2 ? true : null;
    });
  });
  afterAll(async () => {
    for (const [number, agent] of agents) {
      agent.kill('SIGCONT');
      await end(number, 'SIGTERM');
    }
    rmSync(dir, { recursive: true, force: true });
  });

  it('answer a first query at once, the next ones from streams, and tell the others who does', async () => {
    const first = await ask(10_000);
    expect(Object.keys(first.by_host).sort()).toEqual([own, other, third]);
    expect(first.sources[other]?.from).toBe('asked');
    const answer = await until('both are from streams', 60_000, async () => {
      const told = await ask();
      return [other, third].every((id) => told.sources[id]?.from === 'stream') ? told : null;
    });
    expect(answer.missing).toEqual([]);
    for (const id of [other, third]) expect(answer.sources[id]?.age_ms).toBeGreaterThanOrEqual(0);
    const { peers } = await until('gossip', 20_000, async () => {
      const told = await get(2, '/peers_with_remote');
      return told.peers.length > 0 ? told : null;
    });
    expect(peers).toMatchObject([{ id: own, report: [expect.any(Number), { has_remote: true }] }]);
    expect((await get(1, '/remote_stats')).peers).toMatchObject([
      { connected: true, last_beacon: { interval: intervalMs } },
      { connected: true },
    ]);
  });

  it('tell each other a beacon and what is new at each scan: some hundred bytes a message', async () => {
    const received = async (): Promise<{ readonly messages: number; readonly bytes: number }> => {
      const { peers } = await get(1, '/remote_stats');
      return peers.find(({ id }: { id: string }) => id === other).received;
    };
    const before = await received();
    const after = await until('some scans', 30_000, async () => {
      const now = await received();
      return now.messages - before.messages >= 8 ? now : null;
    });
    const bytes = (after.bytes - before.bytes) / (after.messages - before.messages);
    process.stdout.write(`${Math.round(bytes)} bytes a message\n`);
    expect(bytes).toBeLessThan(600);
  });

  it('sum the processors of the hosts of one role', async () => {
    const rules = {
      cpu: {
        series: { source: 'Fine', condition: ['RegexLike', 'metric', '^cpu\\.(user|system)$'] },
        extract: ['HistoryByTime', 3_600_000],
        functions: [['NonNegativeDerivative'], ['Sum', 'Ignore']],
      },
    };
    const query = { rules, fold: { step: 1000 }, hosts: { role: 'web' } };
    const answer = await until('both hosts answer', 60_000, async () => {
      const told = JSON.parse(await post(2, '/v1/query_cluster?deadline_ms=10000', query));
      return told.missing.length === 0 ? told : null;
    });
    expect(Object.keys(answer.sources).sort()).toEqual([own, other]);
    expect(answer.left_out).toBe(1);
    const [, , [, values]] = answer.values.cpu;
    expect(values.some((value: number | null) => value !== null && value >= 0)).toBe(true);
    expect(Math.max(...answer.hosts_per_bucket.cpu)).toBe(2);
  });

  it('miss one that was killed, and have it back when it runs again', async () => {
    await end(3, 'SIGKILL');
    // Missing as long as gossip does not call it dead; what was known of it may be shown all the while.
    await until('it is missed', 30_000, async () => {
      const { sources } = await ask();
      return ['stream', 'asked'].includes(sources[third]?.from ?? '') ? null : true;
    });
    start(3);
    await untilFrom(third, 'stream', 60_000);
  });

  it.runIf(long)('reconnect to one that is silent for 15 s, and show nulls for that time', async () => {
    await untilFrom(other, 'stream');
    agents.get(2)?.kill('SIGSTOP');
    const silent = await untilFrom(other, 'mirror', 20_000);
    expect(valuesOf(silent, other)[0]).toBe(null);
    const reason = await until('the connection is given up', 30_000, async () => {
      const { peers } = await get(1, '/remote_stats');
      const attempt = peers.find(({ id }: { id: string }) => id === other)?.last_attempt;
      return attempt?.[1]?.startsWith('silent') ? attempt[1] : null;
    });
    expect(reason).toBe('silent for 15 s');
    agents.get(2)?.kill('SIGCONT');
    const back = await untilFrom(other, 'stream', 60_000);
    const values = valuesOf(back, other);
    process.stdout.write(`after the silence: ${values.map((value) => (value === null ? '-' : '#')).join('')}\n`);
    expect(values[0]).not.toBe(null);
    expect(values).toContain(null);
  });

  it.runIf(long)('close all connections 3 min after the last query, and say so', { timeout: 400_000 }, async () => {
    await ask();
    const asked = Date.now();
    await until('nobody holds connections', 300_000, async () => {
      await sleep(2_000);
      const { peers } = await get(2, '/peers_with_remote');
      return peers.length === 0 ? true : null;
    });
    process.stdout.write(`has_remote was false ${Math.round((Date.now() - asked) / 1000)} s after the last query\n`);
    expect(Date.now() - asked).toBeGreaterThan(179_000);
    expect(await get(1, '/remote/mem_info')).toBe(null);
    for (const number of [2, 3]) expect((await get(number, '/remote_stats')).clients).toBe(0);
  });
});
