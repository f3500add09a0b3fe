import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ListenError } from '../../src/http/listen-error.ts';
import { type HttpRequest, json, type Route, type Stream } from '../../src/http/route.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { asJson, ask, freePort, throwAt } from './ask.ts';
import { WebSocket } from './websocket.ts';

const seen: HttpRequest[] = [];
const echo = (method: 'GET' | 'POST', path: string, access: Route['access']): Route => ({
  method,
  path,
  access,
  summary: `echo of ${path}`,
  handle(request) {
    seen.push(request);
    return json({ params: request.params, body: request.body ?? null, principal: request.principal });
  },
});

const connection = async (port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
};

const reported: string[] = [];
let server: HttpServer;
let port: number;

beforeAll(async () => {
  server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    tokens: ['old-secret', 'secret', { name: 'ann', role: 'act', schedulerRoles: null, secret: 'anns-secret' }],
    report: (what) => reported.push(what),
    routes: [
      echo('GET', '/v1/read', 'read'),
      echo('POST', '/v1/query', 'read'),
      echo('GET', '/v1/item/:name', 'read'),
      echo('GET', '/v1/item/newest', 'read'),
      echo('POST', '/v1/act', 'act'),
      { ...echo('POST', '/v1/large', 'act'), mostBodyBytes: 100 * 1024 },
      echo('GET', '/status', 'read'),
      {
        ...echo('GET', '/v1/broken', 'read'),
        handle() {
          throw new Error('a bug');
        },
      },
      { ...echo('GET', '/v1/done', 'read'), handle: () => json(null, 204) },
      { ...echo('GET', '/v1/moved', 'read'), handle: () => ({ status: 307, location: 'http://10.0.0.1:1/v1/read' }) },
      { ...echo('GET', '/v1/split', 'read'), handle: () => ({ status: 307, location: '/a\r\nset-cookie: b=c' }) },
      { ...echo('GET', '/v1/text', 'read'), handle: () => ({ status: 200, text: 'ä', contentType: 'text/plain' }) },
    ],
  });
  port = server.port;
});
afterAll(() => server.stop());

describe('routes', () => {
  test('a reply is JSON that nobody keeps and no browser guesses at', async () => {
    const reply = await ask({ port, path: '/v1/read' });
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(reply.headers['x-content-type-options']).toBe('nosniff');
    expect(JSON.parse(reply.text)).toEqual({ params: {}, body: null, principal: 'loopback' });
  });

  test('a parameter is decoded, and a literal segment wins over it', async () => {
    expect(JSON.parse((await ask({ port, path: '/v1/item/a%2Fb%20c' })).text).params).toEqual({ name: 'a/b c' });
    expect(JSON.parse((await ask({ port, path: '/v1/item/newest' })).text).params).toEqual({});
    expect((await ask({ port, path: '/v1/item/%zz' })).status).toBe(404);
    expect((await ask({ port, path: '/v1/item/' })).status).toBe(404);
  });

  test('the suffix .json names the same thing', async () => {
    expect((await ask({ port, path: '/status.json' })).status).toBe(200);
    expect(JSON.parse((await ask({ port, path: '/v1/item/a.json' })).text).params).toEqual({ name: 'a' });
  });

  test('all routes are listed at /v1', async () => {
    const { routes } = JSON.parse((await ask({ port, path: '/v1' })).text);
    expect(routes).toContainEqual({ method: 'POST', path: '/v1/act', access: 'act', summary: 'echo of /v1/act' });
    expect(routes).toHaveLength(12);
  });

  test('HEAD has the length of GET and no body', async () => {
    const whole = await ask({ port, path: '/v1/read' });
    const head = await ask({ port, method: 'HEAD', path: '/v1/read' });
    expect(head.status).toBe(200);
    expect(head.headers['content-length']).toBe(String(whole.bytes.length));
    expect(head.text).toBe('');
  });

  test('what is not there is 404, another method 405 with what would do', async () => {
    expect((await ask({ port, path: '/v1/nothing' })).status).toBe(404);
    expect((await ask({ port, path: '/nothing' })).status).toBe(404);
    const reply = await ask({ port, method: 'POST', path: '/v1/read' });
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('GET, HEAD');
    expect((await ask({ port, method: 'DELETE', path: '/v1/act' })).headers.allow).toBe('POST');
  });

  test('a handler that throws is a 500 that tells nothing, and is reported', async () => {
    const reply = await ask({ port, path: '/v1/broken' });
    expect(reply.status).toBe(500);
    expect(reply.text).not.toContain('a bug');
    expect(reported).toContain('GET /v1/broken');
  });

  test('a redirect carries its location, but no second header', async () => {
    expect((await ask({ port, path: '/v1/moved' })).headers.location).toBe('http://10.0.0.1:1/v1/read');
    const split = await ask({ port, path: '/v1/split' });
    expect(split.status).toBe(500);
    expect(split.headers['set-cookie']).toBeUndefined();
  });

  test('text comes as it is', async () => {
    expect((await ask({ port, path: '/v1/text' })).text).toBe('ä');
  });

  test('two routes for one request are a bug', async () => {
    const routes = [echo('GET', '/v1/a/:x', 'read'), echo('GET', '/v1/a/:y', 'read')];
    await expect(startHttp({ host: '127.0.0.1', port: 0, routes })).rejects.toThrow('two routes for GET /v1/a/:');
  });

  test('an answer without content has none: what would follow it is the next answer', async () => {
    const socket = await connection(port);
    const request = (path: string) => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`;
    socket.write(request('/v1/done'));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    await vi.waitFor(() => expect(text).toContain('\r\n\r\n'));
    socket.write(request('/v1/text'));
    await vi.waitFor(() => expect(text).toContain('ä'));
    socket.destroy();
    const [head, next] = text.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 204 No Content\r\n/);
    expect(head?.toLowerCase()).not.toContain('content-length');
    expect(next).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('bodies', () => {
  const post = (body: string | Buffer, headers: Record<string, string> = asJson) =>
    ask({ port, method: 'POST', path: '/v1/query', headers, body });

  test('JSON arrives parsed', async () => {
    const reply = await post('{"a":[1,"ü"]}', { 'content-type': 'application/json; charset=utf-8' });
    expect(JSON.parse(reply.text).body).toEqual({ a: [1, 'ü'] });
  });

  test('bad JSON is 400 with the reason', async () => {
    const reply = await post('{"a":');
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.text).error).toContain('not JSON');
    expect((await post(Buffer.from([0x22, 0xff, 0x22]))).status).toBe(400);
  });

  test('other content types are 415, no body at all is fine', async () => {
    expect((await post('a=1', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415);
    expect((await post('{}', {})).status).toBe(415);
    expect((await post('', {})).status).toBe(200);
  });

  test('a route may take more, from whom the token makes known', async () => {
    const send = (bytes: number, token: string) =>
      ask({
        port,
        path: '/v1/large',
        method: 'POST',
        headers: { ...asJson, authorization: `Bearer ${token}` },
        body: JSON.stringify('x'.repeat(bytes - 2)),
      });
    expect((await send(100 * 1024, 'secret')).status).toBe(200);
    expect((await send(100 * 1024, 'anns-secret')).status).toBe(200);
    expect((await send(100 * 1024 + 1, 'secret')).status).toBe(413);
    expect((await send(64 * 1024, 'guess')).status).toBe(401);
    expect((await send(64 * 1024 + 1, 'guess')).status).toBe(413);
  });

  test('64 KiB are taken, one byte more is 413, told or streamed', async () => {
    const largest = JSON.stringify('x'.repeat(64 * 1024 - 2));
    expect((await post(largest)).status).toBe(200);
    expect((await post(`${largest} `)).status).toBe(413);
    expect((await post(`${largest} `, { ...asJson, 'transfer-encoding': 'chunked' })).status).toBe(413);
  });
});

describe('who may', () => {
  const act = (headers: Record<string, string>) =>
    ask({ port, method: 'POST', path: '/v1/act', headers: { ...asJson, ...headers }, body: '{}' });

  test('acting needs a token, from loopback too', async () => {
    const reply = await act({});
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toBe('Bearer');
    expect((await act({ authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await act({ authorization: 'Basic secret' })).status).toBe(401);
    expect(JSON.parse((await act({ authorization: 'Bearer secret' })).text).principal).toBe('token');
    expect((await act({ authorization: 'bearer old-secret' })).status).toBe(200);
  });

  test('a token in the query of a request is none', async () => {
    const reply = await ask({ port, method: 'POST', path: '/v1/act?token=secret', headers: asJson, body: '{}' });
    expect(reply.status).toBe(401);
  });

  test('a wrong token is refused even where none is needed', async () => {
    expect((await ask({ port, path: '/v1/read', headers: { authorization: 'Bearer no' } })).status).toBe(401);
  });

  test('without tokens nothing can be changed', async () => {
    const bare = await startHttp({ host: '127.0.0.1', port: 0, routes: [echo('POST', '/v1/act', 'act')] });
    const headers = { ...asJson, authorization: 'Bearer ' };
    expect((await ask({ port: bare.port, method: 'POST', path: '/v1/act', headers, body: '{}' })).status).toBe(403);
    await bare.stop();
  });

  test('a foreign Host is refused: DNS rebinding', async () => {
    const host = (value: string) => ask({ port, path: '/v1/read', headers: { host: value } });
    expect((await host(`evil.example:${port}`)).status).toBe(403);
    expect((await host('10.1.2.3')).status).toBe(403);
    expect((await host('127.0.0.1.evil.example')).status).toBe(403);
    expect((await host(`LOCALHOST:${port}`)).status).toBe(200);
    expect((await host('127.0.0.2:9')).status).toBe(200);
    expect((await host('[::1]')).status).toBe(200);
  });

  test('a page of another origin cannot make us act: CSRF', async () => {
    const authorization = 'Bearer secret';
    expect((await act({ authorization, origin: 'http://evil.example' })).status).toBe(403);
    expect((await act({ authorization, origin: 'http://127.0.0.1:1' })).status).toBe(403);
    expect((await act({ authorization, origin: 'null' })).status).toBe(403);
    expect((await act({ authorization, origin: `http://127.0.0.1:${port}` })).status).toBe(200);
  });

  test('another host reads with the token only, or where it is allowed', async () => {
    const { networkInterfaces } = await import('node:os');
    const own = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
    if (own === undefined) return;
    const routes = [echo('GET', '/v1/read', 'read')];
    const strict = await startHttp({ host: '0.0.0.0', port: 0, routes, tokens: ['secret'] });
    const open = await startHttp({ host: '0.0.0.0', port: 0, routes, allowRemoteRead: true });
    // A connection to an own outer address comes from that address.
    const read = (at: number, headers = {}) => fetch(`http://${own}:${at}/v1/read`, { headers });
    expect((await read(strict.port)).status).toBe(401);
    expect((await read(strict.port, { authorization: 'Bearer secret' })).status).toBe(200);
    expect(await (await read(open.port)).json()).toMatchObject({ principal: 'anyone' });
    await Promise.all([strict.stop(), open.stop()]);
  });
});

describe('starting and stopping', () => {
  test('a port that is taken is a typed error that says so', async () => {
    const taken = startHttp({ host: '127.0.0.1', port, routes: [] });
    await expect(taken).rejects.toBeInstanceOf(ListenError);
    await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE', port });
    await expect(taken).rejects.toThrow(/another program has it/);
  });

  test('an address of another host is a typed error', async () => {
    const elsewhere = startHttp({ host: '192.0.2.1', port: 0, routes: [] });
    await expect(elsewhere).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  test('stopping frees the port and lets running requests end', async () => {
    let finish: (() => void) | null = null;
    const slow: Route = {
      ...echo('GET', '/v1/slow', 'read'),
      handle: () => new Promise((resolve) => (finish = () => resolve(json('done')))),
    };
    const short = await startHttp({ host: '127.0.0.1', port: await freePort(), routes: [slow] });
    const reply = ask({ port: short.port, path: '/v1/slow' });
    await vi.waitFor(() => expect(finish).not.toBeNull(), 10_000);
    const stopped = short.stop();
    (finish as unknown as () => void)();
    expect((await reply).text).toBe('"done"');
    await stopped;
    const next = await startHttp({ host: '127.0.0.1', port: short.port, routes: [] });
    await next.stop();
  });

  test('the 501st request at once is told to come back', async () => {
    let finish = () => {};
    const released = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const slow: Route = { ...echo('GET', '/v1/slow', 'read'), handle: () => released.then(() => json('done')) };
    const short = await startHttp({ host: '127.0.0.1', port: 0, routes: [slow] });
    const replies = Array.from({ length: 501 }, () => ask({ port: short.port, path: '/v1/slow' }));
    const first = await Promise.race(replies);
    expect(first.status).toBe(503);
    finish();
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(500);
    await short.stop();
  });

  test('a thousand connections are borne, streams among them, and the next is closed unheard', async () => {
    const stream: Stream = {
      path: '/v1/live',
      summary: 'one message',
      open: (_query, send) => {
        send('hello');
        return () => {};
      },
    };
    const short = await startHttp({
      host: '127.0.0.1',
      port: 0,
      routes: [echo('GET', '/v1/read', 'read')],
      streams: [stream],
    });
    const live = await WebSocket(`ws://127.0.0.1:${short.port}/v1/live`);
    const idle = await Promise.all(Array.from({ length: 998 }, () => connection(short.port)));
    expect((await ask({ port: short.port, path: '/v1/read' })).status).toBe(200);
    idle.push(await connection(short.port));
    await expect(ask({ port: short.port, path: '/v1/read' })).rejects.toThrow(/hang up|ECONNRESET/);
    expect(live.messages).toEqual(['"hello"']);
    for (const socket of idle) socket.destroy();
    live.close();
    await vi.waitFor(async () => expect((await ask({ port: short.port, path: '/v1/read' })).status).toBe(200), 5000);
    await short.stop();
  });

  test('a large answer arrives whole, and a reader that never takes it is let go', async () => {
    const large = 'x'.repeat(20_000_000);
    const route: Route = { ...echo('GET', '/v1/large', 'read'), handle: () => json(large) };
    const patient = await startHttp({ host: '127.0.0.1', port: 0, routes: [route] });
    expect((await ask({ port: patient.port, path: '/v1/large' })).text).toHaveLength(large.length + 2);
    await patient.stop();
    const short = await startHttp({ host: '127.0.0.1', port: 0, routes: [route], responseLimitMs: 200 });
    const socket = await connection(short.port);
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    let taken = 0;
    socket.on('data', (chunk) => {
      taken += chunk.length;
    });
    socket.pause();
    socket.write('GET /v1/large HTTP/1.1\r\nhost: localhost\r\n\r\n');
    // Asleep for much longer than the limit: a paused socket does not see its end.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    socket.resume();
    await vi.waitFor(() => expect(closed).toBe(true), 10_000);
    expect(taken).toBeLessThan(large.length);
    await short.stop();
  });

  test('a body that drips is given up', async () => {
    const short = await startHttp({
      host: '127.0.0.1',
      port: 0,
      routes: [echo('POST', '/v1/query', 'read')],
      bodyLimitMs: 300,
    });
    const socket = await connection(short.port);
    socket.write('POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{');
    const drip = setInterval(() => socket.writable && socket.write(' '), 50);
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
    socket.destroy();
    await short.stop();
  });

  test('a client that hangs up in the middle harms nothing', async () => {
    let handled = 0;
    let answer = (): void => {};
    const allGone = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const slow: Route = {
      ...echo('GET', '/v1/slow', 'read'),
      async handle() {
        handled += 1;
        await allGone;
        return json('late');
      },
    };
    const short = await startHttp({ host: '127.0.0.1', port: 0, routes: [slow] });
    const clients = Array.from({ length: 20 }, () => connect(short.port, '127.0.0.1'));
    for (const client of clients) client.write('GET /v1/slow HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await vi.waitFor(() => expect(handled).toBe(20), { timeout: 30_000 });
    for (const client of clients) client.destroy();
    await Promise.all(clients.map((client) => once(client, 'close')));
    answer();
    expect((await ask({ port: short.port, path: '/v1/slow' })).text).toBe('"late"');
    await short.stop();
  });
});

describe('whatever comes', () => {
  test('no path, header or body brings it down', async () => {
    const headerValue = fc.string({
      unit: fc.integer({ min: 32, max: 126 }).map((c) => String.fromCharCode(c)),
      maxLength: 60,
    });
    const segment = fc.oneof(
      fc.constantFrom('v1', 'item', 'read', '..', '%2e%2e', '%', '%00', 'query.json', ':name', ''),
      fc.webPath({ size: 'small' }).map((path) => path.slice(1)),
    );
    const question = fc.record({
      method: fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'PATCH'),
      path: fc.array(segment, { maxLength: 5 }).map((segments) => `/${segments.join('/')}`),
      headers: fc.dictionary(
        fc.constantFrom('host', 'origin', 'authorization', 'content-type', 'accept-encoding', 'if-none-match'),
        headerValue,
      ),
      body: fc.oneof(fc.string(), fc.json(), fc.constant('{"rules":{')),
    });
    await fc.assert(
      fc.asyncProperty(question, async ({ method, path, headers, body }) => {
        const reply = await ask({
          port,
          method,
          path: encodeURI(path).replaceAll('%25', '%'),
          headers,
          ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
        });
        expect(reply.status).toBeGreaterThanOrEqual(200);
        expect(reply.status).not.toBe(500);
      }),
      { numRuns: 300 },
    );
    expect((await ask({ port, path: '/v1/read' })).status).toBe(200);
  });

  test('nor do bytes that are no HTTP', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
      fc
        .tuple(fc.constantFrom('GET /v1/read', 'POST /v1/query', 'GET /v1/live'), fc.string({ maxLength: 200 }))
        .map(([line, rest]) => Buffer.from(`${line} HTTP/1.1\r\nhost: localhost\r\n${rest}\r\n\r\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (each) => void (await throwAt(port, each, 15))),
      { numRuns: 150 },
    );
    expect((await ask({ port, path: '/v1/read' })).status).toBe(200);
  });
});
