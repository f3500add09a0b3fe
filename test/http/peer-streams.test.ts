import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { proofHeaders, prove } from '../../src/http/cluster-auth.ts';
import { macBytes, messageAuth } from '../../src/http/message-auth.ts';
import { type Loss, openPeerSocket, type PeerSocket } from '../../src/http/peer-socket.ts';
import type { PeerOutlet, PeerStream } from '../../src/http/peer-streams.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';

const path = '/v1/peer/stream';
const key = Buffer.alloc(32, 1);
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Served {
  readonly server: HttpServer;
  readonly received: string[];
  readonly outlets: PeerOutlet[];
  left: number;
}

/** Sends each message back in upper case. */
async function serve(keys: readonly Uint8Array[]): Promise<Served> {
  const received: string[] = [];
  const outlets: PeerOutlet[] = [];
  const stream: PeerStream = {
    path,
    summary: 'an echo',
    open(outlet) {
      outlets.push(outlet);
      return {
        receive(message) {
          const text = Buffer.from(message).toString();
          received.push(text);
          outlet.send(Buffer.from(text.toUpperCase()));
        },
        drained() {},
        leave() {
          served.left += 1;
        },
      };
    },
  };
  const server = await startHttp({ host: '127.0.0.1', port: 0, routes: [], peerStreams: [stream], clusterKeys: keys });
  stops.push(() => server.stop(1));
  const served: Served = { server, received, outlets, left: 0 };
  return served;
}

interface Asked {
  readonly socket: PeerSocket;
  readonly messages: string[];
  readonly losses: (readonly [Loss, string])[];
  opened: boolean;
}

function ask(port: number, keys: readonly Uint8Array[], maxMessageBytes = 1024): Asked {
  const messages: string[] = [];
  const losses: (readonly [Loss, string])[] = [];
  const socket = openPeerSocket(
    { addr: `127.0.0.1:${port}`, path, keys, maxMessageBytes },
    {
      opened() {
        asked.opened = true;
      },
      message: (body) => void messages.push(Buffer.from(body).toString()),
      lost: (why, reason) => void losses.push([why, reason]),
    },
  );
  stops.push(() => socket.close());
  const asked: Asked = { socket, messages, losses, opened: false };
  return asked;
}

async function until(holds: () => boolean, limitMs = 10_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a stream between peers', () => {
  test.each([
    ['with a key', [key], [key]],
    ['while keys are exchanged', [Buffer.alloc(32, 2), key], [key]],
    ['without a key on one machine', [], []],
  ])('carries messages both ways %s', async (_, theirs, ours) => {
    const { server, received } = await serve(theirs);
    const asked = ask(server.port, ours);
    await until(() => asked.opened);
    for (const text of ['one', 'two']) asked.socket.send(Buffer.from(text));
    await until(() => asked.messages.length === 2);
    expect(received).toEqual(['one', 'two']);
    expect(asked.messages).toEqual(['ONE', 'TWO']);
  });

  test('compresses what is said again', async () => {
    const { server, outlets } = await serve([key]);
    const sockets: Socket[] = [];
    const seen = (message: unknown) => void sockets.push((message as { socket: Socket }).socket);
    subscribe('net.client.socket', seen);
    stops.push(() => unsubscribe('net.client.socket', seen));
    const asked = ask(server.port, [key]);
    await until(() => asked.opened);
    const text = Array.from({ length: 50 }, (_, n) => `word${n}`).join(' ');
    for (let n = 0; n < 20; n++) outlets[0]?.send(Buffer.from(text));
    await until(() => asked.messages.length === 20);
    expect(asked.messages.every((message) => message === text)).toBe(true);
    const own = sockets.find(({ remotePort }) => remotePort === server.port);
    expect(own?.bytesRead).toBeLessThan((20 * text.length) / 2);
  });

  test('is not for who has another key, or none', async () => {
    const { server, outlets } = await serve([key]);
    for (const keys of [[Buffer.alloc(32, 9)], []]) {
      const asked = ask(server.port, keys);
      await until(() => asked.losses.length === 1);
      expect(asked.losses[0]).toEqual(['refused', '401 Unauthorized']);
    }
    expect(outlets).toEqual([]);
  });

  test('cannot be opened again with what somebody overheard, nor at another node', async () => {
    const { server } = await serve([key]);
    const other = await serve([key]);
    const host = `127.0.0.1:${server.port}`;
    const proof = prove(key, { method: 'GET', target: path, host, body: new Uint8Array() }, Date.now());
    const first = (port: number): Promise<string> =>
      new Promise((resolve, reject) => {
        const lines = [
          ...[`GET ${path} HTTP/1.1`, `host: ${host}`, 'connection: Upgrade', 'upgrade: websocket'],
          ...['sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=='],
          ...[`${proofHeaders.date}: ${proof.date}`, `${proofHeaders.nonce}: ${proof.nonce}`],
          ...[`${proofHeaders.mac}: ${proof.mac}`, '\r\n'],
        ];
        const socket = connect(port, '127.0.0.1', () => socket.write(lines.join('\r\n')));
        socket.on('error', reject);
        socket.once('data', (chunk) => {
          socket.destroy();
          resolve(chunk.toString('latin1').split('\r\n')[0] ?? '');
        });
      });
    expect(await first(server.port)).toBe('HTTP/1.1 101 Switching Protocols');
    expect(await first(server.port)).toBe('HTTP/1.1 401 Unauthorized');
    expect(await first(other.server.port)).toBe('HTTP/1.1 403 Forbidden');
  });

  test('ends where a message is not of who opened it', async () => {
    const served = await serve([key]);
    const host = `127.0.0.1:${served.server.port}`;
    const proof = prove(key, { method: 'GET', target: path, host, body: new Uint8Array() }, Date.now());
    const headers = {
      [proofHeaders.date]: proof.date,
      [proofHeaders.nonce]: proof.nonce,
      [proofHeaders.mac]: proof.mac,
    };
    const socket = new WebSocket(`ws://${host}${path}`, { headers });
    stops.push(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(Buffer.alloc(40, 7));
    const code = await new Promise((resolve) => socket.once('close', resolve));
    expect(code).toBe(1008);
    expect(served.received).toEqual([]);
    await until(() => served.left === 1);
  });

  test('ends for who asks where a node without the key answers, or one that says more than a message may hold', async () => {
    const open = await serve([]);
    const asked = ask(open.server.port, [key]);
    await until(() => asked.opened);
    open.outlets[0]?.send(Buffer.from('a message without a MAC'));
    await until(() => asked.losses.length === 1);
    expect(asked.losses).toEqual([['refused', 'its messages are not signed with a key of this cluster']]);

    const long = await serve([key]);
    const other = ask(long.server.port, [key]);
    await until(() => other.opened);
    long.outlets[0]?.send(Buffer.alloc(4096));
    await until(() => other.losses.length === 1);
    expect(other.losses[0]?.[0]).toBe('reset');
  });

  test('takes requests of 16 KiB and no longer ones', async () => {
    const { server, received } = await serve([key]);
    const asked = ask(server.port, [key], 64 * 1024);
    await until(() => asked.opened);
    asked.socket.send(Buffer.alloc(16 * 1024, 'a'));
    await until(() => received.length === 1);
    asked.socket.send(Buffer.alloc(16 * 1024 + 1, 'a'));
    await until(() => asked.losses.length === 1);
  });

  test('nobody listens: refused; no address: refused; closed by us: silence', async () => {
    const nobody = ask(1, [key]);
    await until(() => nobody.losses.length === 1);
    expect(nobody.losses[0]?.[0]).toBe('refused');
    const losses: string[] = [];
    const nowhere = { addr: 'no address', path, keys: [key], maxMessageBytes: 1024 };
    openPeerSocket(nowhere, { opened() {}, message() {}, lost: (why) => void losses.push(why) });
    await until(() => losses.length === 1);
    const { server, outlets } = await serve([key]);
    const asked = ask(server.port, [key]);
    await until(() => asked.opened);
    asked.socket.close();
    await until(() => outlets[0]?.backlog() === 0);
    expect(asked.losses).toEqual([]);
  });
});

describe('the MAC of messages', () => {
  test('lets through what was sealed by the other side, in order, and nothing else', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 5 });
    const attack = fc.constantFrom('none', 'flip', 'swap', 'again', 'reflect', 'cut');
    fc.assert(
      fc.property(bodies, attack, fc.nat(), (messages, how, at) => {
        const session = { key, nonce: 'a'.repeat(32) };
        const sender = messageAuth(session, 'asked');
        const receiver = messageAuth(session, how === 'reflect' ? 'asked' : 'asking');
        const sealed = messages.map((body) => Buffer.from(sender.seal(body)));
        const index = at % sealed.length;
        const hit = sealed[index] ?? Buffer.alloc(0);
        if (how === 'flip') hit[at % hit.length] = (hit[at % hit.length] ?? 0) ^ 1;
        if (how === 'again') sealed.splice(index, 0, hit);
        if (how === 'cut') sealed[index] = hit.subarray(0, Math.max(0, hit.length - 1));
        if (how === 'swap') sealed.unshift(...sealed.splice(sealed.length - 1, 1));
        const opened = sealed.map((message) => receiver.open(message));
        const whole = how === 'none' || (how === 'swap' && messages.length === 1);
        expect(opened.every((body) => body !== null)).toBe(whole);
        if (whole)
          expect(opened.map((body) => Buffer.from(body ?? []))).toEqual(messages.map((body) => Buffer.from(body)));
      }),
    );
    expect(macBytes).toBe(16);
  });
});
