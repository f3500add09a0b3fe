import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exposition } from '../../../src/cantal/openmetrics/exposition.ts';
import { parsePromql } from '../../../src/cantal/promql/parse.ts';
import { promqlRoutes } from '../../../src/cantal/promql/routes.ts';
import { durationOf, numberOf, stringOf } from '../../../src/cantal/promql/text.ts';
import { costLimit } from '../../../src/cantal/query/cost.ts';
import { startCantal } from '../../../src/cantal/shell.ts';
import { type HttpServer, startHttp } from '../../../src/http/server.ts';
import { SeriesKind } from '../../../src/native/scanner.ts';
import { ask } from '../../http/ask.ts';
import { skipped } from '../../skipped.ts';
import { memoryScanner } from '../memory-scanner.ts';

/** A counter of two nodes that grows by 10 and by 20 a second, and a load; 100 scans of 2 s. */
const scanner = memoryScanner();
const [slow, fast] = ['n1', 'n2'].map((node) => scanner.series({ metric: 'requests', node }, SeriesKind.counter));
const load = scanner.series({ metric: 'load' }, SeriesKind.float);
for (let scan = 0; scan < 100; scan++) {
  scanner.scan(1_000_000 + scan * 2000, {
    [slow ?? 0]: scan * 20,
    [fast ?? 0]: scan * 40,
    [load]: scan < 90 ? 0.5 : null,
  });
}
const newest = 1_000_000 + 99 * 2000;
const cost = costLimit(() => 0);
let server: HttpServer;
beforeAll(async () => {
  const cantal = startCantal({ scanner, intervalMs: 2000, version: 'test' });
  server = await startHttp({ host: '127.0.0.1', port: 0, routes: promqlRoutes(cantal, cost, () => newest) });
});
afterAll(() => server.stop(1));

async function get(path: string, parameters: Readonly<Record<string, string>> = {}) {
  const reply = await ask({ port: server.port, path: `/api/v1/${path}?${new URLSearchParams(parameters)}` });
  return { ...(JSON.parse(reply.text) as { data: unknown; error?: string; errorType?: string }), status: reply.status };
}

describe('/api/v1/query', () => {
  test('answers at the newest scan, or at the time that was asked for', async () => {
    expect((await get('query', { query: 'rate(cantal_requests_total[1m])' })).data).toEqual({
      resultType: 'vector',
      result: [
        { metric: { node: 'n1' }, value: [newest / 1000, '10'] },
        { metric: { node: 'n2' }, value: [newest / 1000, '20'] },
      ],
    });
    expect((await get('query', { query: 'sum(cantal_requests_total)', time: '1002.5' })).data).toEqual({
      ...{ resultType: 'vector', result: [{ metric: {}, value: [1002.5, '60'] }] },
    });
    expect((await get('query', { query: '1 / 0', time: '1970-01-01T00:16:40Z' })).data).toEqual({
      ...{ resultType: 'scalar', result: [1000, '+Inf'] },
    });
  });

  test('a range selector gives its samples', async () => {
    expect((await get('query', { query: 'cantal_requests_total{node="n1"}[4s]', time: '1010' })).data).toEqual({
      resultType: 'matrix',
      result: [
        {
          metric: { __name__: 'cantal_requests_total', node: 'n1' },
          values: [
            [1008, '80'],
            [1010, '100'],
          ],
        },
      ],
    });
  });

  test('what was not seen in the newest scan has no value, nor has what is long ago', async () => {
    const found = async (time: number) =>
      ((await get('query', { query: 'cantal_load', time: String(time) })).data as { result: unknown[] }).result.length;
    expect(await found(1000)).toBe(1);
    expect(await found(newest / 1000)).toBe(0);
    expect(await found(999)).toBe(0);
    const late = async (seconds: number) =>
      (
        (await get('query', { query: 'cantal_requests_total', time: String(newest / 1000 + seconds) })).data as {
          result: unknown[];
        }
      ).result.length;
    expect([await late(299), await late(300)]).toEqual([2, 0]);
  });
});

test('/api/v1/query_range has a value at each step', async () => {
  const range = { query: 'sum by (node) (cantal_requests_total{node="n2"})', start: '1000', end: '1006', step: '3s' };
  expect((await get('query_range', range)).data).toEqual({
    resultType: 'matrix',
    result: [
      {
        metric: { node: 'n2' },
        values: [
          [1000, '0'],
          [1003, '40'],
          [1006, '120'],
        ],
      },
    ],
  });
  expect((await get('query_range', { ...range, query: '2', step: '6' })).data).toEqual({
    ...{
      resultType: 'matrix',
      result: [
        {
          metric: {},
          values: [
            [1000, '2'],
            [1006, '2'],
          ],
        },
      ],
    },
  });
});

test('a range is what the same expression is worth at each of its steps', async () => {
  const expressions = [
    'rate(cantal_requests_total[7s])',
    'cantal_load or cantal_requests_total > 500',
    'sum(cantal_requests_total offset 1m) / 3',
    'topk(1, cantal_requests_total)',
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...expressions),
      fc.integer({ min: 990, max: 1200 }),
      fc.integer({ min: 1, max: 40 }),
      async (query, start, step) => {
        const range = await get('query_range', {
          query,
          start: String(start),
          end: String(start + 3 * step),
          step: String(step),
        });
        const drawn = (range.data as { result: { metric: object; values: [number, string][] }[] }).result.flatMap(
          ({ metric, values }) => values.map((value) => ({ metric, value })),
        );
        const single: { metric: object; value: [number, string] }[] = [];
        for (let at = start; at <= start + 3 * step; at += step) {
          single.push(...((await get('query', { query, time: String(at) })).data as { result: typeof single }).result);
        }
        const sorted = (all: readonly unknown[]) => all.map((each) => JSON.stringify(each)).sort();
        expect(sorted(drawn)).toEqual(sorted(single));
      },
    ),
    { numRuns: 20 },
  );
});

test('names are those of /metrics', async () => {
  const cantal = startCantal({ scanner, intervalMs: 2000, version: 'test' });
  const scraped = exposition(
    cantal.metrics(() => true),
    'text',
  );
  for (const name of (await get('label/__name__/values')).data as string[]) {
    // A load that the newest scan did not see is not scraped.
    if (name !== 'cantal_load') expect(scraped).toContain(`\n${name}{`);
  }
});

test('series, labels, values and metadata are listed', async () => {
  const n1 = { __name__: 'cantal_requests_total', node: 'n1' };
  expect((await get('series', { 'match[]': '{node="n1"}' })).data).toEqual([n1]);
  expect((await get('labels')).data).toEqual(['__name__', 'node']);
  expect((await get('labels', { 'match[]': 'cantal_load' })).data).toEqual(['__name__']);
  expect((await get('label/node/values')).data).toEqual(['n1', 'n2']);
  expect((await get('label/__name__/values')).data).toEqual(['cantal_load', 'cantal_requests_total']);
  expect((await get('metadata', { metric: 'cantal_load' })).data).toEqual({
    cantal_load: [{ type: 'gauge', help: 'load, a gauge', unit: '' }],
  });
});

test('a form is taken as well as a query', async () => {
  const body = new URLSearchParams({ query: 'count(cantal_requests_total)' }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const reply = await ask({ port: server.port, method: 'POST', path: '/api/v1/query', headers, body });
  expect(JSON.parse(reply.text).data.result[0].value[1]).toBe('2');
});

describe('what is not answered', () => {
  test.each([
    ['rate(x[5m:1m])', /subqueries/],
    ['x @ 100', /@ modifier/],
    ['histogram_quantile(0.9, x)', /histogram_quantile\(\) is not answered here; there are rate/],
    ['stddev(x)', /stddev is not answered here; there are sum/],
    ['a / on (b) group_left () c', /group_left \(many to one\)/],
    ['x atan2 y', /atan2/],
    ['rate(x)', /1:6: rate\(\) takes a range vector, as x\[5m\], not an instant vector/],
    ['abs(1)', /takes an instant vector, not a number/],
    ['sum(1)', /takes an instant vector/],
    ['topk(x)', /takes a number and a vector/],
    ['1 > 2', /between numbers it is > bool/],
    ['x + bool y', /bool stands behind a comparison/],
    ['1 and x', /and takes an instant vector/],
    ['{a=""}', /does not match the empty text/],
    ['x{a=~"("}', /regular expression/],
    ['x[0s]', /more than nothing/],
    ['(x) offset 5m', /offset stands behind a selector/],
    ['"text"', /a text is no expression/],
    ['x{', /1:3: the end was not expected here/],
    ['x y', /1:3: "y" was not expected here/],
    ['', /was not expected|empty/],
    [`${'('.repeat(60)}1${')'.repeat(60)}`, /nested more than/],
  ])('%s is told with place and reason', async (query, reason) => {
    const { status, errorType, error } = await get('query', { query });
    expect({ status, errorType }).toEqual({ status: 400, errorType: 'bad_data' });
    expect(error).toMatch(reason);
  });

  test('nor are bad times, too many steps, series that meet, or too much', async () => {
    const range = { query: 'cantal_load', start: '1000', end: '1100', step: '1' };
    expect(await get('query_range', { ...range, start: 'now' })).toMatchObject({
      status: 400,
      error: expect.stringMatching(/^start: "now" is no time/),
    });
    expect(await get('query_range', { ...range, end: '900' })).toMatchObject({
      status: 400,
      error: 'end is before start',
    });
    expect(await get('query_range', { ...range, step: '1ms' })).toMatchObject({
      status: 400,
      error: expect.stringMatching(/11000 steps/),
    });
    expect(await get('query_range', { query: 'x' })).toMatchObject({
      status: 400,
      error: 'the parameter start is missing',
    });
    expect(await get('query')).toMatchObject({ status: 400, error: 'the parameter query is missing' });
    expect(await get('series')).toMatchObject({ status: 400 });
    expect(await get('query', { query: 'cantal_requests_total + on () cantal_requests_total' })).toMatchObject({
      ...{ status: 422, errorType: 'execution', error: expect.stringMatching(/many-to-many/) },
    });
    expect(await get('query', { query: '-{__name__=~"cantal_.*"}', time: '1000' })).toMatchObject({ status: 200 });
    expect(await get('query', { query: 'x or -{node=""} or -{__name__=~".+"}', time: '1000' })).toMatchObject({
      status: 400,
    });
    cost.charge('127.0.0.1', 21_000_000);
    expect(await get('query', { query: 'cantal_load' })).toMatchObject({
      status: 429,
      error: expect.stringMatching(/try again in 1 s/),
    });
    cost.charge('127.0.0.1', -1);
  });
});

describe('literals', () => {
  test('durations and numbers', () => {
    expect(durationOf('1h30m')).toBe(5_400_000);
    expect(durationOf('1d2h3m4s5ms')).toBe(93_784_005);
    expect(durationOf('15')).toBe(15_000);
    expect([durationOf(''), durationOf('5m1h'), durationOf('x')]).toEqual([null, null, null]);
    expect([numberOf('0x1F'), numberOf('1e3'), numberOf('.5'), numberOf('-Inf'), numberOf('NaN')]).toEqual([
      31,
      1000,
      0.5,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
    expect([numberOf(''), numberOf('1_000'), numberOf('--1')]).toEqual([null, null, null]);
  });

  test('texts, in three kinds of quotes', () => {
    expect(stringOf('"a\\n\\x41\\u00e4\\101\\""')).toBe('a\nAäA"');
    expect(stringOf("'it\\'s'")).toBe("it's");
    expect(stringOf('`a\\n`')).toBe('a\\n');
    expect([stringOf('"\\q"'), stringOf('"'), stringOf('abc')]).toEqual([null, null, null]);
  });
});

test('any text is an expression or told why not', () => {
  const words = [
    'sum',
    'by',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '5m',
    'x',
    '"a"',
    '=~',
    '=',
    ',',
    'offset',
    '-',
    '+',
    '^',
    'and',
    'on',
    'rate',
    'topk',
    '1',
    'bool',
    '>',
    ':',
    '@',
    '#',
    '\n',
    '`',
    '\\',
  ];
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...words), { maxLength: 25 }).map((each) => each.join(' ')),
  );
  fc.assert(
    fc.property(text, (written) => {
      const parsed = parsePromql(written);
      if (parsed.kind === 'bad') expect(parsed.reason).not.toBe('');
    }),
    { numRuns: 500 },
  );
});

test.skipIf(
  skipped(
    spawnSync('promtool', ['--version']).status === 0,
    'promtool query',
    'prometheus is missing (apt-get install prometheus)',
  ),
)('promtool reads from it as from Prometheus', async () => {
  cost.charge('127.0.0.1', -1);
  const run = promisify(execFile);
  const fresh = await startHttp({
    ...{ host: '127.0.0.1', port: 0 },
    routes: promqlRoutes(startCantal({ scanner, intervalMs: 2000, version: 'test' })),
  });
  const query = async (...words: string[]) => (await run('promtool', ['query', ...words])).stdout;
  expect(await query('instant', '--time=1100', fresh.url, 'sum(rate(cantal_requests_total[30s]))')).toBe(
    '{} => 30 @[1100]\n',
  );
  expect(
    await query('range', '--start=1100', '--end=1104', '--step=2s', fresh.url, 'cantal_requests_total{node="n1"}'),
  ).toBe('cantal_requests_total{node="n1"} =>\n1000 @[1100]\n1020 @[1102]\n1040 @[1104]\n');
  expect(await query('series', '--match=cantal_load', fresh.url)).toBe('{__name__="cantal_load"}\n');
  expect(await query('labels', fresh.url, 'node')).toBe('n1\nn2\n');
  await expect(query('instant', fresh.url, 'x @ 5')).rejects.toThrow(/the @ modifier is not answered here/);
  await fresh.stop(1);
});
