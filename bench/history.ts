import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { buildReplay, parseCorpus, readCorpus } from './corpus/corpus.ts';
import { type BenchRow, benchRow, median } from './row.ts';

const series = 10_000;
/** An hour at 2 s. */
const leastScans = 1800;
/** The Gorilla paper's mean (Pelkonen et al., VLDB 2015, section 4.1), of other data: Facebook's, once a minute. */
const gorillaPublished = 1.37;
const rounds = 3;
const mib = 1024 * 1024;

/** As bench/yardsticks/history/replay.cc prints them. */
interface Figures {
  readonly recorded: number;
  readonly scans: number;
  readonly samples: number;
  readonly historyBytes: number;
  readonly keyBytes: number;
  readonly heapBytes: number;
  readonly appendNanos: number;
  readonly readMicros: number;
  readonly thousandMillis: number;
  readonly gorillaBytes: number;
  readonly gorillaSamples: number;
  readonly gorillaAppendNanos: number;
  readonly gorillaReadMicros: number;
}

/**
 * What an hour of 10 000 series costs: a real host's, recorded at 2 s, through the real store at full speed, and read
 * back bit by bit. The peers get the same samples: Gorilla's coding as in the paper, each series with its own stamps;
 * zlib the columns of 64-bit words, differences of neighbours already taken, whole: it could neither append nor be read
 * from the middle.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  try {
    const replay = buildReplay(folder);
    const runs = Array.from({ length: rounds }, () => JSON.parse(replay(String(series))) as Figures);
    const [first] = runs;
    if (first === undefined) throw new Error('no round was run');
    if (first.scans < leastScans) throw new Error(`the recorded hour has ${first.scans} scans only`);
    const middle = (of: (figures: Figures) => number): number => median(runs.map(of));
    const what = `${series} series × ${first.scans} samples at 2 s, of ${first.recorded} recorded ones`;
    const bytes = {
      ...{ bench: 'history', figure: `bytes per sample, ${what}`, unit: 'B' },
      value: first.historyBytes / first.samples,
    };
    const append = {
      ...{ bench: 'history', figure: 'append of a sample', unit: 'ns' },
      value: middle(({ appendNanos }) => appendNanos),
    };
    const read = {
      ...{ bench: 'history', figure: `read of one series' ${first.scans} samples`, unit: 'µs' },
      value: middle(({ readMicros }) => readMicros),
    };
    const thousand = middle(({ thousandMillis }) => thousandMillis);
    const gorilla = "Gorilla's coding";
    return [
      benchRow(
        { bench: 'history', figure: `heap, keys and all, ${what}`, value: first.heapBytes / mib, unit: 'MiB' },
        { maxValue: 8 },
      ),
      benchRow(
        { ...bytes, peer: gorilla, peerValue: first.gorillaBytes / first.gorillaSamples },
        { maxRatio: 1, maxValue: 1.4 },
      ),
      benchRow({ ...bytes, peer: 'Gorilla as published', peerValue: gorillaPublished }, { maxRatio: 1 }),
      benchRow({ ...bytes, peer: 'zlib of differences', peerValue: bytesOfZlib() }),
      benchRow({ ...bytes, peer: 'plain words', peerValue: 8 }),
      benchRow({ bench: 'history', figure: 'a key', value: first.keyBytes / series, unit: 'B' }),
      benchRow({ ...append, peer: gorilla, peerValue: middle(({ gorillaAppendNanos }) => gorillaAppendNanos) }),
      benchRow({ ...read, peer: gorilla, peerValue: middle(({ gorillaReadMicros }) => gorillaReadMicros) }),
      benchRow(
        { bench: 'history', figure: "read of 1000 series' hour", value: thousand, unit: 'ms' },
        { maxValue: 50 },
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Per sample, of the recorded series. */
function bytesOfZlib(): number {
  let bytes = 0;
  let samples = 0;
  for (const { words } of parseCorpus(readCorpus())) {
    const differences = words.map((word, index) => word - (words[index - 1] ?? 0n));
    bytes += deflateSync(new Uint8Array(differences.buffer)).length;
    samples += words.length;
  }
  return bytes / samples;
}
