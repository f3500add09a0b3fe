import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportRoutes } from '../src/cantal/export-routes.ts';
import { promqlRoutes } from '../src/cantal/promql/routes.ts';
import { cantalRoutes } from '../src/cantal/routes.ts';
import { startCantal } from '../src/cantal/shell.ts';
import { type HttpServer, startHttp } from '../src/http/server.ts';
import { createScanner, type Scanner } from '../src/native/scanner.ts';
import { type BenchRow, benchRow, median } from './row.ts';

/** An hour at the usual 2 s. */
const scans = 1800;
const asked = { programs: 20, countersEach: 50 };
const scraped = { programs: 20, countersEach: 500 };
const repeats = 15;
const scrapes = 40;
const exporterPort = 29_101;
const ticksPerSecond = 100;
const noLimit = { refusal: () => null, charge: () => {} };

/**
 * Questions as a page or Grafana asks them, over HTTP, of a real scanner that holds an hour of a recorded host: the scans
 * were a millisecond apart, so the stamps are closer than in life. And what a scrape of 10 000 metrics costs the agent,
 * beside node_exporter, which reads its numbers while it is scraped.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  try {
    return [...(await queries(join(folder, 'asked'))), ...(await scrapeRows(join(folder, 'scraped')))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function queries(folder: string): Promise<readonly BenchRow[]> {
  const { server, stop } = await serve(folder, asked, scans);
  try {
    const series = asked.programs * asked.countersEach;
    const body = (...functions: readonly unknown[]) =>
      JSON.stringify({
        rules: {
          r: { series: { source: 'Fine', condition: ['Has', 'node'] }, extract: ['HistoryByNum', scans], functions },
        },
      });
    const post = (text: string) => async () => {
      const reply = await fetch(`${server.url}/query`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: text,
      });
      return reply.text();
    };
    const get = (path: string) => async () => (await fetch(server.url + path)).text();
    /** How long an answer takes, and the processor's part of it: the same on a machine that has nothing else to do. */
    const rows = async (name: string, ask: () => Promise<string>, shows: RegExp, maxValue?: number) => {
      const first = await ask();
      if (!shows.test(first)) throw new Error(`${name}: ${first.slice(0, 200)}`);
      const times: number[] = [];
      const used: number[] = [];
      for (let round = 0; round < repeats; round++) {
        const begin = performance.now();
        const before = process.cpuUsage();
        await ask();
        const { user, system } = process.cpuUsage(before);
        times.push(performance.now() - begin);
        used.push((user + system) / 1000);
      }
      const figure = `${name}, ${series} series of ${scans} scans`;
      const aim = maxValue === undefined ? undefined : { maxValue };
      return [
        benchRow({ bench: 'query', figure, value: median(times), unit: 'ms' }, aim),
        benchRow({ bench: 'query', figure: `${figure}, CPU`, value: median(used), unit: 'ms' }, aim),
      ];
    };
    const plain = post(body(['Sum', 'Ignore']));
    const promql = encodeURIComponent('sum by (node) (rate({node!=""}[1h]))');
    return [
      ...(await rows('Rate, SumBy', post(body(['Rate'], ['SumBy', 'node', 'Ignore'])), /"MultiTip"/, 50)),
      ...(await rows(
        'NonNegativeDerivative, SumBy',
        post(body(['NonNegativeDerivative'], ['SumBy', 'node', 'Ignore'])),
        /"MultiSeries"/,
        50,
      )),
      ...(await rows('Sum', plain, /"SingleSeries"/, 50)),
      ...(await rows(
        'PromQL sum by (node) (rate(x[1h]))',
        get(`/api/v1/query?query=${promql}`),
        /"vector","result":\[\{/,
      )),
    ];
  } finally {
    await stop();
  }
}

async function scrapeRows(folder: string): Promise<readonly BenchRow[]> {
  const { server, stop } = await serve(folder, scraped, 20);
  const exporter = has('prometheus-node-exporter') ? startExporter() : null;
  try {
    const metrics = scraped.programs * scraped.countersEach;
    const own = async (path: string) => {
      await fetchAll(server.url + path, 5);
      const before = process.cpuUsage();
      const bytes = await fetchAll(server.url + path, scrapes);
      const used = process.cpuUsage(before);
      if (bytes < metrics * 20 * scrapes) throw new Error(`${path}: only ${bytes} bytes`);
      return (used.user + used.system) / scrapes / metrics;
    };
    const peer = exporter === null ? {} : await exporterCost(exporter);
    const row = async (path: string) => ({
      ...{ bench: 'query', figure: `CPU of a scrape of ${path}, per metric of ${metrics}`, unit: 'µs', ...peer },
      value: await own(path),
    });
    const aim = exporter === null ? undefined : { maxRatio: 0.5 };
    return [benchRow(await row('/metrics'), aim), benchRow(await row('/v1/metrics.json'), aim)];
  } finally {
    exporter?.kill('SIGKILL');
    await stop();
  }
}

function startExporter(): ChildProcess {
  return spawn('prometheus-node-exporter', [`--web.listen-address=127.0.0.1:${exporterPort}`], { stdio: 'ignore' });
}

async function exporterCost(exporter: ChildProcess): Promise<{ peer: string; peerValue: number }> {
  const url = `http://127.0.0.1:${exporterPort}/metrics`;
  for (let attempt = 0; (await fetch(url).catch(() => null)) === null; attempt++) {
    if (attempt > 100) throw new Error('node_exporter does not answer');
    await sleep(100);
  }
  await fetchAll(url, 5);
  const metrics = (await (await fetch(url)).text()).match(/^[^#\n].*$/gm)?.length ?? 0;
  const before = ticks(exporter);
  await fetchAll(url, scrapes);
  const micros = ((ticks(exporter) - before) / ticksPerSecond) * 1e6;
  return { peer: `node_exporter, per metric of ${metrics}`, peerValue: micros / scrapes / metrics };
}

/** By another process, one after the other: what the reader costs is not part of it. Returns how much came. */
async function fetchAll(url: string, times: number): Promise<number> {
  const curl = spawn('curl', ['-s', ...Array.from({ length: times }, () => url)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // Counted by wc, not here.
  const count = spawn('wc', ['-c'], { stdio: [curl.stdout, 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of count.stdout ?? []) text += String(chunk);
  return Number(text);
}

interface Served {
  readonly server: HttpServer;
  stop(): Promise<void>;
}

/** A scanner that has seen a /proc of programs alone, whose counters grew between its scans. */
async function serve(folder: string, size: { programs: number; countersEach: number }, seen: number): Promise<Served> {
  const programs = Array.from({ length: size.programs }, (_, index) => program(folder, index, size.countersEach));
  const scanner = createScanner({
    procRoot: join(folder, 'proc'),
    sysRoot: join(folder, 'sys'),
    processMetrics: false,
  });
  const cantal = startCantal({
    // Scans happen here, as fast as they can.
    scanner: unstarted(scanner),
    intervalMs: 2000,
    version: 'bench',
  });
  for (let scan = 0; scan < seen; scan++) {
    for (const grow of programs) grow(scan);
    scanner.scanOnce();
    await sleep(1);
  }
  const routes = [
    ...cantalRoutes(cantal, null, null, noLimit),
    ...exportRoutes(cantal, { hostname: 'bench', cluster: null }, noLimit),
    ...promqlRoutes(cantal, noLimit),
  ];
  const server = await startHttp({ host: '127.0.0.1', port: 0, routes });
  return {
    server,
    async stop() {
      await server.stop();
      await cantal.stop();
    },
  };
}

function unstarted(scanner: Scanner): Scanner {
  const { snapshot, keysSince, keyGeneration, history, floats, processes, states, anomalies, health, messages } =
    scanner;
  const read = { snapshot, keysSince, keyGeneration, history, floats, processes, states, anomalies, health, messages };
  const names = Object.keys(read) as (keyof typeof read)[];
  // The addon's functions want their own object.
  const own = Object.fromEntries(names.map((name) => [name, read[name].bind(scanner)])) as unknown as typeof read;
  return { ...scanner, ...own, start: () => {}, stop: () => {} };
}

/** A process that is only there as files; returns what makes its counters grow. */
function program(folder: string, index: number, counters: number): (scan: number) => void {
  const own = join(folder, 'proc', String(100 + index));
  const root = join(folder, `root${index}`);
  for (const each of [own, root, join(folder, 'sys')]) mkdirSync(each, { recursive: true });
  writeFileSync(join(own, 'stat'), readFileSync('/proc/self/stat', 'utf8').replace(/^\d+/, String(100 + index)));
  writeFileSync(join(own, 'status'), readFileSync('/proc/self/status'));
  writeFileSync(join(own, 'cmdline'), `program${index}\0`);
  writeFileSync(join(own, 'environ'), 'CANTAL_PATH=/app\0');
  symlinkSync(root, join(own, 'root'));
  const lines = Array.from(
    { length: counters },
    (_, n) => `counter 8: {"metric":"requests","node":"n${index % 10}","path":"/p${n}"}\n`,
  );
  writeFileSync(join(root, 'app.meta'), lines.join(''));
  const bytes = Buffer.alloc(8 * counters);
  const values = openSync(join(root, 'app.values'), 'w');
  return (scan) => {
    for (let n = 0; n < counters; n++) bytes.writeBigUInt64LE(BigInt(scan * (n + 1) + ((scan * 7 + n) % 13)), n * 8);
    writeSync(values, bytes, 0, bytes.length, 0);
  };
}

/** proc_pid_stat(5), fields 14 and 15. */
function ticks(child: ChildProcess): number {
  const text = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
