import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Processor time, µs, of one scan, per metric that it brings. */
export interface PeerCost {
  readonly peer: string;
  readonly metrics: number;
  readonly cpuUsPerMetric: number;
}

const exporterPort = 29_200;
const netdataPort = 29_998;
const scrapes = 60;
const netdataSeconds = 30;
const netdataWarmUpMs = 15_000;
/** USER_HZ. */
const usPerTick = 10_000;

/** Debian's node_exporter and netdata on this host as it is now; those that are not installed are left out. */
export async function measurePeers(folder: string): Promise<readonly PeerCost[]> {
  const costs: PeerCost[] = [];
  if (has('prometheus-node-exporter')) costs.push(await nodeExporter());
  if (has('netdata')) costs.push(await netdata(folder));
  return costs;
}

async function nodeExporter(): Promise<PeerCost> {
  const url = `http://127.0.0.1:${exporterPort}/metrics`;
  return withChild(
    'prometheus-node-exporter',
    [`--web.listen-address=127.0.0.1:${exporterPort}`],
    url,
    async (child) => {
      const metrics = linesOf(await text(url));
      for (let scrape = 0; scrape < 5; scrape++) await text(url);
      const before = ticks(child);
      for (let scrape = 0; scrape < scrapes; scrape++) await text(url);
      const used = ((ticks(child) - before) * usPerTick) / scrapes;
      return { peer: 'node_exporter', metrics, cpuUsPerMetric: used / metrics };
    },
  );
}

/** It scans each second. */
async function netdata(folder: string): Promise<PeerCost> {
  const url = `http://127.0.0.1:${netdataPort}/api/v1/allmetrics?format=prometheus`;
  return withChild('netdata', netdataWords(folder), url, async (child) => {
    await sleep(netdataWarmUpMs);
    const metrics = linesOf(await text(url));
    const before = ticks(child);
    await sleep(netdataSeconds * 1000);
    const used = ((ticks(child) - before) * usPerTick) / netdataSeconds;
    return { peer: 'netdata', metrics, cpuUsPerMetric: used / metrics };
  });
}

async function withChild(
  command: string,
  words: readonly string[],
  url: string,
  work: (child: ChildProcess) => Promise<PeerCost>,
): Promise<PeerCost> {
  const child = spawn(command, words, { stdio: 'ignore' });
  try {
    for (let attempt = 0; ; attempt++) {
      if ((await fetch(url).catch(() => null))?.ok) break;
      if (attempt === 200) throw new Error(`${command}: ${url} does not answer`);
      await sleep(200);
    }
    return await work(child);
  } finally {
    child.kill('SIGTERM');
    await Promise.race([new Promise((resolve) => child.once('exit', resolve)), sleep(5_000)]);
    child.kill('SIGKILL');
  }
}

/** In the foreground, on loopback, with its state in the folder, asking nobody else. */
function netdataWords(folder: string): readonly string[] {
  const [cache, lib, log] = ['cache', 'lib', 'netdata-log'].map((name) => {
    mkdirSync(join(folder, name));
    return join(folder, name);
  });
  const config = join(folder, 'netdata.conf');
  writeFileSync(
    config,
    `[global]\n run as user = root\n[directories]\n cache = ${cache}\n lib = ${lib}\n log = ${log}\n[db]\n mode = ram\n retention = 3600\n[web]\n bind to = 127.0.0.1\n default port = ${netdataPort}\n[registry]\n enabled = no\n[cloud]\n enabled = no\n`,
  );
  return ['-D', '-c', config];
}

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const text = async (url: string): Promise<string> => (await fetch(url)).text();
const linesOf = (metrics: string): number => metrics.match(/^[^#\n].*$/gm)?.length ?? 0;

/** proc_pid_stat(5), fields 14 to 17: with the children that were waited for. */
function ticks(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
}

/** The same files by plain Node.js: read whole, split into lines and words, numbers as numbers. ms of processor time. */
export function plainNode(files: readonly string[]): number {
  const before = process.cpuUsage();
  let numbers = 0;
  for (const file of files) {
    let content: string;
    try {
      content = readFileSync(file, 'latin1');
    } catch {
      continue; // gone meanwhile
    }
    for (const line of content.split('\n')) {
      for (const word of line.split(' ')) if (word !== '' && !Number.isNaN(Number(word))) numbers += 1;
    }
  }
  if (numbers === 0) throw new Error('plain Node.js found no number');
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
