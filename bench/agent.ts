import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/native/load.ts';
import { createScanner } from '../src/native/scanner.ts';
import { buildReplay, packKeys, parseCorpus, type RecordedSeries, readCorpus } from './corpus/corpus.ts';
import { type BenchRow, benchRow } from './row.ts';

const programs = 20;
const countersEach = 500;
/** Caches, first scans and the JIT are not what a daemon costs in the long run. */
const warmUpMs = 20_000;
const measuredMs = 60_000;
/** What everybody is asked for at: the agent's own period. */
const periodMs = 2_000;
const ticksPerSecond = 100;
/** Until the last of the children has become what it is to be. */
const settleMs = 500;
const mib = 1024 * 1024;
const agentPort = 28_379;
const exporterPort = 29_100;
const netdataPort = 29_999;

interface Cost {
  /** Of one core. */
  readonly cpuShare: number;
  readonly memory: Memory;
  readonly metrics: number;
}

/** Resident, MiB. `files`: pages of programs and libraries, clean and shared with others that run them. */
interface Memory {
  readonly all: number;
  readonly files: number;
}

/**
 * The agent with 10 000 exported metrics that move as recorded ones did, a full hour of them behind it, an open page and
 * carbon on, for a minute; in the same minute, where Debian's packages are there, node_exporter scraped as often, and
 * netdata at its own second.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  const children: ChildProcess[] = [];
  const sink = createServer((socket) => void socket.resume().on('error', () => {})).listen(0, '127.0.0.1');
  const launch = (command: string, words: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess => {
    const child = spawn(command, words, { env, stdio: 'ignore' });
    children.push(child);
    return child;
  };
  try {
    const corpus = parseCorpus(readCorpus());
    const exports = Array.from({ length: programs }, (_, index) =>
      exported(join(folder, `app${index}`), index, corpus),
    );
    exports.forEach(({ path }, index) => {
      launch('/bin/sleep', ['1000'], { CANTAL_PATH: path, CANTAL_APPNAME: `app${index}` });
    });
    for (const each of exports) each.write();
    const address = sink.address();
    const carbonPort = typeof address === 'object' && address !== null ? address.port : 0;
    const words = agentWords(folder, carbonPort);
    await fillHour(folder);
    const agent = launch(process.execPath, words);
    const exporter = has('prometheus-node-exporter')
      ? launch('prometheus-node-exporter', [`--web.listen-address=127.0.0.1:${exporterPort}`])
      : null;
    const netdata = has('netdata') ? launch('netdata', netdataWords(folder)) : null;
    await answers(`http://127.0.0.1:${agentPort}/status`);
    const page = new WebSocketClient(agentPort);
    const scrapes = setInterval(() => {
      for (const each of exports) each.write();
      if (exporter !== null) void fetch(`http://127.0.0.1:${exporterPort}/metrics`).then((reply) => reply.text());
    }, periodMs);
    try {
      await sleep(warmUpMs);
      const before = [agent, exporter, netdata].map((child) => (child === null ? 0 : ticks(child)));
      await sleep(measuredMs);
      const cost = async (index: number, child: ChildProcess, metrics: Promise<number>): Promise<Cost> => ({
        cpuShare: (ticks(child) - (before[index] ?? 0)) / ticksPerSecond / (measuredMs / 1000),
        memory: memory(child),
        metrics: await metrics,
      });
      const status = await agentStatus();
      const own = await cost(0, agent, Promise.resolve(status.health.series));
      if (own.metrics < programs * countersEach) throw new Error(`the agent knows ${own.metrics} metrics only`);
      const peers: (readonly [string, Cost])[] = [];
      if (exporter !== null) peers.push(['node_exporter', await cost(1, exporter, exporterMetrics())]);
      if (netdata !== null) peers.push(['netdata', await cost(2, netdata, netdataMetrics())]);
      if (page.messages < measuredMs / periodMs / 2) throw new Error(`the page got ${page.messages} messages only`);
      return rows(own, status, peers);
    } finally {
      clearInterval(scrapes);
      for (const each of exports) each.close();
      page.close();
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    sink.close();
    await sleep(500);
    rmSync(folder, { recursive: true, force: true });
  }
}

function rows(own: Cost, status: AgentStatus, peers: readonly (readonly [string, Cost])[]): readonly BenchRow[] {
  const perMetric = ({ cpuShare, metrics }: Cost): number => (cpuShare * 1e6) / metrics;
  const bench = 'agent';
  const { historyBytes, historySamples } = status.health;
  const samples = Math.round(historySamples / own.metrics);
  const what = `${own.metrics} metrics every 2 s with ${samples} samples each, a page open, carbon on`;
  return [
    benchRow({ bench, figure: `CPU, ${what}`, value: own.cpuShare * 100, unit: '% of a core' }, { maxValue: 2 }),
    benchRow({ bench, figure: `resident memory, ${what}`, value: own.memory.all, unit: 'MiB' }, { maxValue: 100 }),
    benchRow({ bench, figure: 'of it clean pages of programs and libraries', value: own.memory.files, unit: 'MiB' }),
    benchRow({ bench, figure: 'of it the coded history, without keys', value: historyBytes / mib, unit: 'MiB' }),
    ...peers.flatMap(([peer, cost]) => [
      benchRow({
        ...{ bench, figure: `CPU per metric (${peer} has ${cost.metrics})`, unit: 'µs/s' },
        ...{ value: perMetric(own), peer, peerValue: perMetric(cost) },
      }),
      benchRow({
        bench,
        figure: 'resident memory',
        unit: 'MiB',
        value: own.memory.all,
        peer,
        peerValue: cost.memory.all,
      }),
    ]),
  ];
}

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

interface Exported {
  readonly path: string;
  /** The next sample of each metric. */
  write(): void;
  close(): void;
}

/** By SeriesKind. */
const metaTypes = ['counter 8', 'level 8 signed', 'level 8 float'] as const;

function exported(path: string, program: number, corpus: readonly RecordedSeries[]): Exported {
  const series = Array.from({ length: countersEach }, (_, index) => {
    const one = corpus[(program * countersEach + index) % corpus.length];
    if (one === undefined) throw new Error('the corpus is empty');
    return one;
  });
  const bytes = Buffer.alloc(8 * countersEach);
  writeFileSync(`${path}.values`, bytes);
  const lines = series.map(({ kind }, index) => `${metaTypes[kind]}: {"metric":"m${index}","group":"bench"}\n`);
  writeFileSync(`${path}.meta`, lines.join(''));
  const fd = openSync(`${path}.values`, 'r+');
  // Another place of the hour for each: no two programs move together.
  let scan = program * 90;
  return {
    path,
    write() {
      series.forEach(({ words }, index) => {
        bytes.writeBigInt64LE(words[scan % words.length] ?? 0n, index * 8);
      });
      scan += 1;
      writeSync(fd, bytes, 0, bytes.length, 0);
    },
    close: () => closeSync(fd),
  };
}

/** The hour before: for each series that a scan sees now, as many samples as an agent would have. */
async function fillHour(folder: string): Promise<void> {
  await sleep(settleMs);
  const scanner = createScanner();
  scanner.scanOnce();
  const keys = join(folder, 'keys');
  writeFileSync(keys, packKeys(scanner.keysSince(0)));
  const history = join(folder, 'storage', 'history');
  mkdirSync(history);
  buildReplay(folder)(keys, join(history, 'current.history'), String(Date.now()));
}

function agentWords(folder: string, carbonPort: number): readonly string[] {
  const carbon = join(folder, 'carbon');
  for (const name of ['carbon', 'config', 'storage', 'log']) mkdirSync(join(folder, name));
  writeFileSync(
    join(carbon, 'main.carbon.yaml'),
    `host: 127.0.0.1\nport: ${carbonPort}\nenable-cgroup-stats: true\nenable-application-metrics: true\n`,
  );
  return [
    ...[join(packageRoot(), 'bin/stellwerk.js'), 'agent', '--port', String(agentPort), '--carbon-dir', carbon],
    ...['--config-dir', join(packageRoot(), 'examples/quickstart'), '--storage-dir', join(folder, 'storage')],
    ...['--log-dir', join(folder, 'log')],
  ];
}

/** In the foreground, on loopback, with its state in the folder, asking nobody else. */
function netdataWords(folder: string): readonly string[] {
  const config = join(folder, 'netdata.conf');
  const dirs = ['cache', 'lib', 'netdata-log'].map((name) => join(folder, name));
  for (const dir of dirs) mkdirSync(dir);
  const [cache, lib, log] = dirs;
  writeFileSync(
    config,
    `[global]\n run as user = root\n[directories]\n cache = ${cache}\n lib = ${lib}\n log = ${log}\n[db]\n mode = ram\n retention = 3600\n[web]\n bind to = 127.0.0.1\n default port = ${netdataPort}\n[registry]\n enabled = no\n[cloud]\n enabled = no\n`,
  );
  return ['-D', '-c', config];
}

/** proc_pid_stat(5), fields 14 to 17: with the children that were waited for. */
function ticks(child: ChildProcess): number {
  const text = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
}

/** proc_pid_status(5). */
function memory(child: ChildProcess): Memory {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { all: field('VmRSS'), files: field('RssFile') };
}

async function answers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const fine = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (fine) return;
    await sleep(200);
  }
  throw new Error(`${url} does not answer`);
}

const text = async (url: string): Promise<string> => (await fetch(url)).text();

interface AgentStatus {
  readonly health: { readonly series: number; readonly historyBytes: number; readonly historySamples: number };
}

const agentStatus = async (): Promise<AgentStatus> =>
  JSON.parse(await text(`http://127.0.0.1:${agentPort}/status`)) as AgentStatus;

const exporterMetrics = async (): Promise<number> =>
  (await text(`http://127.0.0.1:${exporterPort}/metrics`)).match(/^[^#\n].*$/gm)?.length ?? 0;

async function netdataMetrics(): Promise<number> {
  const all = await text(`http://127.0.0.1:${netdataPort}/api/v1/allmetrics?format=prometheus`);
  return all.match(/^[^#\n].*$/gm)?.length ?? 0;
}

/** The page's stream, read and thrown away by another process: its cost is not the agent's. */
class WebSocketClient {
  messages = 0;
  readonly #child: ChildProcess;

  constructor(port: number) {
    const request = [
      ...['GET /v1/live HTTP/1.1', `Host: 127.0.0.1:${port}`, 'Connection: Upgrade', 'Upgrade: websocket'],
      ...['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', '', ''],
    ].join('\r\n');
    const program = `const s = require('node:net').connect(${port}, '127.0.0.1'); s.write(${JSON.stringify(request)}); s.on('data', () => process.stdout.write('.'));`;
    this.#child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      this.messages += bytes.length;
    });
  }
  close(): void {
    this.#child.kill('SIGKILL');
  }
}
