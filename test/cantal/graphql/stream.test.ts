import { once } from 'node:events';
import fc from 'fast-check';
import { createClient } from 'graphql-ws';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { graphqlStream } from '../../../src/cantal/graphql/routes.ts';
import { serviceOf } from '../../../src/cantal/graphql/service.ts';
import { hear, modernWords, olderWords } from '../../../src/http/graphql/protocol.ts';
import { mergeMs, pauseMs, session, type Timers } from '../../../src/http/graphql/session.ts';
import type { StreamSocket } from '../../../src/http/route.ts';
import { startHttp } from '../../../src/http/server.ts';
import { type TestWorld, testWorld } from './world.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function serve(world = testWorld()): Promise<{ url: string; world: TestWorld }> {
  const server = await startHttp({ host: '127.0.0.1', port: 0, routes: [], streams: [graphqlStream(world)] });
  stops.push(() => server.stop(1));
  return { url: `ws://127.0.0.1:${server.port}/graphql`, world };
}

interface Talk {
  readonly socket: WebSocket;
  readonly heard: { type: string; id?: string; payload?: unknown }[];
  say(message: unknown): void;
  /** Waits for so many messages of a type. */
  of(type: string, count?: number): Promise<{ type: string; id?: string; payload?: unknown }[]>;
}

async function talk(url: string, protocol: string | string[] = 'graphql-ws'): Promise<Talk> {
  const socket = new WebSocket(url, protocol);
  stops.push(() => socket.terminate());
  const heard: Talk['heard'] = [];
  socket.on('message', (bytes) => heard.push(JSON.parse(String(bytes))));
  await once(socket, 'open');
  return {
    socket,
    heard,
    say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async of(type, count = 1) {
      await vi.waitFor(
        () => expect(heard.filter((each) => each.type === type).length).toBeGreaterThanOrEqual(count),
        15_000,
      );
      return heard.filter((each) => each.type === type);
    },
  };
}

describe('the older protocol', () => {
  test('is answered at once, after each scan, and until it is stopped', async () => {
    const { url, world } = await serve();
    const { say, of, heard } = await talk(url);
    say({ type: 'connection_init', payload: {} });
    await of('ka');
    expect(heard.map(({ type }) => type)).toEqual(['connection_ack', 'ka']);
    say({
      type: 'start',
      id: '1',
      payload: { query: 'subscription { status { fineValues numPeers } local { cgroups { name } } }' },
    });
    expect(await of('data')).toMatchObject([
      { id: '1', payload: { data: { status: { fineValues: 3 }, local: { cgroups: [{}, {}] } } } },
    ]);
    world.scanner.scan(5000, {});
    await of('data', 2);
    world.peersChanged();
    say({ type: 'stop', id: '1' });
    expect(await of('complete')).toMatchObject([{ id: '1' }]);
    world.scanner.scan(7000, {});
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await of('data')).toHaveLength(2);
  });

  test('a query is answered and complete, a bad one is an error and nothing worse', async () => {
    const { url } = await serve();
    const { say, of, socket } = await talk(url);
    say({ type: 'start', id: 'q', payload: { query: '{ status { version } }' } });
    expect(await of('data')).toMatchObject([{ id: 'q', payload: { data: { status: { version: '1.2.3' } } } }]);
    await of('complete');
    say({ type: 'start', id: 'b', payload: { query: '{ status {' } });
    expect(await of('error')).toMatchObject([
      { id: 'b', payload: { message: expect.stringMatching(/^Syntax Error/) } },
    ]);
    say({ type: 'start', id: 'c', payload: { query: 7 } });
    await of('error', 2);
    say('rubbish');
    say({ type: 'subscribe', id: 'x' });
    await of('connection_error', 2);
    say({ type: 'connection_terminate' });
    expect((await once(socket, 'close'))[0]).toBe(1000);
  });
});

describe('the modern protocol', () => {
  test('is understood by its own client', async () => {
    const { url, world } = await serve();
    const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    stops.push(() => client.dispose());
    const answers = client.iterate({ query: 'subscription { peers { id } }' });
    expect((await answers.next()).value).toMatchObject({ data: { peers: [{ id: 'b'.repeat(32) }] } });
    const second = answers.next();
    world.scanner.scan(5000, {});
    world.peersChanged();
    expect((await second).value).toMatchObject({ data: { peers: [{}] } });
    await answers.return?.();
    const one = client.iterate({ query: '{ status { version } }' });
    expect((await one.next()).value).toMatchObject({ data: { status: { version: '1.2.3' } } });
    expect((await one.next()).done).toBe(true);
    await expect(client.iterate({ query: '{ nothing }' }).next()).rejects.toMatchObject([{ message: /Cannot query/ }]);
  });

  test('is closed with its codes where it is broken', async () => {
    const { url } = await serve();
    const closedBy = async (...messages: unknown[]) => {
      const { socket, say } = await talk(url, 'graphql-transport-ws');
      for (const message of messages) say(message);
      return (await once(socket, 'close'))[0];
    };
    const init = { type: 'connection_init' };
    const forever = { type: 'subscribe', id: '1', payload: { query: 'subscription { status { id } }' } };
    expect(await closedBy(forever)).toBe(4401);
    expect(await closedBy(init, init)).toBe(4429);
    expect(await closedBy(init, forever, forever)).toBe(4409);
    expect(await closedBy(init, 'rubbish')).toBe(4400);
    expect(await closedBy(init, { type: 'start', id: '1' })).toBe(4400);
  });

  test('a ping is answered with what it brought', async () => {
    const { url } = await serve();
    const { say, of } = await talk(url, 'graphql-transport-ws');
    say({ type: 'ping', payload: { n: 1 } });
    expect(await of('pong')).toEqual([{ type: 'pong', payload: { n: 1 } }]);
  });
});

test('the subprotocol is agreed on, and one that nobody speaks is refused', async () => {
  const { url } = await serve();
  expect((await talk(url, ['graphql-ws', 'graphql-transport-ws'])).socket.protocol).toBe('graphql-transport-ws');
  expect((await talk(url, ['other', 'graphql-ws'])).socket.protocol).toBe('graphql-ws');
  const { socket, say, of } = await talk(url, []);
  expect(socket.protocol).toBe('');
  say({ type: 'start', id: '1', payload: { query: '{ status { id } }' } });
  await of('complete');
  await expect(talk(url, 'other')).rejects.toThrow('400');
});

/** A session without a network: time stands still until it is told to go on. */
function bench(words = olderWords, world = testWorld()) {
  let now = 0;
  const due: { at: number; act: () => void }[] = [];
  const timers: Timers = {
    nowMs: () => now,
    after(ms, act) {
      const timer = { at: now + ms, act };
      due.push(timer);
      return () => void (due.includes(timer) && due.splice(due.indexOf(timer), 1));
    },
  };
  const sent: string[] = [];
  const closed: number[] = [];
  const network = { backlog: 0 };
  const socket: StreamSocket = {
    ...{ subprotocol: null, remoteAddress: '127.0.0.1', backlog: () => network.backlog },
    post: (text) => sent.push(text),
    close: (code) => closed.push(code),
  };
  const client = session(serviceOf(world), words, socket, timers);
  /** Also lets what was promised happen. */
  const pass = async (ms: number) => {
    const end = now + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      due.splice(due.indexOf(next), 1);
      now = next.at;
      next.act();
    }
    now = end;
  };
  const pushes = () =>
    sent.filter((text) => JSON.parse(text).type === 'data' || JSON.parse(text).type === 'next').length;
  return { world, client, sent, closed, network, pass, pushes, due, now: () => now };
}
const watch = (query = 'subscription { status { processes } }', id = '1') =>
  JSON.stringify({ type: 'start', id, payload: { query } });

describe('pushes', () => {
  test('come 10 ms after the first of several events, and 110 ms after the push before', async () => {
    const { world, client, pass, pushes } = bench();
    client.receive(watch('subscription { status { processes } peers { id } }'));
    await pass(1000);
    expect(pushes()).toBe(1);
    world.peersChanged();
    world.scanner.scan(5000, {});
    await pass(mergeMs - 1);
    expect(pushes()).toBe(1);
    await pass(1);
    expect(pushes()).toBe(2);
    world.scanner.scan(7000, {});
    await pass(pauseMs - 1);
    expect(pushes()).toBe(2);
    await pass(1);
    expect(pushes()).toBe(3);
    await pass(1000);
    expect(pushes()).toBe(3);
  });

  test('come for events of what was asked for alone', async () => {
    const { world, client, pass, pushes } = bench();
    client.receive(watch('subscription { ...p } fragment p on Subscription { peers { id } }'));
    await pass(1000);
    world.scanner.scan(5000, {});
    await pass(1000);
    expect(pushes()).toBe(1);
    world.peersChanged();
    await pass(1000);
    expect(pushes()).toBe(2);
  });

  test('are never kept for a client that does not read: it gets the newest when it does', async () => {
    const { world, client, pass, pushes, network, sent } = bench();
    client.receive(watch('subscription { status { fineValues } }'));
    await pass(1000);
    network.backlog = 1;
    for (let scan = 0; scan < 50; scan++) {
      world.scanner.series({ metric: `new${scan}` }, 0);
      world.scanner.scan(5000 + scan * 2000, {});
      await pass(500);
    }
    expect(pushes()).toBe(1);
    network.backlog = 0;
    client.drained?.();
    await pass(1000);
    expect(pushes()).toBe(2);
    expect(JSON.parse(sent.at(-1) ?? '').payload.data.status.fineValues).toBe(53);
  });

  test('end with the client, and leave nothing behind', async () => {
    const { world, client, pass, pushes, due } = bench();
    client.receive(JSON.stringify({ type: 'connection_init' }));
    client.receive(watch('subscription { peers { id } }'));
    await pass(1000);
    world.peersChanged();
    client.leave();
    await pass(1000);
    expect([pushes(), due.length, world.listeners()]).toEqual([1, 0, 0]);
  });
});

test('a client is told that the connection lives, unless it does not read', async () => {
  const { client, pass, sent, network } = bench();
  client.receive(JSON.stringify({ type: 'connection_init' }));
  await pass(61_000);
  expect(sent.filter((text) => text.includes('"ka"'))).toHaveLength(4);
  network.backlog = 1;
  await pass(60_000);
  expect(sent.filter((text) => text.includes('"ka"'))).toHaveLength(4);
});

test('who never greets is let go, and 32 operations at once are enough', async () => {
  const silent = bench(modernWords);
  await silent.pass(10_000);
  expect(silent.closed).toEqual([4408]);
  const busy = bench();
  for (let id = 0; id < 40; id++) busy.client.receive(watch(undefined, String(id)));
  await busy.pass(0);
  expect(busy.sent.filter((text) => text.includes('at once'))).toHaveLength(8);
});

test('a real client that never reads is let go once 1 MiB lies, and memory stays', async () => {
  const world = testWorld();
  world.scanner.setProcesses(
    Array.from(
      { length: 9000 },
      (_, pid) => ({ ...(world.scanner.processes()[0] as never as object), pid, name: 'x'.repeat(200) }) as never,
    ),
  );
  const { url } = await serve(world);
  const { socket, say } = await talk(url);
  expect(world.listeners()).toBe(1);
  socket.pause();
  say({ type: 'start', id: '1', payload: { query: 'subscription { local { processes { name } } }' } });
  for (let id = 2; id < 12; id++) {
    say({ type: 'start', id: String(id), payload: { query: '{ local { processes { name } } }' } });
  }
  // Its session is over, though it has not read a byte of why.
  await vi.waitFor(() => expect(world.listeners()).toBe(0), 20_000);
});

test('any words in either protocol are heard as something, and answered without an end', async () => {
  const message = fc.oneof(
    fc.string(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          type: fc.constantFrom(
            'connection_init',
            'start',
            'subscribe',
            'stop',
            'complete',
            'ping',
            'pong',
            'connection_terminate',
            1,
            null,
          ),
          id: fc.constantFrom('1', '2', '', 3, null),
          payload: fc.oneof(fc.jsonValue(), fc.constant({ query: 'subscription { status { id } }' })),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(olderWords, modernWords),
      fc.array(message, { maxLength: 15 }),
      async (words, all) => {
        const { client, world, pass, due } = bench(words);
        for (const each of all) {
          expect(hear(each, words).kind).toBeTypeOf('string');
          client.receive(each);
        }
        await pass(100);
        client.leave();
        await pass(1);
        expect([world.reported, due.length]).toEqual([[], 0]);
      },
    ),
    { numRuns: 100 },
  );
});
