import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { evaluate } from '../src/cantal/query/evaluate.ts';
import { checkRules } from '../src/cantal/query/rule.ts';
import { scannerSource } from '../src/cantal/scanner-source.ts';
import { createScanner } from '../src/native/scanner.ts';
import { buildReplay, packKeys, parseCorpus, readCorpus } from './corpus/corpus.ts';
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
  readonly recordedScans: number;
  readonly scans: number;
  readonly samples: number;
  readonly historyBytes: number;
  readonly keyBytes: number;
  readonly heapBytes: number;
  readonly appendNanos: number;
  readonly readMicros: number;
  readonly thousandMillis: number;
  readonly watchNanos: number;
  readonly watchMarkedPerMillion: number;
  readonly faults: number;
  readonly faultsMarked: number;
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
    const what = `${series} series × ${first.scans} samples at 2 s, of ${first.recorded} × ${first.recordedScans} recorded ones`;
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
        { maxValue: 15 },
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
      benchRow(
        {
          bench: 'history',
          figure: "query for the sum of 1000 series' hour",
          value: query(folder, replay),
          unit: 'ms',
        },
        { maxValue: 50 },
      ),
      benchRow({
        ...{ bench: 'history', figure: 'anomaly marker of a sample', unit: 'ns' },
        value: middle(({ watchNanos }) => watchNanos),
      }),
      benchRow({
        ...{ bench: 'history', figure: 'samples it marks, with no fault put in', unit: '%' },
        value: first.watchMarkedPerMillion / 1e4,
      }),
      benchRow({
        ...{ bench: 'history', figure: `faults it marks, of ${first.faults} (tenfold for 30 scans)`, unit: '%' },
        value: (first.faultsMarked / first.faults) * 100,
      }),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same hour in an agent's scanner, asked as a page asks: a thousand of its series, summed scan by scan. */
function query(folder: string, replay: (...words: readonly string[]) => string): number {
  const keys = join(folder, 'keys');
  const snapshot = join(folder, 'snapshot');
  const labels = (index: number) => ({ metric: `m${index}`, block: String(Math.floor(index / 1000)) });
  writeFileSync(
    keys,
    packKeys(
      Array.from({ length: series }, (_, index) => ({ kind: Math.floor(index / 1000) % 2, labels: labels(index) })),
    ),
  );
  const nowMs = Date.now();
  replay(keys, snapshot, String(nowMs));
  const scanner = createScanner();
  const { problem } = scanner.restoreHistory(readFileSync(snapshot), nowMs);
  if (problem !== null) throw new Error(`the snapshot is refused: ${problem}`);
  scanner.scanOnce();
  const source = scannerSource(scanner);
  const took = Array.from({ length: 10 * rounds }, (_, round) => {
    const rules = checkRules({
      sum: {
        series: { source: 'Fine', condition: ['Eq', 'block', String(round % 10)] },
        extract: ['HistoryByNum', leastScans],
        functions: [['Sum', 'Ignore']],
      },
    });
    if (rules.kind === 'bad') throw new Error(rules.reason);
    const start = performance.now();
    const answer = evaluate(rules.value, source.now());
    if (answer.kind !== 'values' || JSON.stringify(answer.values).length < leastScans)
      throw new Error(`no answer: ${JSON.stringify(answer).slice(0, 200)}`);
    return performance.now() - start;
  });
  return median(took);
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
