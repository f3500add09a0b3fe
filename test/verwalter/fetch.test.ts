import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { peerHttp } from '../../src/http/peer-http.ts';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import type { Member, ScheduleStamp } from '../../src/verwalter/ports.ts';
import { startVerwalter } from '../../src/verwalter/shell.ts';
import type { Verwalter } from '../../src/verwalter/verwalter.ts';
import { bundleWorker } from './worker-bundle.ts';

// A follower with its real HTTP client, and a leader that answers what a test wants it to.

const leaderId = 'b'.repeat(32);
const data = { state: { version: 1 } };
const stamp: ScheduleStamp = { timestamp: 1000, hash: hashJson(data), origin: leaderId };
const good = { ...stamp, data };

let worker: Awaited<ReturnType<typeof bundleWorker>>;
let root: string;
let server: Server;
let answer: unknown;
let askedAtMs: number[];
let verwalter: Verwalter;
const client = peerHttp({ keys: [] });
beforeAll(async () => {
  worker = await bundleWorker();
});
afterAll(async () => {
  await client.stop();
  worker.remove();
});
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'verwalter-fetch-'));
  mkdirSync(join(root, 'config/scheduler/v1'), { recursive: true });
  writeFileSync(join(root, 'config/scheduler/v1/main.lua'), "return { scheduler = function() return '{}', '' end }");
  askedAtMs = [];
  server = createServer((request, reply) => {
    if (request.url?.startsWith('/v1/schedule/')) askedAtMs.push(performance.now());
    reply.setHeader('content-type', 'application/json');
    reply.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await verwalter.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(root, { recursive: true, force: true });
});
const until = { timeout: 30_000, interval: 20 };

const follow = (first: unknown): void => {
  answer = first;
  const leader: Member = {
    ...{ id: leaderId, addr: `127.0.0.1:${(server.address() as AddressInfo).port}`, hostname: 'b', name: 'b' },
    ...{ knownSince: 0, lastReportDirect: Date.now(), liveness: 'alive', schedule: stamp, errors: 0 },
  };
  verwalter = startVerwalter({
    peers: {
      self: { id: 'a'.repeat(32), addr: '127.0.0.1:1', hostname: 'a', name: 'a' },
      members: () => [leader],
      leadership: () => ({ role: 'follower', epoch: 1, leaderId, schedule: stamp }),
      onChange: () => () => {},
      announce: () => {},
      mayLead: () => {},
    },
    metrics: { queryByHost: () => Promise.resolve({ byHost: {}, missing: [] }) },
    peerHttp: client,
    ...{ configDir: join(root, 'config'), storageDir: join(root, 'storage'), logDir: join(root, 'log') },
    ...{ version: '0.0.1', lithosSwitch: ['/bin/false'], workerUrl: worker.url },
  });
};
const large: JsonObject = { text: 'x'.repeat(11 * 1024 * 1024) };

describe('a schedule’s body', () => {
  it.each([
    ['with another content than its hash says', { ...good, data: { state: { version: 2 } } }, 'does not have the hash'],
    ['with another hash than was asked for', { ...good, ...{ data: {}, hash: hashJson({}) } }, 'was asked for'],
    ['of another origin', { ...good, origin: 'c'.repeat(32) }, 'does not lead'],
    ['of 11 MiB', { ...good, data: large, hash: hashJson(large) }, 'larger than'],
    ['that is none', [1, 2], 'not an object'],
  ])('%s is refused, and asked for again after a pause, until it is right', async (_, wrong, error) => {
    follow(wrong);
    await expect.poll(() => verwalter.status().errors.fetch ?? '', until).toContain(error);
    await expect.poll(() => askedAtMs.length, until).toBeGreaterThan(2);
    expect(verwalter.schedule()).toBeNull();
    expect(verwalter.status().scheduleStatus).toBe('fetching');
    const pauses = askedAtMs.slice(1).map((atMs, index) => atMs - (askedAtMs[index] ?? 0));
    expect(Math.min(...pauses)).toBeGreaterThan(90);
    answer = good;
    await expect.poll(() => verwalter.schedule(), until).toEqual(good);
    expect(verwalter.status()).toMatchObject({ errors: {}, scheduleStatus: 'ok' });
  });
});
