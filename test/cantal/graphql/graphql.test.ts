import fc from 'fast-check';
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, test } from 'vitest';
import { graphqlRoutes } from '../../../src/cantal/graphql/routes.ts';
import { serviceOf } from '../../../src/cantal/graphql/service.ts';
import { RefusedQuery } from '../../../src/cantal/remote/by-host.ts';
import { askedOf, prepare } from '../../../src/http/graphql/operation.ts';
import type { HttpReply, HttpRequest } from '../../../src/http/route.ts';
import { peer, type TestWorld, testWorld } from './world.ts';

async function post(world: TestWorld, body: unknown): Promise<{ status: number; json: Record<string, unknown> }> {
  const route = graphqlRoutes(world).find(({ path }) => path === '/graphql');
  const reply = (await route?.handle({ body, remoteAddress: '127.0.0.1' } as HttpRequest)) as HttpReply;
  if (!('json' in reply)) throw new Error('not JSON');
  return { status: reply.status, json: JSON.parse(JSON.stringify(reply.json)) };
}

const data = async (query: string, variables = {}, world = testWorld()) => {
  const { status, json } = await post(world, { query, variables });
  expect({ status, errors: json.errors }).toEqual({ status: 200, errors: undefined });
  return json.data;
};

describe('status', () => {
  test('has every field of the specification', async () => {
    const fields =
      'startupTime currentTime scanDuration bootTime selfReport threadsReport processes fineValues tipValues id hostname name clusterName version numPeers numStale';
    const { status } = (await data(`{ status { ${fields} } }`)) as { status: Record<string, unknown> };
    expect(status).toMatchObject({
      ...{ processes: 4, fineValues: 3, tipValues: 1, id: 'a'.repeat(32), hostname: 'n1', name: 'n1.example' },
      ...{ clusterName: 'main', version: '1.2.3', numPeers: 1, numStale: 1, scanDuration: 1.5 },
    });
    expect(status.selfReport).toHaveProperty('memory_rss');
    expect(Object.keys(status)).toEqual(fields.split(' '));
  });
});

describe('local', () => {
  test('cgroups come sorted, with their processes, by prefix', async () => {
    expect(await data('{ local { cgroups { name numProcesses processes { pid } } } }')).toEqual({
      local: {
        cgroups: [
          { name: 'system.db', numProcesses: 1, processes: [{ pid: 9 }] },
          { name: 'system.web', numProcesses: 2, processes: [{ pid: 7 }, { pid: 8 }] },
        ],
      },
    });
    expect(await data('{ local { cgroups(filter: {namePrefix: "system.w"}) { name } } }')).toEqual({
      local: { cgroups: [{ name: 'system.web' }] },
    });
  });

  test('a command is the first word, with a NUL behind it or without; numbers may be large', async () => {
    const asked = 'pid command cpuTime accumCpuTime rss uid readBytes cgroup';
    const { local } = (await data(`{ local { processes { ${asked} } } }`)) as { local: { processes: unknown[] } };
    expect(local.processes.slice(0, 2)).toEqual([
      {
        ...{
          pid: 1,
          command: '/sbin/init',
          cpuTime: 5,
          accumCpuTime: 14,
          rss: 0,
          uid: 0,
          readBytes: null,
          cgroup: null,
        },
      },
      {
        ...{ pid: 7, command: 'nginx', cpuTime: 0, accumCpuTime: 0, rss: 2 ** 40, uid: 4_294_967_294, readBytes: null },
        ...{ cgroup: 'system.web' },
      },
    ]);
  });

  test('processes are narrowed to the young ones', async () => {
    expect(await data('{ local { processes(filter: {maximumUptime: 60000}) { pid } } }')).toEqual({
      local: { processes: [{ pid: 8 }] },
    });
  });
});

test('peers have their addresses and times', async () => {
  expect(await data('{ peers { id name hostname primaryAddr addresses knownSince lastReportDirect } }')).toEqual({
    peers: [
      {
        ...{ id: peer.id, name: 'n2.example', hostname: 'n2', primaryAddr: '10.0.0.2:22682' },
        ...{ addresses: ['10.0.0.2:22682'], knownSince: 5, lastReportDirect: null },
      },
    ],
  });
  expect(await data('mutation { noop { ok } }')).toEqual({ noop: { ok: true } });
});

describe('metrics', () => {
  const rates = `query ($label: Json!) {
    metrics(condition: ["Eq", "metric", "requests"], extract: ["HistoryByNum", 2], functions: [["SumBy", $label, "Ignore"]]) {
      kind series { key kind values timestamps }
    }
  }`;

  test('answers a rule, its parts written in the query or given by variables', async () => {
    expect(await data(rates, { label: 'node' })).toEqual({
      metrics: {
        kind: 'MultiSeries',
        series: [
          { key: { node: 'n1' }, kind: 'Counter', values: [30, 10], timestamps: [3000, 1000] },
          { key: { node: 'n2' }, kind: 'Counter', values: [2, 1], timestamps: [3000, 1000] },
        ],
      },
    });
    expect(
      await data('query ($c: Json!) { metrics(source: Tip, condition: $c) { kind tips { key kind value newest } } }', {
        c: ['Has', 'state'],
      }),
    ).toEqual({
      metrics: {
        kind: 'SingleTip',
        tips: [{ key: { state: 'http' }, kind: 'State', value: [5, 'GET'], newest: 3000 }],
      },
    });
  });

  test('a bad rule is an error of that field, with the path within it', async () => {
    const { json } = await post(testWorld(), {
      query: '{ metrics(condition: ["Is"], extract: ["Tip"]) { kind } status { version } }',
    });
    expect(json).toMatchObject({
      data: { metrics: null, status: { version: '1.2.3' } },
      errors: [{ message: expect.stringMatching(/^condition\[0\]: no condition "Is"/), path: ['metrics'] }],
    });
  });

  test('remote asks all hosts and names who is missing', async () => {
    const world = testWorld({
      queryByHost: async (rules) => {
        expect(rules).toEqual({
          metrics: { series: { source: 'Fine', condition: ['Has', 'x'] }, extract: ['Tip'], functions: [] },
        });
        return { byHost: { ['a'.repeat(32)]: { metrics: ['Empty'] } }, kept: {}, sources: {}, missing: [peer.id] };
      },
    });
    const query =
      '{ remote(condition: ["Has", "x"], extract: ["Tip"]) { missing hosts { hostname dataset { kind } } } }';
    expect(await data(query, {}, world)).toEqual({
      remote: { missing: [peer.id], hosts: [{ hostname: 'n1', dataset: { kind: 'Empty' } }] },
    });
  });

  test('what was refused is told, what went wrong by mistake is not', async () => {
    const query = '{ remote(condition: ["Has", "x"], extract: ["Tip"]) { missing } }';
    const refused = testWorld({ queryByHost: () => Promise.reject(new RefusedQuery('rules.metrics.extract', 'no')) });
    expect((await post(refused, { query })).json.errors).toMatchObject([{ message: 'extract: no' }]);
    const broken = testWorld();
    expect((await post(broken, { query })).json.errors).toMatchObject([{ message: 'internal error' }]);
    expect(broken.reported).toEqual(['graphql remote']);
  });
});

describe('what cannot be run', () => {
  test.each([
    ['nothing', undefined, /the body is/],
    ['no text', { query: 1 }, /the body is/],
    ['bad variables', { query: '{ status { id } }', variables: [] }, /variables is an object/],
    ['a syntax error', { query: '{ status {' }, /Syntax Error/],
    ['an unknown field', { query: '{ status { nothing } }' }, /Cannot query field/],
    ['several operations', { query: 'query a { status { id } } query b { status { id } }' }, /operationName/],
    ['another name', { query: 'query a { status { id } }', operationName: 'b' }, /no operation b/],
    ['a missing variable', { query: 'query ($c: Json!) { metrics(condition: $c) { kind } }' }, /was not provided/],
    ['a subscription', { query: 'subscription { status { id } }' }, /WebSocket/],
    ['a fragment in itself', { query: '{ ...f } fragment f on Query { ...f }' }, /Cannot spread fragment/],
    ['only a fragment', { query: 'fragment f on Query { status { id } }' }, /operation/],
  ])('%s is 400 with the reason', async (_what, body, reason) => {
    const { status, json } = await post(testWorld(), body);
    expect(status).toBe(400);
    expect((json.errors as { message: string }[])[0]?.message).toMatch(reason);
  });
});

describe('limits', () => {
  const refused = async (query: string) => {
    const { status, json } = await post(testWorld(), { query });
    return status === 400 ? (json.errors as { message: string }[])[0]?.message : null;
  };

  test('the introspection of explorers passes', async () => {
    expect(await refused(getIntrospectionQuery())).toBeNull();
  });

  test('what is too deep, too long or too much is refused before it is run', async () => {
    const deep = (n: number) =>
      `{ __schema { types { fields { type { ${'ofType { '.repeat(n)} name ${'} '.repeat(n + 5)}`;
    expect(await refused(deep(10))).toBeNull();
    expect(await refused(deep(30))).toMatch(/nested more than 20/);
    expect(await refused(`{ ${'a'.repeat(10)} `.repeat(3000))).toMatch(/nested too deep|token/);
    const aliases = (n: number) =>
      `{ ${Array.from({ length: n }, (_, i) => `a${i}: metrics(condition: ["Has", "x"]) { kind }`).join(' ')} }`;
    expect(await refused(aliases(15))).toBeNull();
    expect(await refused(aliases(25))).toMatch(/too many fields/);
  });

  test('fragments that double are measured, not run', async () => {
    const levels = Array.from({ length: 40 }, (_, i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`);
    expect(await refused(`{ ...f0 } ${levels.join(' ')} fragment f40 on Query { status { id } }`)).not.toBeNull();
    const few = levels.slice(0, 15).join(' ');
    expect(await refused(`{ ...f0 } ${few} fragment f15 on Query { status { id } }`)).toMatch(/too many fields/);
  });

  test('a client that asked for too much waits', async () => {
    const world = testWorld();
    world.cost.charge('127.0.0.1', 40_000_000);
    expect((await post(world, { query: '{ status { id } }' })).status).toBe(429);
  });
});

test('no query, whatever its text, does more than give errors', async () => {
  const world = testWorld();
  const words = [
    '{',
    '}',
    '(',
    ')',
    '...',
    'on',
    'query',
    'subscription',
    'fragment',
    'f',
    'status',
    'metrics',
    '__typename',
    ':',
    '$',
    '@',
    '"',
    '[',
    ']',
    'condition',
    '1e999',
    '"""',
    '#',
    '\u0000',
    'peers',
  ];
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((each) => each.join(' ')),
  );
  await fc.assert(
    fc.asyncProperty(text, fc.option(fc.string()), fc.jsonValue(), async (query, operationName, variables) => {
      const asked = askedOf({ query, operationName, variables });
      if (typeof asked === 'string') return;
      const prepared = prepare(serviceOf(world), asked);
      if (prepared.kind === 'bad') expect(prepared.errors.length).toBeGreaterThan(0);
      else await prepared.run({ budget: { samples: 1000 } });
    }),
    { numRuns: 500 },
  );
  expect(world.reported).toEqual([]);
});

test('the explorer brings its page, script and style, and the script is one', () => {
  const routes = graphqlRoutes(testWorld());
  const textOf = (path: string) => {
    const reply = routes.find((route) => route.path === path)?.handle({} as HttpRequest) as HttpReply;
    return 'text' in reply ? reply.text : '';
  };
  const page = textOf('/graphiql');
  for (const [, path = ''] of page.matchAll(/(?:src|href)="([^"]+)"/g)) expect(textOf(path)).not.toBe('');
  expect(() => new Function(textOf('/graphiql/explorer-js'))).not.toThrow();
});
