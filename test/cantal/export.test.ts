import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRoutes } from '../../src/cantal/export-routes.ts';
import { exposition } from '../../src/cantal/openmetrics/exposition.ts';
import { cantalRoutes } from '../../src/cantal/routes.ts';
import { type Cantal, type MetricTip, startCantal } from '../../src/cantal/shell.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { createScanner } from '../../src/native/scanner.ts';
import { ask } from '../http/ask.ts';
import { skipped } from '../skipped.ts';

const hasPrometheus = spawnSync('promtool', ['--version']).error === undefined;
const without = 'prometheus is missing (apt-get install prometheus)';
const intervalMs = 200;
let folder = '';
let cantal: Cantal;
let server: HttpServer;
let app: ReturnType<typeof spawn>;

/** The real scanner on this host, with a program that exports values of every kind and awkward names. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'export-'));
  const values = Buffer.alloc(48 + 24);
  values.writeBigUInt64LE(2n ** 64n - 1n, 0);
  values.writeBigInt64LE(-5n, 8);
  values.writeDoubleLE(Number.POSITIVE_INFINITY, 16);
  values.writeDoubleLE(36.6, 24);
  values.writeBigUInt64LE(7n, 32);
  values.writeBigInt64LE(9n, 40);
  values.writeBigUInt64LE(1_700_000_000_500n, 48);
  values.write('busy', 56);
  writeFileSync(join(folder, 'app.values'), values);
  writeFileSync(
    join(folder, 'app.meta'),
    [
      'counter 8: {"metric":"Jobs.Done","group":"a \\"b\\" \\\\ c\\nd"}',
      'level 8 signed: {"metric":"queueTotal"}',
      'level 8 float: {"metric":"bound","le":"5","0day":"x"}',
      'level 8 float: {"metric":"body temperature","unit":"°C"}',
      'counter 8: {"metric":"jobs_done","group":"other"}',
      'level 8 signed: {"metric":"jobs-done"}',
      'state 24: {"state":"worker.one"}',
    ].join('\n'),
  );
  app = spawn('/bin/sleep', ['1000'], { env: { CANTAL_PATH: join(folder, 'app') }, stdio: 'ignore' });
  await once(app, 'spawn');
  cantal = startCantal({ scanner: createScanner({ intervalMs }), intervalMs, version: 'test' });
  // With those that the agent has beside them.
  const routes = [...cantalRoutes(cantal, null), ...exportRoutes(cantal, { hostname: 'host1', cluster: 'test' })];
  server = await startHttp({ host: '127.0.0.1', port: 0, routes });
  await new Promise<void>((resolve) => {
    const leave = cantal.onScan((generation) => {
      if (generation < 4) return;
      leave();
      resolve();
    });
  });
});
afterAll(async () => {
  await server.stop();
  await cantal.stop();
  app.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, accept = '') => ask({ port: server.port, path, headers: { accept } });

describe('/metrics', () => {
  it('shows values under names, types and labels that Prometheus knows', async () => {
    const { status, headers, text } = await get('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const pid = app.pid;
    const has = (line: string) => expect(text.split('\n')).toContain(line);
    has('# HELP cantal_memory_mem_total_bytes memory.MemTotal, a gauge of bytes');
    has('# TYPE cantal_memory_mem_total_bytes gauge');
    has('# TYPE cantal_cpu_user_total counter');
    has(`cantal_jobs_done_total{group="a \\"b\\" \\\\ c\\nd",pid="${pid}"} 18446744073709551615`);
    has(`cantal_jobs_done_total{group="other",pid="${pid}",original="jobs_done"} 7`);
    has(`cantal_jobs_done_gauge{pid="${pid}"} 9`);
    has(`cantal_queue_total_value{pid="${pid}"} -5`);
    has(`cantal_bound{label_0day="x",label_le="5",pid="${pid}"} +Inf`);
    has(`cantal_body_temperature{pid="${pid}",unit="°C"} 36.6`);
    has(`cantal_state_since_seconds{pid="${pid}",state="worker.one"} 1700000000.5`);
  });

  it('leaves single processes out until it is asked for them, and narrows by a pattern', async () => {
    const named = async (path: string) => (await get(path)).text.match(/^cantal_(rss|vsize)\{/gm)?.length ?? 0;
    expect(await named('/metrics')).toBe(0);
    expect(await named('/metrics?processes=true')).toBeGreaterThan(10);
    const narrow = (await get('/metrics?pattern=%5Ememory%5C.')).text;
    expect(narrow).not.toBe('');
    expect(narrow.split('\n').filter((line) => !/^(# (HELP|TYPE) )?cantal_memory_|^$/.test(line))).toEqual([]);
    expect(await get('/metrics?pattern=%28')).toMatchObject({ status: 400, text: expect.stringMatching(/pattern: /) });
  });

  it('counts the anomalous series, and /v1/anomalies names them', async () => {
    expect((await get('/metrics?pattern=anomalous')).text).toMatch(/^cantal_anomalous_series \d+$/m);
    const { status, text } = await get('/v1/anomalies');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ timestamp: expect.any(Number), anomalies: expect.any(Array) });
    expect(await get('/v1/anomalies?pattern=%28')).toMatchObject({ status: 400 });
  });

  it('is OpenMetrics for whoever asks for it', async () => {
    const { headers, text } = await get('/metrics', 'application/openmetrics-text; version=1.0.0,text/plain;q=0.5');
    expect(headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(text).toContain('# TYPE cantal_cpu_user counter\ncantal_cpu_user_total ');
    expect(text.endsWith('\n# EOF\n')).toBe(true);
  });

  it.skipIf(skipped(hasPrometheus, 'promtool on /metrics', without))('passes promtool check metrics', async () => {
    const { text } = await get('/metrics?processes=true');
    // What a program calls its metrics is its own business: only ours must be without remarks.
    const own = text.split(/^(?=# HELP )/m).filter((family) => !/jobs|queue|bound|body/.test(family));
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: own.join(''), encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.skipIf(skipped(hasPrometheus, 'promtool on any names', without))(
    'can be read whatever programs call their metrics',
    () => {
      const labels = fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.string({ maxLength: 12 }));
      const value = fc.oneof(
        fc.tuple(fc.constant('Counter' as const), fc.nat()),
        fc.tuple(fc.constant('Float' as const), fc.double({ noNaN: true })),
        fc.tuple(fc.constant('State' as const), fc.tuple(fc.nat(), fc.string())),
      );
      const tip = fc.tuple(labels, fc.string({ maxLength: 8 }), value);
      const tips = fc.sample(tip, { numRuns: 3000, seed: 5 }).map(
        ([own, metric, plain]): MetricTip => ({
          labels: { ...own, metric },
          value: plain as MetricTip['value'],
          timestamp: 1,
        }),
      );
      const text = exposition(tips, 'text');
      const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
      // 3: remarks on names; 1: it cannot be read.
      expect({ status, stderr: status === 1 ? stderr : '' }).toEqual({ status: 3, stderr: '' });
    },
  );

  it('never has one sample twice, nor a family in two pieces', () => {
    const label = fc.constantFrom('a', 'A', 'a-', 'b', 'le', '1');
    const tip = fc.record({
      labels: fc.tuple(fc.dictionary(label, fc.constantFrom('x', 'y')), fc.constantFrom('m', 'M', 'm.', 'm_total')),
      kind: fc.constantFrom('Counter' as const, 'Integer' as const),
    });
    fc.assert(
      fc.property(fc.array(tip, { maxLength: 40 }), (all) => {
        const text = exposition(
          all.map(({ labels: [own, metric], kind }) => ({
            labels: { ...own, metric },
            value: [kind, 1] as const,
            timestamp: 1,
          })),
          'text',
        );
        const lines = text.trim().split('\n');
        const heads = lines.filter((line) => line.startsWith('# TYPE '));
        const samples = lines.filter((line) => !line.startsWith('#'));
        expect(new Set(heads).size).toBe(heads.length);
        expect(new Set(samples).size).toBe(samples.length);
        expect(text.replace(/^# HELP .*\n# TYPE (\S+) .*\n(\1[{ ].*\n)+/gm, '')).toBe('');
      }),
    );
  });

  it.skipIf(skipped(hasPrometheus, 'a scrape by Prometheus', without))(
    'is scraped by Prometheus, which then knows the same values',
    async () => {
      const port = 20_000 + (process.pid % 20_000);
      const config = join(folder, 'prometheus.yml');
      const target = `127.0.0.1:${server.port}`;
      writeFileSync(
        config,
        `scrape_configs: [{job_name: c, scrape_interval: 1s, static_configs: [{targets: ["${target}"]}]}]\n`,
      );
      const words = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/tsdb`];
      const prometheus = spawn('prometheus', [...words, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
      try {
        const value = async (query: string): Promise<unknown> => {
          const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
          const reply = (await fetch(url).then((answer) => answer.json())) as {
            data: { result: { value: [number, string] }[] };
          };
          return reply.data.result[0]?.value[1];
        };
        const eventually = async (query: string, wanted: string): Promise<void> => {
          let last: unknown = 'nothing';
          for (let attempt = 0; attempt < 100 && last !== wanted; attempt++) {
            last = await value(query).catch((error: Error) => error.message);
            if (last !== wanted) await sleep(200);
          }
          expect(last, query).toBe(wanted);
        };
        await eventually('up{job="c"}', '1');
        await eventually('cantal_body_temperature', '36.6');
        await eventually('cantal_jobs_done_total{group="other"}', '7');
        const total = cantal.metrics((name) => name === 'memory.MemTotal')[0]?.value[1];
        await eventually('cantal_memory_mem_total_bytes / 4096', String(Number(total) / 4096));
      } finally {
        prometheus.kill('SIGKILL');
        await once(prometheus, 'exit');
      }
    },
    40_000,
  );
});

interface JsonMetrics {
  readonly host: string;
  readonly cluster: string;
  readonly timestamp: number;
  readonly metrics: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly kind: string;
    readonly value: unknown;
    readonly timestamp: number;
    readonly samples?: readonly (readonly [number, unknown])[];
  }[];
  readonly left_out: number;
}

describe('/v1/metrics.json', () => {
  const metrics = async (query: string) => JSON.parse((await get(`/v1/metrics.json${query}`)).text) as JsonMetrics;

  it('has the newest value of each series by a pattern', async () => {
    const { host, cluster, timestamp, metrics: rows, left_out } = await metrics('?pattern=%5EJobs%5C.Done%24');
    expect([host, cluster, left_out]).toEqual(['host1', 'test', 0]);
    expect(rows).toEqual([
      {
        name: 'Jobs.Done',
        labels: { group: 'a "b" \\ c\nd', metric: 'Jobs.Done', pid: String(app.pid) },
        kind: 'Counter',
        value: '18446744073709551615',
        timestamp: expect.any(Number),
      },
    ]);
    expect(Math.abs((rows[0]?.timestamp ?? 0) - timestamp)).toBeLessThan(5000);
  });

  it('has every sample after the time that a scraper saw last, none twice and none left out', async () => {
    const first = await metrics('?pattern=%5Euptime%24&since=0');
    const known = first.metrics[0]?.samples ?? [];
    expect(known.length).toBeGreaterThan(2);
    expect(known.map(([time]) => time)).toEqual(known.map(([time]) => time).toSorted((a, b) => a - b));
    await sleep(3 * intervalMs);
    const next = await metrics(`?pattern=%5Euptime%24&since=${known.at(-1)?.[0]}`);
    const all = await metrics('?pattern=%5Euptime%24&since=0');
    const joined = [...known, ...(next.metrics[0]?.samples ?? [])];
    expect(all.metrics[0]?.samples?.slice(0, joined.length)).toEqual(joined);
    expect((await metrics(`?since=${Date.now() + 60_000}`)).metrics).toEqual([]);
  });

  it('says what is wrong with what it was asked', async () => {
    expect(await get('/v1/metrics.json?since=yesterday')).toMatchObject({ status: 400 });
    expect(await get('/v1/metrics.json?since=')).toMatchObject({ status: 400 });
    expect(await get('/v1/metrics.json?pattern=%5B')).toMatchObject({ status: 400 });
  });
});
