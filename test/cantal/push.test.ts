import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { uncompress } from 'snappyjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startCantal } from '../../src/cantal/shell.ts';
import type { Moment } from '../../src/cantal/sinks/moment.ts';
import { exportRequest, metricName, partialSuccess } from '../../src/cantal/sinks/otlp/encode.ts';
import { type FreshSeries, newBatch, nextPart } from '../../src/cantal/sinks/push/batch.ts';
import { type PushStatus, retryAfterMs, startPusher } from '../../src/cantal/sinks/push/pusher.ts';
import { namer, remoteWrite, writeRequest } from '../../src/cantal/sinks/remote-write/encode.ts';
import { startSinks } from '../../src/cantal/sinks/sinks.ts';
import { createScanner, SeriesKind } from '../../src/native/scanner.ts';
import { skipped } from '../skipped.ts';
import { memoryScanner } from './memory-scanner.ts';
import { freePort, hasPrometheus, prometheus, withoutPrometheus } from './prometheus.ts';

const { integer, float } = SeriesKind;
let folder = '';
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'push-test-'));
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  rmSync(folder, { recursive: true, force: true });
});

async function until(what: () => boolean, tell: () => unknown = () => ''): Promise<void> {
  for (let attempt = 0; attempt < 1000 && !what(); attempt++) await sleep(20);
  expect(what(), JSON.stringify(tell())).toBe(true);
}

const everything = { passes: () => true, processes: true };

function memorySource() {
  const scanner = memoryScanner();
  const cantal = startCantal({ scanner, intervalMs: 2000, version: '1' });
  cleanups.push(() => cantal.stop());
  return { scanner, source: () => cantal.moment() };
}

/** prometheus/prompb/{remote,types}.proto, as far as it is used. */
const { WriteRequest } = protobuf.parse(`syntax = "proto3";
  message WriteRequest { repeated TimeSeries timeseries = 1; }
  message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }`).root as unknown as { WriteRequest: protobuf.Type };

interface Decoded {
  readonly timeseries: readonly {
    readonly labels: readonly { readonly name: string; readonly value: string }[];
    readonly samples: readonly { readonly value: number; readonly timestamp: number }[];
  }[];
}
const decodeWrite = (bytes: Uint8Array): Decoded =>
  WriteRequest.toObject(WriteRequest.decode(bytes), { longs: Number, arrays: true, defaults: true }) as Decoded;

describe('a batch', () => {
  it('has each sample after a time once, whole series by whole series, however small the requests', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.option(fc.integer()), { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
        fc.nat({ max: 6 }),
        fc.integer({ min: 1, max: 12 }),
        (table, sentScans, most) => {
          const { scanner, source } = memorySource();
          // The machine's own series are there in each scan; they tell which scans there were.
          const up = scanner.series({ metric: 'uptime' }, integer);
          const ids = table.map((_, index) => scanner.series({ metric: `m${index}` }, integer));
          for (let scan = 0; scan < 5; scan++) {
            scanner.scan(1000 * (scan + 1), {
              [up]: 1,
              ...Object.fromEntries(ids.map((id, index) => [id, table[index]?.[scan] ?? null])),
            });
          }
          const afterMs = sentScans * 1000;
          const found: unknown[] = [];
          let requests = 0;
          for (let batch = newBatch(source().scanTimes, afterMs); batch !== null; requests++) {
            const { series, rest } = nextPart(
              source(),
              batch,
              { ...everything, passes: (name) => name !== 'uptime' },
              most,
            );
            for (const { labels, samples } of series)
              found.push(...samples.map((sample) => [labels.metric, ...sample]));
            // What comes while a batch is under way belongs to the next.
            if (requests === 0) scanner.scan(9000, { [up]: 1, ...Object.fromEntries(ids.map((id) => [id, 77])) });
            batch = rest;
          }
          const wanted = table.flatMap((values, index) =>
            values.flatMap((value, scan) =>
              value === null || 1000 * (scan + 1) <= afterMs ? [] : [[`m${index}`, 1000 * (scan + 1), value]],
            ),
          );
          expect(found).toEqual(wanted);
        },
      ),
    );
  });

  it('leaves single processes out where they are not asked for', () => {
    const { scanner, source } = memorySource();
    const id = scanner.series({ metric: 'rss', pid: '1', cgroup: 'a' }, integer);
    const own = scanner.series({ metric: 'rss', pid: '1', group: 'mine' }, integer);
    scanner.scan(1000, { [id]: 1, [own]: 2 });
    const batch = newBatch(source().scanTimes, 0);
    if (batch === null) throw new Error('nothing new');
    const { series } = nextPart(source(), batch, { ...everything, processes: false });
    expect(series.map(({ labels }) => labels.group)).toEqual(['mine']);
  });
});

describe('a remote-write request', () => {
  it('has names as a scrape, sorted labels, and samples from old to new', () => {
    const name = namer([
      ['instance', 'node1'],
      ['job', 'cantal'],
    ]);
    const series: FreshSeries[] = [
      {
        labels: { metric: 'cpu.user' },
        kind: 'Counter',
        samples: [
          [1000, 5],
          [3000, 2n ** 64n - 1n],
        ],
      },
      { labels: { metric: 'memory.MemFree', job: 'own' }, kind: 'Integer', samples: [[1000, -1]] },
      { labels: { metric: 'memory.Mem_Free' }, kind: 'Integer', samples: [[1000, 2]] },
    ];
    const { timeseries } = decodeWrite(writeRequest(series.map(name)));
    expect(timeseries.map(({ labels }) => labels.map(({ name: label, value }) => `${label}=${value}`).join())).toEqual([
      '__name__=cantal_cpu_user_total,instance=node1,job=cantal',
      '__name__=cantal_memory_mem_free_bytes,instance=node1,job=own',
      '__name__=cantal_memory_mem_free_bytes,instance=node1,job=cantal,original=memory.Mem_Free',
    ]);
    expect(timeseries[0]?.samples).toEqual([
      { timestamp: 1000, value: 5 },
      { timestamp: 3000, value: 2 ** 64 },
    ]);
  });

  it('is what a decoder of the protocol reads back, whatever the numbers and names', async () => {
    const anyNumber = fc.oneof(fc.double(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            labels: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), {
              noNullPrototype: true,
            }),
            kind: fc.constantFrom('Counter' as const, 'Integer' as const, 'Float' as const),
            samples: fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** 52 }), anyNumber), { maxLength: 4 }),
          }),
          { maxLength: 5 },
        ),
        async (series) => {
          const name = namer([]);
          const body = await remoteWrite([]).encode(series as FreshSeries[]);
          const decoded = decodeWrite(uncompress(Buffer.from(body)));
          expect(
            decoded.timeseries.map(({ samples }) => samples.map(({ timestamp, value }) => [timestamp, value])),
          ).toEqual(series.map((each) => name(each as FreshSeries).samples));
          for (const { labels } of decoded.timeseries) {
            const names = labels.map((label) => label.name);
            expect(names).toEqual([...new Set(names)].sort());
            for (const label of names) expect(label).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
          }
        },
      ),
    );
  });
});

interface Received {
  readonly request: IncomingMessage;
  readonly body: Buffer;
}

/** An HTTP receiver that answers as it is told. */
async function receiver(answer: () => { status: number; headers?: Record<string, string>; body?: Uint8Array } | null) {
  const received: Received[] = [];
  const server: Server = createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const told = answer();
      received.push({ request, body: Buffer.concat(chunks) });
      if (told !== null) reply.writeHead(told.status, told.headers).end(told.body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}/write`, received };
}

describe('a pusher', () => {
  const samplesIn = ({ body }: Received) =>
    decodeWrite(uncompress(body)).timeseries.flatMap(({ samples }) => samples.map(({ value }) => value));

  it('tries again what the receiver had trouble with, and gives up what it refuses', async () => {
    const { scanner, source } = memorySource();
    const id = scanner.series({ metric: 'm' }, integer);
    scanner.scan(1000, { [id]: 0 });
    const answers = [
      { status: 503 },
      { status: 429, headers: { 'retry-after': '0' } },
      { status: 204 },
      { status: 400 },
    ];
    const { url, received } = await receiver(() => answers.shift() ?? { status: 204 });
    writeFileSync(join(folder, 'token'), 'secret\n');
    const pusher = startPusher({
      ...{ url, tokenFile: join(folder, 'token'), protocol: remoteWrite([]), source, chosen: everything },
      ...{ longestLagMs: 60_000, userAgent: 'cantal/1', random: () => 0 },
    });
    cleanups.push(() => pusher.stop(0));
    scanner.scan(2000, { [id]: 1 });
    pusher.poke();
    await until(() => pusher.status().sent === 1, pusher.status);
    expect(received.map(samplesIn)).toEqual([[1], [1], [1]]);
    expect(received[0]?.request.headers).toMatchObject({
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      authorization: 'Bearer secret',
      'user-agent': 'cantal/1',
    });
    scanner.scan(3000, { [id]: 2 });
    pusher.poke();
    await until(() => pusher.status().refused === 1, pusher.status);
    scanner.scan(4000, { [id]: 3 });
    pusher.poke();
    await until(() => pusher.status().sent === 2, pusher.status);
    expect(samplesIn(received.at(-1) as Received)).toEqual([3]);
    expect(pusher.status()).toMatchObject({ connected: true, queued: 0, dropped: 0, failures: 3, lastError: '400' });
  });

  it.each([
    { replay: true, sent: 200, dropped: 0 },
    { replay: false, sent: 60, dropped: 140 },
  ])(
    'has, after an outage, sent $sent scans and dropped $dropped with replay $replay',
    async ({ replay, sent, dropped }) => {
      const { scanner, source } = memorySource();
      const id = scanner.series({ metric: 'm' }, integer);
      scanner.scan(1000, { [id]: 0 });
      let there = false;
      const taken: boolean[] = [];
      const { url, received } = await receiver(() => {
        taken.push(there);
        return { status: there ? 204 : 500 };
      });
      const pusher = startPusher({
        ...{
          url,
          tokenFile: null,
          protocol: remoteWrite([]),
          source,
          chosen: everything,
          userAgent: 'c',
          random: () => 0,
        },
        longestLagMs: replay ? null : 60_000,
      });
      cleanups.push(() => pusher.stop(0));
      for (let scan = 1; scan <= 200; scan++) {
        scanner.scan(1000 + scan * 1000, { [id]: scan });
        pusher.poke();
      }
      await until(() => pusher.status().failures > 1, pusher.status);
      expect(pusher.status().connected).toBe(false);
      there = true;
      await until(() => pusher.status().sent === sent, pusher.status);
      expect(pusher.status()).toMatchObject({ queued: 0, dropped, refused: 0 });
      const values = received.filter((_, index) => taken[index]).flatMap(samplesIn);
      expect(values).toEqual(Array.from({ length: sent }, (_, index) => 200 - sent + 1 + index));
    },
  );

  it('waits for no receiver longer than it is told, and stops in time', async () => {
    const { scanner, source } = memorySource();
    const id = scanner.series({ metric: 'm' }, integer);
    scanner.scan(1000, { [id]: 0 });
    const { url } = await receiver(() => null);
    const options = { url, tokenFile: null, protocol: remoteWrite([]), source, chosen: everything, userAgent: 'c' };
    const pusher = startPusher({ ...options, longestLagMs: null, timeoutMs: 100 });
    scanner.scan(2000, { [id]: 1 });
    pusher.poke();
    await until(() => pusher.status().lastError === 'the receiver did not answer within 100 ms', pusher.status);
    await pusher.stop(100);
    expect(pusher.status().sent).toBe(0);
  });

  it('reads Retry-After as seconds or as a date', () => {
    expect(retryAfterMs('3')).toBe(3000);
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 1000)).toBe(4000);
    expect(retryAfterMs(null)).toBeNull();
    fc.assert(fc.property(fc.string(), (text) => (retryAfterMs(text) ?? 0) >= 0));
  });
});

/** opentelemetry/proto/metrics/v1 and what it uses, field by field as far as it is sent. */
const otlpProto = protobuf.parse(`syntax = "proto3";
  message Request { repeated ResourceMetrics resource_metrics = 1; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; }
  message Scope { string name = 1; string version = 2; }
  message Metric { string name = 1; string unit = 3; oneof data { Gauge gauge = 5; Sum sum = 7; } }
  message Gauge { repeated Point data_points = 1; }
  message Sum { repeated Point data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
  message Point { repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
    oneof value { double as_double = 4; sfixed64 as_int = 6; } }
  message KeyValue { string key = 1; Value value = 2; }
  message Value { string string_value = 1; }
  message Response { Partial partial_success = 1; }
  message Partial { int64 rejected_data_points = 1; string error_message = 2; }`).root;

describe('an OTLP request', () => {
  it('says what counts since when, in which unit, and whose numbers they are', () => {
    const series: FreshSeries[] = [
      {
        labels: { metric: 'cpu.user' },
        kind: 'Counter',
        samples: [
          [1_700_000_000_123, 5],
          [1_700_000_002_123, 7],
        ],
      },
      { labels: { metric: 'jobs', pid: '7', group: 'g' }, kind: 'Counter', samples: [[2000, 2n ** 64n - 1n]] },
      { labels: { metric: 'memory.MemFree' }, kind: 'Integer', samples: [[2000, -(2n ** 63n)]] },
      { labels: { metric: 'load', sensor: 'a' }, kind: 'Float', samples: [[2000, 0.5]] },
    ];
    const options = { resource: { 'host.name': 'node1' }, version: '9', bootTimeMs: 1_600_000_000_000 };
    const type = otlpProto.lookupType('Request');
    const decoded = type.toObject(type.decode(exportRequest(series, options)), { longs: String });
    expect(decoded).toEqual({
      resourceMetrics: [
        {
          resource: { attributes: [{ key: 'host.name', value: { stringValue: 'node1' } }] },
          scopeMetrics: [
            {
              scope: { name: 'cantal', version: '9' },
              metrics: [
                {
                  name: 'cantal.cpu.user',
                  unit: '{tick}',
                  sum: {
                    dataPoints: [
                      { startTimeUnixNano: '1600000000000000000', timeUnixNano: '1700000000123000000', asInt: '5' },
                      { startTimeUnixNano: '1600000000000000000', timeUnixNano: '1700000002123000000', asInt: '7' },
                    ],
                    aggregationTemporality: 2,
                    isMonotonic: true,
                  },
                },
                {
                  name: 'cantal.jobs',
                  sum: {
                    dataPoints: [
                      {
                        timeUnixNano: '2000000000',
                        asDouble: 2 ** 64,
                        attributes: [
                          { key: 'pid', value: { stringValue: '7' } },
                          { key: 'group', value: { stringValue: 'g' } },
                        ],
                      },
                    ],
                    aggregationTemporality: 2,
                    isMonotonic: true,
                  },
                },
                {
                  name: 'cantal.memory.MemFree',
                  unit: 'By',
                  gauge: { dataPoints: [{ timeUnixNano: '2000000000', asInt: '-9223372036854775808' }] },
                },
                {
                  name: 'cantal.load',
                  gauge: {
                    dataPoints: [
                      {
                        timeUnixNano: '2000000000',
                        asDouble: 0.5,
                        attributes: [{ key: 'sensor', value: { stringValue: 'a' } }],
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it('has names that the specification allows, whatever ours are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(metricName(name)).toMatch(/^[a-zA-Z][\w.\-/]{0,254}$/);
      }),
    );
  });

  it('that is taken in part is counted so, and no answer of any bytes does harm', () => {
    const type = otlpProto.lookupType('Response');
    const body = type
      .encode(type.fromObject({ partialSuccess: { rejectedDataPoints: 3, errorMessage: 'too old' } }))
      .finish();
    expect(partialSuccess(body)).toEqual({ samples: 3, reason: 'too old' });
    expect(partialSuccess(new Uint8Array())).toBeNull();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void partialSuccess(bytes)));
  });
});

describe('receivers of files', () => {
  it('get OTLP over HTTP from a file of two lines', async () => {
    const { scanner, source } = memorySource();
    const id = scanner.series({ metric: 'uptime' }, float);
    scanner.scan(1000, { [id]: 1 });
    const { url, received } = await receiver(() => ({ status: 200 }));
    writeFileSync(join(folder, 'main.otlp.yaml'), `url: ${url}\ninterval: 1\n`);
    const moment = (): Moment => ({
      ...{ source: source(), processes: [], cluster: 'c', hostname: 'node1', peers: { known: 0, stale: 0 } },
    });
    const sinks = startSinks({ folder, moment, version: '1', log: () => {} });
    cleanups.push(() => sinks.stop());
    scanner.scan(2000, { [id]: 42.5 });
    await until(() => received.length > 0, sinks.status);
    const type = otlpProto.lookupType('Request');
    const text = JSON.stringify(type.toObject(type.decode(gunzipSync(received[0]?.body ?? ''))));
    expect(text).toContain('"asDouble":42.5');
    expect(text).toContain('"host.name"');
    await until(() => (sinks.status()[0] as unknown as PushStatus).sent === 1, sinks.status);
    expect(sinks.status()).toMatchObject([
      { name: 'main', kind: 'otlp', interval: 1, url, queued: 0, connected: true },
    ]);
  });
});

const collector = process.env.STELLWERK_OTELCOL;

/** A build of the collector with the components `otlp` and `file`: its own configuration language, its own decoder. */
describe.skipIf(skipped(collector !== undefined, 'the OpenTelemetry collector', 'STELLWERK_OTELCOL names no program'))(
  'the OpenTelemetry collector',
  () => {
    it('has written what was pushed', async () => {
      const port = await freePort();
      const out = join(folder, 'out.json');
      writeFileSync(
        join(folder, 'collector.yaml'),
        `receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${port}"}}}}
exporters: {file: {path: ${out}, flush_interval: 100ms}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [otlp], exporters: [file]}}
`,
      );
      const child = spawn(collector ?? '', ['--config', `file:${join(folder, 'collector.yaml')}`], { stdio: 'ignore' });
      cleanups.push(() => child.kill('SIGKILL'));
      const cantal = startCantal({ scanner: createScanner({ intervalMs: 200 }), intervalMs: 200, version: '1' });
      cleanups.push(() => cantal.stop());
      await until(() => cantal.moment().scanTimes.length > 2);
      const text = `url: http://127.0.0.1:${port}/v1/metrics\ninterval: 1\nreplay: true\npattern: ^(load_avg_1min|cpu\\.ctxt|memory\\.MemFree)$\n`;
      writeFileSync(join(folder, 'main.otlp.yaml'), text);
      const begun = cantal.moment().scanTimes[0] ?? 0;
      const moment = (): Moment => ({
        source: cantal.moment(),
        ...{ processes: [], cluster: 'test', hostname: 'node1', peers: { known: 0, stale: 0 } },
      });
      const sinks = startSinks({ folder, moment, version: '1', log: () => {} });
      cleanups.push(() => sinks.stop());
      const status = () => sinks.status()[0] as unknown as PushStatus;
      await until(() => status().sent > 30, status);
      const history = (metric: string) => {
        const now = cantal.moment();
        const id = now.index.withLabel('metric', metric)[0] ?? -1;
        return now
          .history(id, now.scanTimes.length)
          .map((value, index) => [now.scanTimes[index] ?? 0, Number(value)] as const)
          .filter(([time]) => time > begun)
          .reverse();
      };
      const wanted = Object.fromEntries(
        ['load_avg_1min', 'cpu.ctxt', 'memory.MemFree'].map((name) => [name, history(name)]),
      );
      interface Point {
        readonly timeUnixNano: string;
        readonly asInt?: string;
        readonly asDouble?: number;
      }
      interface Written {
        readonly name: string;
        readonly unit?: string;
        readonly gauge?: { readonly dataPoints: Point[] };
        readonly sum?: { readonly dataPoints: Point[]; readonly isMonotonic: boolean };
      }
      const written = (): Written[] =>
        (existsSync(out) ? readFileSync(out, 'utf8') : '')
          .split('\n')
          .filter((line) => line.endsWith('}'))
          .flatMap(
            (line) =>
              (JSON.parse(line) as { resourceMetrics: { scopeMetrics: { metrics: Written[] }[] }[] }).resourceMetrics,
          )
          .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
      const points = (name: string) =>
        written()
          .filter((metric) => metric.name === `cantal.${name}`)
          .flatMap(({ gauge, sum }) => gauge?.dataPoints ?? sum?.dataPoints ?? [])
          .map(({ timeUnixNano, asInt, asDouble }) => [
            Number(BigInt(timeUnixNano) / 1_000_000n),
            Number(asInt ?? asDouble),
          ]);
      await until(() => points('cpu.ctxt').length >= 8);
      for (const [name, values] of Object.entries(wanted)) {
        const found = points(name);
        expect(found.length, name).toBeGreaterThanOrEqual(8);
        const count = Math.min(found.length, values.length);
        expect(found.slice(0, count), name).toEqual(values.slice(0, count));
      }
      expect(written().find(({ name }) => name === 'cantal.cpu.ctxt')?.sum?.isMonotonic).toBe(true);
      expect(written().find(({ name }) => name === 'cantal.memory.MemFree')?.unit).toBe('By');
      expect(status()).toMatchObject({ refused: 0, dropped: 0, connected: true });
    }, 60_000);
  },
);

describe.skipIf(skipped(hasPrometheus, 'remote-write', withoutPrometheus))('Prometheus', () => {
  it('answers queries with what was pushed, over its own death too', async () => {
    const server = await prometheus();
    cleanups.push(() => server.remove());
    await server.start();
    const cantal = startCantal({ scanner: createScanner({ intervalMs: 200 }), intervalMs: 200, version: '1' });
    cleanups.push(() => cantal.stop());
    await until(() => cantal.moment().scanTimes.length > 2);
    const text = `url: ${server.url}\ninterval: 1\nreplay: true\npattern: ^(uptime|cpu\\.user|memory\\.MemFree)$\n`;
    writeFileSync(join(folder, 'main.remote-write.yaml'), text);
    const moment = (): Moment => ({
      source: cantal.moment(),
      ...{ processes: [], cluster: 'test', hostname: 'node1', peers: { known: 0, stale: 0 } },
    });
    const sinks = startSinks({ folder, moment, version: '1', log: () => {} });
    cleanups.push(() => sinks.stop());
    const status = () => sinks.status()[0] as unknown as PushStatus;
    const begun = cantal.moment().scanTimes[0] ?? 0;

    /** Every sample of the history since the start, up to the newest that was sent, is there with its value. */
    const verify = async () => {
      for (const [metric, name] of [
        ['uptime', 'cantal_uptime'],
        ['cpu.user', 'cantal_cpu_user_total'],
        ['memory.MemFree', 'cantal_memory_mem_free_bytes'],
      ] as const) {
        const now = cantal.moment();
        const newest = now.scanTimes[status().queued] ?? 0;
        const ids = now.index.withLabel('metric', metric);
        const id = ids.find((each) => Object.keys(now.index.labels(each) ?? {}).length === 1) ?? -1;
        const wanted = now
          .history(id, now.scanTimes.length)
          .map((value, index) => [now.scanTimes[index] ?? 0, Number(value)] as const)
          .filter(([time]) => time > begun && time <= newest)
          .reverse();
        const found = await server.samples(`${name}{instance="node1",job="cantal",cluster="test",cpu=""}`);
        expect(found.slice(0, wanted.length), name).toEqual(wanted);
        expect(wanted.length).toBeGreaterThan(3);
      }
    };
    await until(() => status().sent > 20, status);
    await verify();
    await server.kill();
    await until(() => !status().connected && status().failures > 0, status);
    const before = status().sent;
    await server.start();
    await until(() => status().connected && status().sent > before, status);
    await until(() => status().queued < 10, status);
    await verify();
    expect(status()).toMatchObject({ dropped: 0, refused: 0 });
  }, 90_000);
});
