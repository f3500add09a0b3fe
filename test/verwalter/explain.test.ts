import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import type { JsonObject } from '../../src/verwalter/canonical.ts';
import { datasetText } from '../../src/verwalter/dataset-text.ts';
import { type Explained, explainRole } from '../../src/verwalter/explain.ts';
import { type ExplainWords, explain } from '../../src/verwalter/explain-command.ts';
import { explainRoutes } from '../../src/verwalter/explain-routes.ts';
import { explainText } from '../../src/verwalter/explain-text.ts';
import { readMetadata } from '../../src/verwalter/metadata.ts';
import type { Schedule } from '../../src/verwalter/schedule.ts';
import { readSources } from '../../src/verwalter/scheduler/sources.ts';
import { ask, freePort } from '../http/ask.ts';
import { containers, idOf, rate, startRounds, t0 } from './rounds.ts';

const scheduleOf = (data: JsonObject): Schedule => ({
  timestamp: t0,
  hash: 'b'.repeat(64),
  origin: 'a'.repeat(32),
  data,
});

/** The example of self-healing, a minute after node3 began to fail, and what it had looked at. */
let healing: Schedule;
let input: JsonObject;
beforeAll(async () => {
  const dir = join(import.meta.dirname, '../../examples/schedulers/self-healing');
  const round = startRounds(readSources(dir).files);
  const { data: runtime } = readMetadata(join(dir, 'runtime'));
  const hosts = ['node1', 'node2', 'node3'];
  const failing = {
    node1: { 'django.running': containers(10), 'django.errors': rate(0) },
    node2: { 'django.running': containers(10), 'django.errors': rate(0) },
    node3: { 'django.running': containers(5), 'django.errors': rate(77) },
  };
  let data: JsonObject = {};
  for (const seconds of [0, 5, 65, 66]) ({ data } = await round({ seconds, alive: hosts, runtime, metrics: failing }));
  healing = scheduleOf(data);
  input = {
    current_id: idOf('node1'),
    current_host: 'node1',
    peers: Object.fromEntries(['node2', 'node3'].map((host) => [idOf(host), { hostname: host }])),
    metrics: Object.fromEntries(Object.entries(failing).map(([host, values]) => [idOf(host), values])),
    metrics_meta: { missing: [] },
  };
});

const explained = (role: string, parts: Partial<Parameters<typeof explainRole>[1]> = {}): Explained | null =>
  explainRole(role, { schedule: healing, input, hosts: ['node1', 'node2', 'node3', 'node4'], ...parts });

describe('the explanation of a role', () => {
  it('says of each node whether it is placed there, how often and why, and with which numbers', () => {
    const found = explained('django');
    expect(Object.keys(found?.nodes ?? {})).toEqual(['node1', 'node2', 'node3', 'node4']);
    expect(found?.nodes.node1).toMatchObject({ placed: true, instances: { django: expect.any(Number) } });
    const ill = found?.nodes.node3;
    expect(ill).toMatchObject({ placed: false, instances: { django: 0 } });
    expect(ill?.reasons.join('\n')).toContain('5 of 10 running, 77 errors a second');
    expect(found?.nodes.node4).toEqual({ placed: false, instances: {}, reasons: [], scores: {} });
    expect(found?.metrics?.node3?.['django.errors']).toEqual(rate(77));
    expect(found?.hash).toBe(healing.hash);
  });

  it('knows no metrics where the node has not led the round', () => {
    expect(explained('django', { input: null })?.metrics).toBeNull();
  });

  it('shows metrics that are named after the role or after none, not those of others', () => {
    const schedule = scheduleOf({ roles: { web: {}, db: {} } });
    const seen: JsonObject = { ...input, metrics: { [idOf('node2')]: { 'web.rate': 1, 'db.size': 2, rpm: 3 } } };
    expect(explainRole('web', { schedule, input: seen, hosts: [] })?.metrics).toEqual({
      node2: { 'web.rate': 1, rpm: 3 },
    });
  });

  it('names the hosts of which metrics are missing', () => {
    const without = { ...input, metrics_meta: { missing: [idOf('node2'), 'f'.repeat(32)] } };
    expect(explained('django', { input: without })?.missing).toEqual(['f'.repeat(32), 'node2']);
  });

  it('knows no role that is nowhere, even one that is called as a member of every object', () => {
    for (const role of ['celery', 'constructor', '__proto__', 'toString', '']) expect(explained(role)).toBeNull();
  });

  it('reads every JSON as a schedule and as an input, and counts as absent what has another shape', () => {
    const word = fc.constantFrom('nodes', 'roles', 'explain', 'web', 'n1', 'daemons', 'instances', 'reasons', 'scores');
    const tree = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom(null, true, 3, 'text', Number.MAX_VALUE),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(word, fc.string()), tie('value'), { maxKeys: 5 }),
      ),
    })).value;
    const object = fc.dictionary(fc.oneof(word, fc.string()), tree) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(object, object, (data, seen) => {
        const found = explainRole('web', { schedule: scheduleOf(data), input: seen, hosts: ['n1'] });
        if (found === null) return;
        expect(Object.keys(found.nodes)).toContain('n1');
        for (const node of Object.values(found.nodes)) {
          expect(node.reasons.every((each) => typeof each === 'string')).toBe(true);
          expect(Object.values(node.scores).every((each) => typeof each === 'number')).toBe(true);
        }
        expect(explainText(found, null, 0)).toContain('role web');
      }),
    );
  });
});

describe('a dataset in words', () => {
  it('is its newest value with its labels', () => {
    expect(datasetText(rate(77))).toBe('77');
    expect(datasetText(containers(2))).toBe('django.0 1, django.1 1');
    expect(datasetText(containers(9))).toMatch(/^django\.0 1, .* and 5 more$/);
    expect(datasetText(['SingleSeries', { host: 'a' }, ['Float', [1, 2.34567]], [1, 2]])).toBe('a 2.346');
    expect(datasetText(['SingleTip', { of: 'x' }, ['State', [5, 'ready']], [5, 5]])).toBe('x ready');
    expect(datasetText(['Chart', { a: 1, b: 2 }])).toBe('a 1, b 2');
    expect(datasetText(['Empty'])).toBe('nothing found');
    expect(datasetText(['Incompatible', 'Dissimilar'])).toBe('incompatible: Dissimilar');
  });

  it('says something of anything', () => {
    const kinds = fc.constantFrom('SingleSeries', 'MultiSeries', 'SingleTip', 'MultiTip', 'Chart', 'Empty', 'x');
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.tuple(kinds, fc.jsonValue(), fc.jsonValue(), fc.jsonValue())),
        (value) => {
          expect(typeof datasetText(value)).toBe('string');
        },
      ),
    );
  });
});

describe('verwalter explain', () => {
  let server: HttpServer;
  let known: Schedule | null;
  beforeAll(async () => {
    known = healing;
    server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      routes: explainRoutes({ schedule: () => known, lastInput: () => input, hosts: () => ['node1', 'node4'] }),
    });
  });
  afterAll(() => server?.stop());

  const run = async (role: string, node: string | null = null, words: Partial<ExplainWords> = {}) => {
    const out: string[] = [];
    const complaints: string[] = [];
    const code = await explain(
      role,
      node,
      { url: server.url, ...words },
      {
        print: (text) => out.push(text),
        complain: (text) => complaints.push(text),
        nowMs: () => t0 + 12_000,
      },
    );
    return { code, out: out.join(''), complaint: complaints.join('\n') };
  };

  it('prints a table of nodes with reasons and the metrics that were looked at', async () => {
    const { code, out } = await run('django');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^role django: on 2 of 4 nodes, by schedule bbbbbbbb of 2027-01-15T08:00:00.000Z \(confirmed 12 s ago\)$/m,
    );
    expect(out).toMatch(/^NODE +PLACED +INSTANCES +SCORES +REASONS$/m);
    expect(out).toMatch(/^node1 +yes +django × \d+ /m);
    expect(out).toMatch(/^node3 +no +django × 0 .*5 of 10 running, 77 errors a second/m);
    expect(out).toMatch(/^node4 +no +- +- +\(the scheduler gave none\)$/m);
    expect(out).toMatch(/^node3 +django\.errors +77$/m);
  });

  it('does not count what is said of all nodes as a node', () => {
    const node = { placed: true, instances: {}, reasons: [], scores: {} };
    const all = { ...node, placed: false, reasons: ['15 of 30 have no place'] };
    const explained: Explained = {
      ...{ role: 'web', hash: 'b'.repeat(64), timestamp: t0, metrics: {}, missing: [], changes: [] },
      nodes: { '*': all, node1: node },
    };
    const text = explainText(explained, null, t0);
    expect(text).toMatch(/^role web: on 1 of 1 node,/);
    expect(text).toMatch(/^\(all\) +- +- +- +15 of 30 have no place$/m);
  });

  it('prints one node alone, and JSON where that is asked for', async () => {
    const { out } = await run('django', 'node3');
    expect(out).toMatch(/^role django: on 0 of 1 node,/);
    expect(out).not.toMatch(/^node1/m);
    const { out: text } = await run('django', 'node3', { json: true });
    const value = JSON.parse(text) as Explained;
    expect([Object.keys(value.nodes), Object.keys(value.metrics ?? {})]).toEqual([['node3'], ['node3']]);
    expect(JSON.parse((await run('django', null, { json: true })).out)).toEqual(
      JSON.parse((await ask({ port: server.port, path: '/v1/explain/django' })).text),
    );
  });

  it('exits 1 and tells what there is where role or node are unknown', async () => {
    expect(await run('djnago')).toEqual({
      code: 1,
      out: '',
      complaint: 'the schedule has no role "djnago"; it has django',
    });
    expect(await run('django', 'node9')).toEqual({
      code: 1,
      out: '',
      complaint: 'there is no node "node9"; there are node1, node2, node3, node4',
    });
    known = null;
    expect((await run('django')).complaint).toBe('this node knows no schedule yet');
    known = healing;
  });

  it('exits 1 where no agent answers, and 2 for options that cannot be meant', async () => {
    const gone = await run('django', null, { url: `http://127.0.0.1:${await freePort()}` });
    expect([gone.code, gone.complaint]).toEqual([
      1,
      expect.stringMatching(/^no agent answers at .*ECONNREFUSED.*--url$/),
    ]);
    for (const url of ['127.0.0.1:8379', 'file:///etc/passwd', ''])
      expect([url, (await run('django', null, { url })).code]).toEqual([url, 2]);
    expect(await run('django', null, { tokenFile: '/nonexistent' })).toMatchObject({ code: 2 });
  });

  it('sends the first line of the token file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'verwalter-explain-'));
    const guarded = await startHttp({
      host: '127.0.0.1',
      port: 0,
      tokens: ['good'],
      routes: explainRoutes({ schedule: () => known, lastInput: () => null, hosts: () => [] }),
    });
    writeFileSync(join(folder, 'good'), 'good\nmore\n');
    writeFileSync(join(folder, 'bad'), 'bad\n');
    try {
      expect((await run('django', null, { url: guarded.url, tokenFile: join(folder, 'good') })).code).toBe(0);
      const refused = await run('django', null, { url: guarded.url, tokenFile: join(folder, 'bad') });
      expect([refused.code, refused.complaint]).toEqual([1, 'the token is not one of this agent (--token-file)']);
    } finally {
      await guarded.stop();
      rmSync(folder, { recursive: true });
    }
  });

  it('prints no control character that a scheduler may have put into its reasons', () => {
    const nasty: Explained = {
      role: 'web',
      hash: 'a'.repeat(64),
      timestamp: 0,
      nodes: {
        'n\u001b1': { placed: true, instances: { 'd\u0007': 1 }, reasons: ['\u001b[2Jgone\nnext'], scores: {} },
      },
      metrics: { n1: { x: ['Chart', { '\u001b]0;title\u0007': 1 }] } },
      missing: [],
      changes: ['\u009b31mred'],
    };
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(explainText(nasty, null, 0)).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  });
});
