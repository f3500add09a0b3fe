import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Route, Stream } from '../../src/http/route.ts';
import { graphqlOf } from '../../src/verwalter/graphql/routes.ts';
import { verwalterRoutes } from '../../src/verwalter/routes.ts';
import { statusViewer } from '../../src/verwalter/status-view.ts';
import { type OneNode, selfId, startOneNode } from './one-node.ts';
import { bundleWorker } from './worker-bundle.ts';

const scheduler = `return { scheduler = function(input)
  return { schedule = { state = { tick = input.runtime.tick } } }
end }`;

const reported: string[] = [];
let worker: Awaited<ReturnType<typeof bundleWorker>>;
let node: OneNode;
beforeAll(async () => {
  worker = await bundleWorker();
  let graphql: { readonly routes: readonly Route[]; readonly stream: Stream } | null = null;
  node = await startOneNode({
    files: { 'config/scheduler/v1/main.lua': scheduler, 'config/runtime/tick.yaml': '1\n' },
    workerUrl: worker.url,
    routes(verwalter, peers) {
      const election = () => {
        const leads = peers.leadership().role === 'leader';
        const role = leads ? 'leader' : 'starting';
        return { state: role, votedFor: null, votes: leads ? [selfId] : [], needed: 1, epoch: 1, endsInMs: 500 };
      };
      const context = { version: '0.0.1', peers, election };
      const viewer = statusViewer(verwalter, context);
      graphql = graphqlOf({ verwalter, viewer, election, report: (what) => reported.push(what) });
      return [...verwalterRoutes(verwalter, context, viewer), ...graphql.routes];
    },
    streams: () => (graphql === null ? [] : [graphql.stream]),
  });
  await vi.waitFor(() => expect(node.verwalter.schedule()?.data).toEqual({ state: { tick: 1 } }), until);
});
afterAll(async () => {
  await node.stop();
  worker.remove();
});
const until = { timeout: 30_000, interval: 50 };
const ask = async (query: unknown, more: object = {}) => {
  const reply = await node.post('/v1/graphql', { query, ...more });
  return { status: reply.status, json: JSON.parse(reply.text) };
};

describe('GraphQL', () => {
  it('has the status with the fields of the original', async () => {
    const { status, json } = await ask(`{ status {
      version id name hostname defaultFrontend numErrors scheduleStatus selfReport threadsReport
      roles { number failed }
      peers { number timestamp errorneous { id name hostname } }
      election { isLeader isStable promoting numVotesForMe neededVotes epoch deadline lastStableTimestamp }
      schedule { timestamp hash data origin }
      fetch { state }
      leader { id name hostname addr schedule debugForced }
    } }`);
    expect([status, json.errors]).toEqual([200, undefined]);
    const hash = node.verwalter.schedule()?.hash;
    expect(json.data.status).toMatchObject({
      ...{ version: '0.0.1', id: selfId, name: 'n1.example.org', hostname: 'n1', defaultFrontend: 'common' },
      ...{ numErrors: 0, scheduleStatus: 'ok', selfReport: { pid: process.pid } },
      roles: { number: 0, failed: 0 },
      peers: { number: 0, errorneous: [] },
      election: { isLeader: true, isStable: true, promoting: null, numVotesForMe: 1, neededVotes: 1, epoch: 1 },
      schedule: { hash, data: { state: { tick: 1 } }, origin: selfId },
      fetch: { state: 'STABLE_LEADER' },
      leader: { id: selfId, schedule: { hash }, debugForced: false },
    });
  });

  it('does nothing by its mutation', async () => {
    expect(await ask('mutation { noop { ok } }')).toEqual({ status: 200, json: { data: { noop: { ok: true } } } });
  });

  it.each([
    ['{', 'Syntax Error'],
    ['', 'Syntax Error'],
    ['{ status { nothing } }', 'Cannot query field'],
    ['subscription { status { id } }', 'needs a WebSocket'],
    [5, 'the body is'],
    [`{ status { ${'peers { number '.repeat(3000)}`, 'Syntax Error'],
  ])('answers what cannot be run with 400 and says why: %j', async (query, message) => {
    const { status, json } = await ask(query);
    expect([status, json.errors[0].message]).toEqual([400, expect.stringContaining(message)]);
  });

  it('has a page to try it on, whose script asks this path', async () => {
    const page = await node.get('/v1/graphiql');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    for (const [, path = ''] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect((await node.get(path)).status).toBe(200);
    }
    const { text } = await node.get('/v1/graphiql/explorer-js');
    expect(() => new Function(text)).not.toThrow();
    expect(text).toContain("fetch('/v1/graphql'");
    const query = /<textarea id="query"[^>]*>([^<]*)</.exec(page.text)?.[1] ?? '';
    expect((await ask(query.replace('subscription', 'query'))).json.errors).toBeUndefined();
  });

  it('is broken by no query', async () => {
    const words = ['{', '}', 'status', 'roles', 'number', 'fragment a on Status', '...a', '(x: 1)', '"', '@skip', '$x'];
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words), { maxLength: 20 }).map((all) => all.join(' ')),
    );
    await fc.assert(
      fc.asyncProperty(text, async (query) => {
        expect([200, 400]).toContain((await ask(query)).status);
      }),
      { numRuns: 100 },
    );
    expect(reported).toEqual([]);
  });

  it.each(['graphql-ws', 'graphql-transport-ws'])(
    'tells subscribers by %s at once and when something changes',
    async (protocol) => {
      const socket = new WebSocket(`ws://127.0.0.1:${node.server.port}/v1/graphql`, protocol);
      const ticks: unknown[] = [];
      socket.on('message', (bytes) => {
        const { type, payload } = JSON.parse(String(bytes));
        if (type === 'data' || type === 'next') ticks.push(payload.data.status.schedule.data.state.tick);
      });
      await once(socket, 'open');
      const say = (message: object) => socket.send(JSON.stringify(message));
      say({ type: 'connection_init' });
      const query = 'subscription { status { schedule { data } } }';
      say({ type: protocol === 'graphql-ws' ? 'start' : 'subscribe', id: '1', payload: { query } });
      await expect.poll(() => ticks.length, until).toBeGreaterThan(0);
      const next = Number(ticks[0]) + 1;
      node.put('config/runtime/tick.yaml', `${next}\n`);
      await expect.poll(() => ticks.at(-1), until).toBe(next);
      socket.close();
      await once(socket, 'close');
    },
  );
});
