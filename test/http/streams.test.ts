import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newestOnly } from '../../src/http/newest-only.ts';
import type { Stream } from '../../src/http/route.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { ask } from './ask.ts';

const senders = new Set<(message: unknown) => void>();
const queries: string[] = [];
const stream: Stream = {
  path: '/v1/live',
  summary: 'whatever the test says',
  open(query, send) {
    queries.push(query.toString());
    senders.add(send);
    send('hello');
    return () => senders.delete(send);
  },
};

let server: HttpServer;
let url: string;
beforeAll(async () => {
  server = await startHttp({ host: '127.0.0.1', port: 0, routes: [], streams: [stream], tokens: ['secret'] });
  url = `ws://127.0.0.1:${server.port}/v1/live`;
});
afterAll(() => server.stop());

async function until(holds: () => boolean, limitMs = 3000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const handshake = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  [
    `GET ${path} HTTP/1.1`,
    ...Object.entries({
      host: `127.0.0.1:${server.port}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    }).map(([name, value]) => `${name}: ${value}`),
    '\r\n',
  ].join('\r\n');

/** The first line of the answer to a handshake. */
function answerTo(path: string, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(handshake(path, headers)));
    socket.on('error', reject);
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString('latin1').split('\r\n')[0] ?? '');
    });
  });
}

describe('a stream', () => {
  test('sends JSON to each client until it goes, and lets the stream know', async () => {
    const { WebSocket } = await import('./websocket.ts');
    const a = await WebSocket(url);
    const b = await WebSocket(url);
    for (const send of senders) send({ n: 1 });
    await until(() => a.messages.length === 2 && b.messages.length === 2);
    expect(a.messages).toEqual(['"hello"', '{"n":1}']);
    a.close();
    await until(() => senders.size === 1);
    b.close();
    await until(() => senders.size === 0);
  });

  test('is not for pages of other origins, other hosts’ names, wrong tokens', async () => {
    expect(await answerTo('/v1/live', { origin: 'http://evil.example' })).toBe('HTTP/1.1 403 Forbidden');
    expect(await answerTo('/v1/live', { host: 'evil.example' })).toBe('HTTP/1.1 403 Forbidden');
    expect(await answerTo('/v1/live?token=wrong', {})).toBe('HTTP/1.1 401 Unauthorized');
    expect(await answerTo('/v1/live', { origin: `http://127.0.0.1:${server.port}` })).toMatch(/ 101 /);
    await until(() => senders.size === 0);
  });

  test('never sees the token', async () => {
    queries.length = 0;
    expect(await answerTo('/v1/live?token=secret&a=b', {})).toMatch(/ 101 /);
    expect(queries).toEqual(['a=b']);
    await until(() => senders.size === 0);
  });

  test('asked without an upgrade is no page', async () => {
    expect((await ask({ port: server.port, path: '/v1/live' })).status).toBe(404);
  });

  test('a client that sleeps gets the newest message when it wakes, not the ones between', async () => {
    const { WebSocket } = await import('./websocket.ts');
    const sleeper = await WebSocket(url);
    await until(() => sleeper.messages.length === 1);
    sleeper.pause();
    const filling = 'x'.repeat(700_000);
    for (let n = 1; n <= 60; n++) {
      for (const send of senders) send({ n, filling });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    sleeper.resume();
    const last = () => JSON.parse(sleeper.messages.at(-1) ?? '').n;
    await until(() => last() === 60);
    // The kernel's buffers hold some of them.
    expect(sleeper.messages.length).toBeLessThan(40);
    sleeper.close();
    await until(() => senders.size === 0);
  });

  test('a client that leaves more than 1 MiB lying is let go', async () => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(handshake('/v1/live')));
    socket.pause();
    await until(() => senders.size === 1);
    for (const send of senders) send('y'.repeat(30_000_000));
    await until(() => senders.size === 0);
    socket.destroy();
  });
});

describe('newest only', () => {
  const outlet = () => {
    const sent: string[] = [];
    return {
      sent,
      closed: '',
      pending: 0,
      backlog() {
        return this.pending;
      },
      send(text: string) {
        sent.push(text);
        this.pending += text.length;
      },
      close(reason: string) {
        this.closed = reason;
      },
    };
  };

  test('the messages between are never sent', () => {
    const slow = outlet();
    const newest = newestOnly(slow, 100);
    for (const text of ['1', '2', '3', '4']) newest.offer(() => text);
    expect(slow.sent).toEqual(['1']);
    slow.pending = 0;
    newest.drained();
    expect(slow.sent).toEqual(['1', '4']);
    newest.drained();
    expect(slow.sent).toEqual(['1', '4']);
  });

  test('a half drained reader still waits', () => {
    const slow = outlet();
    const newest = newestOnly(slow, 100);
    newest.offer(() => '12');
    newest.offer(() => '3');
    slow.pending = 1;
    newest.drained();
    expect(slow.sent).toEqual(['12']);
  });

  test('a backlog above the limit closes', () => {
    const slow = outlet();
    newestOnly(slow, 100).offer(() => 'x'.repeat(101));
    expect(slow.closed).not.toBe('');
    const fine = outlet();
    newestOnly(fine, 100).offer(() => 'x'.repeat(100));
    expect(fine.closed).toBe('');
  });
});
