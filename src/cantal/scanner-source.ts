import { type Scanner, SeriesKind, type Snapshot } from '../native/scanner.ts';
import { labelIndex } from './query/label-index.ts';
import { type NumberKind, type Sample, small } from './query/sample.ts';
import type { SeriesSource } from './query/source.ts';

/** By SeriesKind; states have no history. */
const kindNames: readonly (NumberKind | undefined)[] = ['Counter', 'Integer', 'Float', undefined];

/** Longer than any history that is kept: "all". */
const allSamples = 0x7fff_ffff;

type Narrow = Pick<Scanner, 'snapshot' | 'keysSince' | 'keyGeneration' | 'history' | 'states'>;

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
      return {
        index,
        scanTimes: known,
        kind: (id) => kindNames[kinds[id] ?? SeriesKind.state],
        tip: (id) => (snapshot.fresh[id] === 1 ? tipOf(snapshot, id, kinds[id]) : null),
        history: (id, samples) => aligned(scanner, id, known, samples),
        floats: (id, samples) => floatsOf(scanner, id, known, samples),
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

/** The history on the given times; both lists run from newest to oldest. */
function aligned(scanner: Narrow, id: number, scanTimes: readonly number[], samples: number): Sample[] {
  // One more than asked for each scan that may have ended since: two in a row would take longer than any query.
  const history = scanner.history(id, samples + 2);
  const values: Sample[] = [];
  let at = 0;
  const wanted = Math.min(samples, scanTimes.length);
  if (history === null) return Array.from({ length: wanted }, () => null);
  const { timestamps, values: known, exact, kind } = history;
  for (let index = 0; index < wanted; index++) {
    const time = scanTimes[index] ?? 0;
    while ((timestamps[at] ?? Number.NEGATIVE_INFINITY) > time) at += 1;
    const value = timestamps[at] === time ? (known[at] ?? Number.NaN) : Number.NaN;
    if (Number.isNaN(value)) values.push(null);
    else if (kind === SeriesKind.float || Number.isSafeInteger(value)) values.push(value);
    else values.push(exactOf(kind, exact[at] ?? 0n));
  }
  return values;
}

function floatsOf(scanner: Narrow, id: number, scanTimes: readonly number[], samples: number): Float64Array | null {
  const wanted = Math.min(samples, scanTimes.length);
  const history = scanner.history(id, samples + 2);
  if (history === null) return null;
  const { timestamps, values, kind } = history;
  // Scans that ended since come first.
  let newer = 0;
  while ((timestamps[newer] ?? Number.NEGATIVE_INFINITY) > (scanTimes[0] ?? 0)) newer += 1;
  if (timestamps.length - newer < wanted) return null;
  for (let index = 0; index < wanted; index++) if (timestamps[newer + index] !== scanTimes[index]) return null;
  const own = values.subarray(newer, newer + wanted);
  if (kind === SeriesKind.float) return own;
  for (const value of own) if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) return null;
  return own;
}

/** `exact` holds the bits; those of a counter are unsigned. */
function exactOf(kind: number, bits: bigint): Sample {
  return small(kind === SeriesKind.counter ? BigInt.asUintN(64, bits) : bits);
}
