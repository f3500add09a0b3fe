// Records this host for bench/history: node scripts/record-corpus.mjs [MINUTES] → bench/corpus/host-hour.br
// What it records is what a scan sees, at the agent's own period; put a load on the host that is worth recording.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, constants } from 'node:zlib';
import { root } from './run.mjs';

const intervalMs = 2000;
const mostSeries = 1000;
/** Of the scans: a series that comes and goes fills no hour. */
const leastShare = 0.99;
/** Names of a host's own: numbers will do. */
const renamed = ['cgroup', 'mount', 'appname'];

/**
 * A sample of the series, evenly over their sorted keys, as the bytes that bench/yardsticks/history/corpus.hpp
 * describes. `stamps` and each `words` run from the oldest; a word is the 64 bits as a signed BigInt, null = missing.
 */
export function packCorpus(stamps, all) {
  const lasting = all
    .filter(({ words }) => words.filter((word) => word !== null).length >= leastShare * stamps.length)
    .map((series) => ({ ...series, key: JSON.stringify(Object.entries(series.labels).sort()) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const count = Math.min(mostSeries, lasting.length);
  const sample = Array.from({ length: count }, (_, index) => lasting[Math.floor((index * lasting.length) / count)]);
  const names = new Map();
  const header = Buffer.alloc(8 + 8 * stamps.length);
  header.writeUInt32LE(sample.length, 0);
  header.writeUInt32LE(stamps.length, 4);
  stamps.forEach((stamp, index) => {
    header.writeDoubleLE(stamp, 8 + 8 * index);
  });
  return Buffer.concat([header, ...sample.map((series) => packSeries(series, names))]);
}

function packSeries({ kind, labels, words }, names) {
  const out = [];
  const varint = (value) => {
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
    out.push(Number(rest));
  };
  const u16 = (value) => out.push(value & 255, value >> 8);
  const text = (value) => {
    const bytes = Buffer.from(value);
    u16(bytes.length);
    out.push(...bytes);
  };
  out.push(kind);
  u16(Object.keys(labels).length);
  for (const [name, value] of Object.entries(labels)) {
    if (renamed.includes(name) && !names.has(value)) names.set(value, `${name}-${names.size}`);
    text(name);
    text(renamed.includes(name) ? names.get(value) : value);
  }
  let present = true;
  let run = 0n;
  for (const word of words) {
    if ((word !== null) !== present) {
      varint(run);
      run = 0n;
      present = !present;
    }
    run += 1n;
  }
  varint(run);
  let last = 0n;
  for (const word of words) {
    if (word === null) continue;
    const step = BigInt.asIntN(64, word - last);
    varint((step << 1n) ^ (step >> 63n));
    last = word;
  }
  const size = Buffer.alloc(4);
  size.writeUInt32LE(out.length);
  return Buffer.concat([size, Buffer.from(out)]);
}

export function compressCorpus(bytes) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotliCompressSync(bytes, { params });
}

async function record(minutes) {
  const { createScanner } = createRequire(import.meta.url)(join(root, 'build', 'Release', 'scanner.node'));
  const scans = Math.round((minutes * 60_000) / intervalMs);
  const scanner = createScanner({
    intervalMs,
    keepHistoryMs: 2 * minutes * 60_000,
    procRoot: '/proc',
    sysRoot: '/sys',
    maxSeries: 1_000_000,
    processMetrics: true,
  });
  let done = 0;
  scanner.start(() => {
    done += 1;
  });
  while (done < scans) await sleep(intervalMs);
  scanner.stop();
  let stamps = [];
  const all = scanner.keysSince(0).map(({ id, kind, labels }) => {
    const { timestamps, values, exact } = scanner.history(id, scans);
    if (timestamps.length > stamps.length) stamps = [...timestamps].reverse();
    return { kind, labels, words: Array.from(exact, (word, at) => (Number.isNaN(values[at]) ? null : word)).reverse() };
  });
  const path = join(root, 'bench', 'corpus', 'host-hour.br');
  const bytes = compressCorpus(packCorpus(stamps, all));
  writeFileSync(path, bytes);
  process.stdout.write(`${path}: ${bytes.length} bytes\n`);
}

if (process.argv[1] === import.meta.filename) await record(Number(process.argv[2] ?? 60));
