import { type Scanner, SeriesKind, type Snapshot } from '../native/scanner.ts';
import { labelIndex } from './query/label-index.ts';
import { type NumberKind, type Sample, small } from './query/sample.ts';
import type { SeriesSource } from './query/source.ts';

/** By SeriesKind; states have no history. */
const kindNames: readonly (NumberKind | undefined)[] = ['Counter', 'Integer', 'Float', undefined];

/** Longer than any history that is kept: "all". */
const allSamples = 0x7fff_ffff;

type Narrow = Pick<Scanner, 'snapshot' | 'keysSince' | 'keyGeneration' | 'history' | 'floats' | 'states'>;

/**
 * The scanner as a query sees it. The index grows with the scanner's table of keys and is made anew where ids were
 * given out again. Call `now()` for each query: what it returns must not be kept.
 */
export function scannerSource(scanner: Narrow): { now(): SeriesSource } {
  const index = labelIndex();
  const kinds: number[] = [];
  let keyGeneration = -1;
  let times: { readonly generation: number; readonly scanTimes: readonly number[] } | null = null;

  const follow = (): void => {
    const generation = scanner.keyGeneration();
    if (generation !== keyGeneration) {
      index.clear();
      kinds.length = 0;
      keyGeneration = generation;
    }
    for (const { id, kind, labels } of scanner.keysSince(index.nextId())) {
      index.add({ id, labels });
      kinds[id] = kind;
    }
  };

  const scanTimes = (snapshot: Snapshot): readonly number[] => {
    if (times?.generation === snapshot.generation) return times.scanTimes;
    const found = longestTimes(scanner, snapshot);
    times = { generation: snapshot.generation, scanTimes: found };
    return found;
  };

  return {
    now() {
      follow();
      const snapshot = scanner.snapshot();
      const known = scanTimes(snapshot);
      const floats = floatsReader(scanner, known);
      return {
        index,
        scanTimes: known,
        kind: (id) => kindNames[kinds[id] ?? SeriesKind.state],
        tip: (id) => (snapshot.fresh[id] === 1 ? tipOf(snapshot, id, kinds[id]) : null),
        history(id, samples) {
          const plain = floats(id, samples);
          return plain === null ? exact(scanner, id, known, samples) : boxed(plain);
        },
        floats,
        states: () => scanner.states(),
      };
    },
  };
}

/**
 * The scanner has no list of its scans, but each history brings its stretch of it: the first fresh number series has
 * the longest one, because ids are given out in the order of appearance and the machine's own series come first.
 */
function longestTimes(scanner: Narrow, snapshot: Snapshot): readonly number[] {
  for (let id = 0; id < snapshot.seriesCount; id++) {
    if (snapshot.fresh[id] !== 1 || snapshot.kinds[id] === SeriesKind.state) continue;
    const history = scanner.history(id, allSamples);
    if (history === null || history.timestamps.length === 0) continue;
    // A scan may have ended since the snapshot was taken: what it does not know must not be seen.
    return Array.from(history.timestamps).filter((time) => time <= snapshot.timestamp);
  }
  return [];
}

function tipOf(snapshot: Snapshot, id: number, kind: number | undefined): Sample {
  switch (kind) {
    case SeriesKind.counter:
      return small(snapshot.unsigned[id] ?? 0n);
    case SeriesKind.integer:
      return small(snapshot.signed[id] ?? 0n);
    default: {
      const value = snapshot.float[id] ?? Number.NaN;
      return Number.isNaN(value) ? null : value;
    }
  }
}

/** Plain numbers of one series on the given times, in one memory that is used again; null: they are not exact. */
function floatsReader(scanner: Narrow, scanTimes: readonly number[]): SeriesSource['floats'] {
  const newest = scanTimes[0] ?? 0;
  let all = new Float64Array(0);
  let view = all;
  return (id, samples) => {
    const wanted = Math.min(samples, scanTimes.length);
    if (wanted > all.length) all = new Float64Array(scanTimes.length);
    if (view.buffer !== all.buffer || view.length !== wanted) view = all.subarray(0, wanted);
    return scanner.floats(id, newest, view) ? view : null;
  };
}

function boxed(floats: Float64Array): Sample[] {
  const values: Sample[] = [];
  for (const value of floats) values.push(Number.isNaN(value) ? null : value);
  return values;
}

/** The history on the given times; both lists run from newest to oldest. Also of numbers beyond 2^53. */
function exact(scanner: Narrow, id: number, scanTimes: readonly number[], samples: number): Sample[] {
  // One more than asked for each scan that may have ended since: two in a row would take longer than any query.
  const history = scanner.history(id, samples + 2);
  const values: Sample[] = [];
  let at = 0;
  const wanted = Math.min(samples, scanTimes.length);
  if (history === null) return Array.from({ length: wanted }, () => null);
  const { timestamps, values: known, exact: bits, kind } = history;
  for (let index = 0; index < wanted; index++) {
    const time = scanTimes[index] ?? 0;
    while ((timestamps[at] ?? Number.NEGATIVE_INFINITY) > time) at += 1;
    const value = timestamps[at] === time ? (known[at] ?? Number.NaN) : Number.NaN;
    if (Number.isNaN(value)) values.push(null);
    else if (kind === SeriesKind.float || Number.isSafeInteger(value)) values.push(value);
    else values.push(exactOf(kind, bits[at] ?? 0n));
  }
  return values;
}

/** `exact` holds the bits; those of a counter are unsigned. */
function exactOf(kind: number, bits: bigint): Sample {
  return small(kind === SeriesKind.counter ? BigInt.asUintN(64, bits) : bits);
}
