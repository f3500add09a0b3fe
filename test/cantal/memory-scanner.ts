import {
  type ProcessRow,
  type Scanner,
  type SeriesHistory,
  type SeriesKey,
  SeriesKind,
  type StateValue,
} from '../../src/native/scanner.ts';

type Value = number | bigint | null;

interface Kept {
  readonly key: SeriesKey;
  /** Oldest first, aligned with the times. */
  readonly values: Value[];
}

export interface MemoryScanner extends Scanner {
  /** Adds a series and returns its id; before its first value it counts as missing. */
  series(labels: Readonly<Record<string, string>>, kind: number): number;
  /** One scan: values by id; what is not named is missing. */
  scan(timestamp: number, values: Readonly<Record<number, Value>>): void;
  /** The series expired and its id now belongs to another. */
  reuse(id: number, labels: Readonly<Record<string, string>>): void;
  setStates(states: readonly StateValue[]): void;
  setProcesses(rows: readonly ProcessRow[]): void;
  /** Runs before each history() call: lets a scan end in the middle of a query. */
  beforeHistory: (() => void) | null;
}

/** The scanner's contract (src/native/scanner.ts) in memory, with scans that the test makes up. */
export function memoryScanner(): MemoryScanner {
  const kept: Kept[] = [];
  const times: number[] = [];
  let keyGeneration = 0;
  let states: readonly StateValue[] = [];
  let processes: readonly ProcessRow[] = [];
  let listener: ((generation: number) => void) | null = null;

  const bits = (value: Value): bigint => {
    if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return 0n;
    return BigInt.asIntN(64, BigInt(typeof value === 'number' ? Math.trunc(value) : value));
  };
  const newest = (id: number) => kept[id]?.values[times.length - 1] ?? null;
  const newestWords = () => BigInt64Array.from(kept, (_, id) => bits(newest(id)));

  const scanner: MemoryScanner = {
    beforeHistory: null,
    series(labels, kind) {
      const id = kept.length;
      kept.push({ key: { id, kind, labels }, values: times.map(() => null) });
      return id;
    },
    scan(timestamp, values) {
      times.push(timestamp);
      for (const { key, values: own } of kept) own.push(values[key.id] ?? null);
      listener?.(times.length);
    },
    reuse(id, labels) {
      kept[id] = { key: { id, kind: kept[id]?.key.kind ?? 0, labels }, values: times.map(() => null) };
      keyGeneration += 1;
    },
    setStates: (next) => {
      states = next;
    },
    setProcesses: (next) => {
      processes = next;
    },
    start: (onScan) => {
      listener = onScan;
    },
    stop: () => {
      listener = null;
    },
    scanOnce: () => 1,
    snapshot() {
      const signed = newestWords();
      return {
        generation: times.length,
        timestamp: times.at(-1) ?? 0,
        seriesCount: kept.length,
        signed,
        unsigned: new BigUint64Array(signed.buffer),
        float: Float64Array.from(kept, (_, id) => Number(newest(id) ?? Number.NaN)),
        kinds: Uint8Array.from(kept, ({ key }) => key.kind),
        fresh: Uint8Array.from(kept, (_, id) => (newest(id) === null ? 0 : 1)),
      };
    },
    keysSince: (from) => kept.filter(({ key }) => key.id >= from).map(({ key }) => key),
    keyGeneration: () => keyGeneration,
    history(id, samples): SeriesHistory | null {
      scanner.beforeHistory?.();
      const series = kept[id];
      if (series === undefined || series.key.kind === SeriesKind.state) return null;
      const values = series.values.toReversed().slice(0, samples);
      return {
        kind: series.key.kind,
        timestamps: Float64Array.from(times.toReversed().slice(0, samples)),
        values: Float64Array.from(values, (value) => (value === null ? Number.NaN : Number(value))),
        exact: BigInt64Array.from(values, bits),
      };
    },
    floats(id, newestMs, into) {
      scanner.beforeHistory?.();
      const series = kept[id];
      const newestAt = times.indexOf(newestMs);
      if (series === undefined || series.key.kind === SeriesKind.state || newestAt < 0) return false;
      const values = series.values.slice(0, newestAt + 1).reverse();
      for (let index = 0; index < into.length; index++) {
        const value = values[index] ?? null;
        if (series.key.kind !== SeriesKind.float && value !== null && !Number.isSafeInteger(Number(value)))
          return false;
        into[index] = value === null ? Number.NaN : Number(value);
      }
      return true;
    },
    processes: () => processes,
    states: () => states,
    anomalies: () => [],
    health: () => ({
      scans: times.length,
      missedScans: 0,
      lastScanMs: 1.5,
      phasesUs: {},
      series: kept.length,
      refusedSeries: 0,
      historyBytes: 0,
      historySamples: 0,
      filesRead: 0,
      clockAheadMs: 0,
      scansAhead: 0,
      rejected: {},
      denied: {},
      storageUs: { user: 0, system: 0 },
    }),
    report: () => {},
    messages: () => [],
    saveHistory: () => Promise.reject(new Error('this scanner has nothing to save')),
    restoreHistory: () => ({ problem: 'this scanner takes no snapshot', series: 0, samples: 0, newerScans: 0 }),
  };
  return scanner;
}

export function processRow(own: Partial<ProcessRow> & { readonly pid: number }): ProcessRow {
  return {
    ppid: 1,
    uid: 0,
    gid: 0,
    name: `p${own.pid}`,
    state: 'S',
    cmdline: '',
    cgroup: null,
    container: null,
    runtime: null,
    vsize: 0,
    rss: 0,
    swap: 0,
    threads: 1,
    startTime: 0,
    startTimestamp: 0,
    userTime: 0,
    systemTime: 0,
    childUserTime: 0,
    childSystemTime: 0,
    readBytes: null,
    writeBytes: null,
    fds: null,
    voluntarySwitches: null,
    involuntarySwitches: null,
    oomScore: null,
    ...own,
  };
}
