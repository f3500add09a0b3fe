import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clockToleranceMs, clusterGate, proofHeaders, prove } from '../../src/http/cluster-auth.ts';
import { type PeerClient, PeerError, peerHttp } from '../../src/http/peer-http.ts';
import { json, type Route } from '../../src/http/route.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { asJson, ask } from './ask.ts';

const key = randomBytes(32);
const older = randomBytes(32);
let release = (): void => {};
const released = new Promise<void>((resolve) => {
  release = resolve;
});
const routes: readonly Route[] = [
  {
    ...{ method: 'POST', path: '/v1/peer/wait', access: 'cluster', summary: '' },
    handle: () => released.then(() => json('released')),
  },
  { method: 'GET', path: '/v1/peer/report', access: 'cluster', summary: '', handle: ({ query }) => json([...query]) },
  { method: 'POST', path: '/v1/peer/query', access: 'cluster', summary: '', handle: ({ body }) => json({ body }) },
  { method: 'GET', path: '/v1/peer/large', access: 'cluster', summary: '', handle: () => json('x'.repeat(5000)) },
  { method: 'GET', path: '/v1/open', access: 'read', summary: '', handle: ({ principal }) => json(principal) },
  { method: 'GET', path: '/v1/peer/never', access: 'cluster', summary: '', handle: () => new Promise(() => {}) },
];

let server: HttpServer;
let addr: string;
let peers: PeerClient;

beforeAll(async () => {
  server = await startHttp({ host: '127.0.0.1', port: 0, clusterKeys: [key, older], routes, tokens: ['secret'] });
  addr = `127.0.0.1:${server.port}`;
  peers = peerHttp({ keys: [key] });
});
afterAll(async () => {
  peers.stop();
  await server.stop(1);
});

describe('a peer with the key', () => {
  test('reads, with the query', async () => {
    expect(await peers.getJson(addr, '/v1/peer/report?a=b%20c', 1000, 1000)).toEqual([['a', 'b c']]);
  });

  test('reads what is open to others too, and can trust the answer', async () => {
    expect(await peers.getJson(addr, '/v1/open', 1000, 1000)).toBe('cluster');
  });

  test('posts, and an older key still opens while keys rotate', async () => {
    const old = peerHttp({ keys: [older] });
    expect(await old.postJson(addr, '/v1/peer/query', { rules: {} }, 1000, 1000)).toEqual({ body: { rules: {} } });
    old.stop();
  });

  test('sends what must not be done twice once, also where the connection breaks after it was read', async () => {
    let heard = 0;
    const breaking = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        if (bytes.toString().startsWith('POST /v1/act ')) {
          heard += 1;
          socket.resetAndDestroy();
        } else {
          socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\ntrue');
        }
      });
    });
    await new Promise<void>((resolve) => breaking.listen(0, '127.0.0.1', resolve));
    const there = `127.0.0.1:${(breaking.address() as AddressInfo).port}`;
    const unsigned = peerHttp({ keys: [] });
    // A connection that is kept from before is what the other questions are asked again over.
    expect(await unsigned.postJson(there, '/v1/ask', {}, 5000, 1000)).toBe(true);
    await expect(unsigned.postOnce(there, '/v1/act', {}, 5000, 1000)).rejects.toBeInstanceOf(PeerError);
    expect(heard).toBe(1);
    unsigned.stop();
    await new Promise((resolve) => breaking.close(resolve));
  });

  test('asks on while many answers are waited for', async () => {
    const waiting = Array.from({ length: 20 }, () => peers.postOnce(addr, '/v1/peer/wait', {}, 10_000, 1000));
    expect(await peers.getJson(addr, '/v1/peer/report', 5000, 1000)).toEqual([]);
    release();
    expect(await Promise.all(waiting)).toEqual(Array(20).fill('released'));
  });

  test('gets a typed error with the status and the reason', async () => {
    const failed = peers.getJson(addr, '/v1/peer/nothing', 1000, 1000);
    await expect(failed).rejects.toBeInstanceOf(PeerError);
    await expect(failed).rejects.toMatchObject({ status: 404, addr });
    await expect(failed).rejects.toThrow('nothing at');
  });

  test('waits no longer than it said', async () => {
    const since = performance.now();
    await expect(peers.getJson(addr, '/v1/peer/never', 100, 1000)).rejects.toThrow('no answer within 100 ms');
    expect(performance.now() - since).toBeLessThan(1000);
  });

  test('takes no more than it said', async () => {
    await expect(peers.getJson(addr, '/v1/peer/large', 1000, 4999)).rejects.toThrow('larger than 4999');
    expect(await peers.getJson(addr, '/v1/peer/large', 1000, 6000)).toHaveLength(5000);
  });

  test('is told who is not there', async () => {
    await expect(peers.getJson('127.0.0.1:1', '/', 1000, 1)).rejects.toThrow('ECONNREFUSED');
    await expect(peers.getJson('no address', '/', 1000, 1)).rejects.toThrow('not an address');
  });
});

describe('without the key', () => {
  test('nothing is answered, not even with the token', async () => {
    const bare = peerHttp({ keys: [] });
    const foreign = peerHttp({ keys: [randomBytes(32)] });
    await expect(bare.getJson(addr, '/v1/peer/report', 1000, 1000)).rejects.toMatchObject({ status: 401 });
    await expect(foreign.getJson(addr, '/v1/peer/report', 1000, 1000)).rejects.toThrow('not signed with a key');
    const headers = { host: addr, authorization: 'Bearer secret' };
    expect((await ask({ port: server.port, path: '/v1/peer/report', headers })).status).toBe(401);
    bare.stop();
    foreign.stop();
  });

  test('a cluster on one machine may go without', async () => {
    const open = await startHttp({ host: '127.0.0.1', port: 0, routes });
    const bare = peerHttp({ keys: [] });
    expect(await bare.getJson(`127.0.0.1:${open.port}`, '/v1/peer/report', 1000, 1000)).toEqual([]);
    bare.stop();
    await open.stop();
  });

  test('an answer that is not signed is not believed', async () => {
    const body = '"lies"';
    const liar = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
    });
    const port = await new Promise<number>((resolve) => {
      liar.listen(0, '127.0.0.1', () => resolve((liar.address() as { port: number }).port));
    });
    await expect(peers.getJson(`127.0.0.1:${port}`, '/', 1000, 1000)).rejects.toThrow('not signed');
    liar.close();
  });
});

describe('a captured request', () => {
  const path = '/v1/peer/query';
  const body = Buffer.from('{"a":1}');
  const send = (proof: { date: string; nonce: string; mac: string }, text = body, host = addr) =>
    ask({
      port: server.port,
      method: 'POST',
      path,
      headers: {
        ...asJson,
        host,
        [proofHeaders.date]: proof.date,
        [proofHeaders.nonce]: proof.nonce,
        [proofHeaders.mac]: proof.mac,
      },
      body: text,
    });
  const signed = (nowMs = Date.now(), host = addr) => prove(key, { method: 'POST', target: path, host, body }, nowMs);

  test('works once', async () => {
    const proof = signed();
    expect((await send(proof)).status).toBe(200);
    expect((await send(proof)).text).toContain('seen before');
  });

  test('works neither late nor early', async () => {
    expect((await send(signed(Date.now() - clockToleranceMs - 1000))).status).toBe(401);
    expect((await send(signed(Date.now() + clockToleranceMs + 1000))).status).toBe(401);
    expect((await send({ ...signed(), date: 'NaN' })).status).toBe(401);
  });

  test('works for no other body and no other node', async () => {
    expect((await send(signed(), Buffer.from('{"a":2}'))).status).toBe(401);
    expect((await send(signed(Date.now(), '127.0.0.2:1'), body, '127.0.0.2:1')).status).toBe(403);
  });
});

test('a signature fits nothing but what was signed', () => {
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST'),
    target: fc.webPath(),
    host: fc.constantFrom('10.0.0.1:1', '10.0.0.2:1'),
    body: fc.uint8Array({ maxLength: 8 }),
  });
  fc.assert(
    fc.property(request, request, (signed, sent) => {
      const same =
        signed.method === sent.method &&
        signed.target === sent.target &&
        signed.host === sent.host &&
        Buffer.compare(signed.body, sent.body) === 0;
      const verdict = clusterGate([key]).check(sent, prove(key, signed, 1_000_000), 1_000_000);
      expect(verdict.kind).toBe(same ? 'proven' : 'refused');
    }),
  );
});

test('nonces are forgotten only when their date is', () => {
  const gate = clusterGate([key]);
  const request = { method: 'GET', target: '/', host: 'a', body: Buffer.alloc(0) };
  const proof = prove(key, request, 1_000_000);
  expect(gate.check(request, proof, 1_000_000 - clockToleranceMs).kind).toBe('proven');
  for (let now = 1_000_000 - clockToleranceMs; now <= 1_000_000 + clockToleranceMs; now += 1000) {
    gate.check(request, prove(key, request, now), now);
    expect(gate.check(request, proof, now).kind).toBe('refused');
  }
});
