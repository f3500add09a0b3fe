import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { packageRoot } from '../../src/native/load.ts';

export interface RecordedSeries {
  /** SeriesKind of src/native/scanner.ts. */
  readonly kind: number;
  /** Of every scan, 64 bits each; where a sample is missing, the one before stands. */
  readonly words: BigInt64Array;
}

/** An hour of a real host (scripts/record-corpus.mjs), unpacked: bench/yardsticks/history/corpus.hpp has the form. */
export const readCorpus = (): Buffer =>
  brotliDecompressSync(readFileSync(join(packageRoot(), 'bench', 'corpus', 'host-hour.br')));

export function parseCorpus(bytes: Buffer): readonly RecordedSeries[] {
  const series = bytes.readUInt32LE(0);
  const scans = bytes.readUInt32LE(4);
  let at = 8 + 8 * scans;
  return Array.from({ length: series }, () => {
    const end = at + 4 + bytes.readUInt32LE(at);
    const one = parseSeries(bytes.subarray(at + 4, end), scans);
    at = end;
    return one;
  });
}

function parseSeries(bytes: Buffer, scans: number): RecordedSeries {
  let at = 3;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  for (let text = 0; text < 2 * bytes.readUInt16LE(1); text++) at += 2 + bytes.readUInt16LE(at);
  const words = new BigInt64Array(scans);
  const present = new Uint8Array(scans);
  for (let scan = 0, here = 1; scan < scans; here = 1 - here) {
    const run = Number(varint());
    present.fill(here, scan, scan + run);
    scan += run;
  }
  let word = 0n;
  for (let scan = 0; scan < scans; scan++) {
    if (present[scan] === 1) {
      const symbol = varint();
      word += (symbol >> 1n) ^ -(symbol & 1n);
    }
    words[scan] = word;
  }
  return { kind: bytes[0] ?? 0, words };
}

const sources = [
  ...['bench/yardsticks/history/replay.cc', 'native/history/plan.cc', 'native/history/series.cc'],
  ...['native/history/snapshot.cc', 'native/scanner/series_table.cc'],
];

/** Builds the replaying program into the folder, beside the unpacked corpus; the result runs it with more words. */
export function buildReplay(folder: string): (...words: readonly string[]) => string {
  const program = join(folder, 'replay');
  const corpus = join(folder, 'corpus');
  writeFileSync(corpus, readCorpus());
  const options = ['-O2', '-std=c++20', '-fno-exceptions', '-D_GNU_SOURCE', `-I${join(packageRoot(), 'native')}`];
  const built = spawnSync('c++', [...options, '-o', program, ...sources.map((path) => join(packageRoot(), path))], {
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`c++ replay.cc: ${built.error?.message ?? built.stderr}`);
  return (...words) => {
    const run = spawnSync(program, [corpus, ...words], { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`replay ${words.join(' ')}: ${run.stderr} (${run.status ?? run.signal})`);
    return run.stdout;
  };
}

/** What an hour is to be made for. */
export interface KeyOfKind {
  readonly kind: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** The keys as replay.cc takes them. */
export function packKeys(keys: readonly KeyOfKind[]): Buffer {
  const parts: Buffer[] = [];
  const u16 = (value: number): void => {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    parts.push(bytes);
  };
  for (const { kind, labels } of keys) {
    parts.push(Buffer.of(kind));
    u16(Object.keys(labels).length);
    for (const text of Object.entries(labels).flat()) {
      const bytes = Buffer.from(text);
      u16(bytes.length);
      parts.push(bytes);
    }
  }
  return Buffer.concat(parts);
}
