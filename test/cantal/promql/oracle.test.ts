import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { instant } from '../../../src/cantal/promql/answer.ts';
import { catalogs } from '../../../src/cantal/promql/catalog.ts';
import { parsePromql } from '../../../src/cantal/promql/parse.ts';
import { toObject } from '../../../src/cantal/promql/tags.ts';
import { scannerSource } from '../../../src/cantal/scanner-source.ts';
import { SeriesKind } from '../../../src/native/scanner.ts';
import { skipped } from '../../skipped.ts';
import { memoryScanner } from '../memory-scanner.ts';

/** Prometheus itself says what an expression is worth: its own evaluator runs in `promtool test rules`. */
const promtool = spawnSync('promtool', ['--version']).status === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'promql-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const scans = 120;
const periodMs = 2000;

const counter = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.nat(50) },
      { weight: 1, arbitrary: fc.constant('reset' as const) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
    {
      minLength: scans,
      maxLength: scans,
    },
  )
  .map((steps) => {
    let value = 0;
    return steps.map((step) => {
      if (step === null) return null;
      value = step === 'reset' ? 0 : value + step;
      return value;
    });
  });
const level = fc.array(
  fc.option(
    fc.integer({ min: -40, max: 40 }).map((n) => n / 4),
    { freq: 8 },
  ),
  { minLength: scans, maxLength: scans },
);
const data = fc.record({
  requests: fc.array(counter, { minLength: 4, maxLength: 4 }),
  errors: fc.array(counter, { minLength: 2, maxLength: 2 }),
  queue: fc.array(level, { minLength: 3, maxLength: 3 }),
});

function scannerOf({
  requests,
  errors,
  queue,
}: {
  requests: (number | null)[][];
  errors: (number | null)[][];
  queue: (number | null)[][];
}) {
  const scanner = memoryScanner();
  const columns: [number, (number | null)[]][] = [
    ...requests.map((values, n): [number, (number | null)[]] => [
      scanner.series({ metric: 'requests', node: `n${n >> 1}`, path: n % 2 === 0 ? '/a' : '/b' }, SeriesKind.counter),
      values,
    ]),
    ...errors.map((values, n): [number, (number | null)[]] => [
      scanner.series({ metric: 'errors', node: `n${n}`, path: '/a' }, SeriesKind.counter),
      values,
    ]),
    ...queue.map((values, n): [number, (number | null)[]] => [
      scanner.series({ metric: 'queue', node: `n${n}` }, SeriesKind.float),
      values,
    ]),
  ];
  for (let scan = 0; scan < scans; scan++) {
    scanner.scan(scan * periodMs, Object.fromEntries(columns.map(([id, values]) => [id, values[scan] ?? null])));
  }
  return scanner;
}

const r = 'cantal_requests_total';
const e = 'cantal_errors_total';
const q = 'cantal_queue';
const expressions = [
  ...[
    r,
    `${r}{node="n0"}`,
    `${r}{node!="n0",path=~"/(a|c)"}`,
    `{__name__=~"cantal_.*s_total",node!~"n1"}`,
    `${q}{absent=""}`,
  ],
  ...[
    `${q} offset 14s`,
    `${r}{node="n0"} offset 1m`,
    '1 + 2 * 3 ^ 2',
    '-1 ^ 2',
    '2 ^ 3 ^ 2',
    '7 % 4 - -2',
    '0x1f + .5e1',
    'Inf',
    '3 > bool 2',
  ],
  ...['rate', 'increase', 'irate'].flatMap((f) => [`${f}(${r}[1m])`, `${f}(${e}[10s] offset 20s)`, `${f}(${r}[1h])`]),
  ...[
    'delta',
    'avg_over_time',
    'min_over_time',
    'max_over_time',
    'sum_over_time',
    'count_over_time',
    'last_over_time',
  ].map((f) => `${f}(${q}[40s])`),
  ...['sum', 'avg', 'min', 'max', 'count', 'group'].flatMap((a) => [
    `${a}(${q})`,
    `${a} by (node) (${r})`,
    `${a} without (path) (rate(${r}[30s]))`,
  ]),
  ...[
    `topk(2, ${r})`,
    `bottomk by (node) (1, ${r})`,
    `quantile(0.3, ${q})`,
    `quantile without (node) (0.9, ${r})`,
    `quantile(-1, ${q})`,
    `quantile(2, ${q})`,
  ],
  ...[
    `${q} * 2`,
    `3 - ${q}`,
    `${q} % 3`,
    `${q} ^ 2`,
    `${q} / 0`,
    `-${q}`,
    `abs(${q})`,
    `ceil(${q}) + floor(${q})`,
    `clamp_min(${q}, 1)`,
    `clamp_max(${q}, -1)`,
  ],
  ...[`${q} > 1`, `${q} >= bool 0`, `2 < ${q}`, `${q} == ${q}`, `${q} != bool ${q} offset 4s`],
  ...[
    `${e} / on (node, path) ${r}`,
    `rate(${e}[1m]) / ignoring (nothing) rate(${r}[1m])`,
    `${q} + on (node) ${e}`,
    `${e} > ignoring (path) ${q}`,
    `${e} > on (node) ${q}`,
  ],
  ...[
    `${r} and ${e}`,
    `${r} and on (node) ${e}`,
    `${r} unless on (node) ${q}{node="n0"}`,
    `${q} or ${e}`,
    `${q} or on (node) ${r}`,
    `${q} and ${q} > 0`,
  ],
  ...[
    `sum by (node) (rate(${e}[1m])) / sum by (node) (rate(${r}[1m]))`,
    `scalar(${q}{node="n0"}) + 1`,
    `vector(2)`,
    `time()`,
    `sum(${r}) - scalar(sum(${r}))`,
  ],
];

interface Sample {
  readonly labels: string;
  readonly value: string;
}

function ours(scanner: ReturnType<typeof memoryScanner>, text: string, seconds: number): Sample[] {
  const parsed = parsePromql(text);
  if (parsed.kind === 'bad') throw new Error(`${text}: ${parsed.reason}`);
  const source = scannerSource(scanner).now();
  const answer = instant(
    parsed.expr,
    { source, catalog: catalogs()(source), budget: { samples: 2_000_000 } },
    seconds * 1000,
  );
  if (answer.resultType === 'scalar') return [{ labels: '{}', value: answer.result[1] }];
  if (answer.resultType !== 'vector') throw new Error('a matrix');
  return answer.result.map(({ metric, value }) => {
    const pairs = Object.entries(metric).map(([label, content]) => `${label}="${content}"`);
    return { labels: `{${pairs.join(',')}}`, value: value[1] };
  });
}

test.skipIf(skipped(promtool, 'PromQL beside Prometheus', 'prometheus is missing (apt-get install prometheus)'))(
  'each expression is worth what Prometheus says, for any series',
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(
        data,
        fc.array(fc.integer({ min: 2, max: 130 }), { minLength: 3, maxLength: 3 }),
        (series, halves) => {
          const scanner = scannerOf(series);
          const catalog = catalogs()(scannerSource(scanner).now());
          const columns = [...series.requests, ...series.errors, ...series.queue];
          const input = catalog.all.map(({ tags }, index) => {
            const { __name__: name = '', ...labels } = toObject(tags);
            const text = `${name}{${Object.entries(labels)
              .map(([label, value]) => `${label}="${value}"`)
              .join(',')}}`;
            return {
              series: text,
              values: (columns[index] ?? []).map((value) => (value === null ? 'stale' : String(value))).join(' '),
            };
          });
          // At odd seconds: whether the borders of a range belong to it has changed between versions of Prometheus.
          const cases = halves.flatMap((half) => expressions.map((expr) => ({ expr, seconds: half * 2 + 1 })));
          const file = join(folder, 'tests.yml');
          writeFileSync(file, yamlOf(input, cases));
          const { stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
          // All are expected to be what nothing is, so that for each it says what it got.
          const got = [
            ...(stdout + stderr).matchAll(/^ *expr: "(.*)", time: (?:(\d+)m)?(\d+)s,\n *exp: .*\n *got: (.*)$/gm),
          ];
          expect(got.length, (stdout + stderr).slice(0, 500)).toBe(cases.length);
          for (const [, quoted, minutes = '0', rest = '0', samples = ''] of got) {
            const expr = JSON.parse(`"${quoted}"`) as string;
            const seconds = Number(minutes) * 60 + Number(rest);
            const theirs = new Map(
              [...samples.matchAll(/(\w*\{[^}]*\}) (\S+?)(?:, |$)/g)].map(([, labels = '', value = '']) => [
                labels.replaceAll(', ', ','),
                value,
              ]),
            );
            const own = ours(scanner, expr, seconds);
            const where = `${expr} at ${seconds} s: Prometheus has ${samples}`;
            expect(own.map(({ labels }) => labels).sort(), where).toEqual([...theirs.keys()].sort());
            for (const { labels, value } of own)
              expect(same(value, theirs.get(labels) ?? ''), `${where}, we ${value} for ${labels}`).toBe(true);
          }
        },
      ),
      { numRuns: 2, seed: 7, endOnFailure: true },
    );
  },
);

/** But for the last bits: the order of additions is not the same. */
function same(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => Number(text.replace('Inf', 'Infinity')));
  if (x === undefined || y === undefined) return false;
  return Object.is(x, y) || x === y || Math.abs(x - y) <= 1e-9 * Math.max(Math.abs(x), Math.abs(y));
}

function yamlOf(
  input: readonly object[],
  cases: readonly { readonly expr: string; readonly seconds: number }[],
): string {
  const lines = cases.map(
    ({ expr, seconds }) =>
      `  - expr: ${JSON.stringify(expr)}\n    eval_time: ${seconds}s\n    exp_samples: [{labels: 'nothing{is="so"}', value: 1}]\n`,
  );
  return `evaluation_interval: 1s\ntests:\n- interval: 2s\n  input_series: ${JSON.stringify(input)}\n  promql_expr_test:\n${lines.join('')}`;
}
