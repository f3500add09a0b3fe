import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import type { ProcessRow, Scanner, ScannerHealth } from '../native/scanner.ts';
import type { Budget } from './query/cost.ts';
import type { Labels, TipJson } from './query/dataset.ts';
import { type Evaluated, evaluate } from './query/evaluate.ts';
import { type Following, follow } from './query/follow.ts';
import type { Regex } from './query/regex.ts';
import { checkRules } from './query/rule.ts';
import { sampleToJson } from './query/sample.ts';
import type { SeriesSource } from './query/source.ts';
import { scannerSource } from './scanner-source.ts';
import { type SelfReport, selfReporter } from './self-report.ts';
import { restoreHistory, type Storage, type StorageStatus, startStorage } from './storage.ts';
import { type ThreadsReport, threadsReporter } from './threads-report.ts';
import { type Unreadable, unreadable } from './unreadable.ts';
import {
  type ContainerAsked,
  type ContainerUsage,
  type MachineUsage,
  machineUsage,
  type ProcessTree,
  processTree,
  usageOf,
} from './usage.ts';

export interface CantalOptions {
  /** Not started yet: startCantal starts it and stop() stops it. */
  readonly scanner: Scanner;
  /** The scanner's period, ms: a scan that is three periods old means trouble. */
  readonly intervalMs: number;
  readonly version: string;
  /** Where proc(5) is; default /proc. */
  readonly procRoot?: string;
  /** Where the history outlives a restart; default: nowhere. */
  readonly store?: { readonly folder: string; readonly keepHistoryMs: number; readonly ended?: (error: Error) => void };
  /** Told of files that were refused, each once; default: nobody. */
  readonly log?: (message: string) => void;
}

export type Answer =
  | Extract<Evaluated, { readonly kind: 'values' }>
  /** `path` names the part of the rules that cannot be answered. */
  | { readonly kind: 'refused'; readonly path: string; readonly reason: string };

/** Newest value of a series: labels, [kind, value], time. */
export interface MetricTip {
  readonly labels: Labels;
  readonly value: TipJson[1];
  readonly timestamp: number;
}

export interface SeriesAnomaly {
  readonly labels: Labels;
  /** Standard deviations from its mean; below 0: less than usual. */
  readonly score: number;
  /** Since when, milliseconds since the epoch. */
  readonly since: number;
}

export interface SampledSeries {
  /** The newest of the samples. */
  readonly tip: MetricTip;
  readonly samples: readonly (readonly [timestampMs: number, value: number | string])[];
}

export interface CantalStatus {
  readonly version: string;
  /** Milliseconds since the epoch, as are all times. */
  readonly startup_time: number;
  readonly current_time: number;
  readonly boot_time: number;
  /** Duration of the newest scan, ms. */
  readonly scan_duration: number;
  readonly scan_time: number;
  /** The last snapshot of the history on disk; null: none yet, or there is no place for it. */
  readonly storage: StorageStatus | null;
  readonly self_report: SelfReport;
  readonly threads_report: ThreadsReport;
  readonly processes: number;
  /** What this user may not read. */
  readonly unreadable: readonly Unreadable[];
  readonly health: ScannerHealth;
}

export interface Cantal {
  /** `rules` is {ID: rule} in the JSON form of spec cantal 7.2. What is read is taken from the budget. */
  query(rules: unknown, budget?: Budget): Answer;
  /** The same rules asked again and again; what an answer says already is left out of the next. */
  follow(
    rules: unknown,
  ): Extract<Answer, { readonly kind: 'refused' }> | { readonly kind: 'followed'; next(budget?: Budget): Following };
  /** Called after each scan with its number. Returns the way to unsubscribe. */
  onScan(listener: (generation: number) => void): () => void;
  status(): CantalStatus;
  /** How long the newest scan took. */
  scanMs(): number;
  /** What of the status costs next to nothing; the number of processes may be some scans old. */
  brief(): Pick<CantalStatus, 'startup_time' | 'boot_time' | 'scan_time' | 'scan_duration' | 'processes'>;
  /** The newest scan is less than three periods old. */
  healthy(): boolean;
  processes(): readonly ProcessRow[];
  /** Values of the newest scan and states, whose label `metric` (or `state`) passes. */
  metrics(passes: Regex): readonly MetricTip[];
  /** Series that do not do what they did in their hour, the oddest first. */
  anomalies(): readonly SeriesAnomaly[];
  /** All that is known at this moment; not to be kept. */
  moment(): SeriesSource;
  /** Number series whose label passes, with their samples after a time, oldest first. Each is read when its turn comes. */
  samplesSince(passes: Regex, sinceMs: number): Iterable<SampledSeries>;
  usageOfContainers(containers: readonly ContainerAsked[]): readonly ContainerUsage[];
  machineUsage(): MachineUsage;
  /** The thread at once; resolves when the last snapshot is on disk. */
  stop(): Promise<void>;
}

/** Three missed scans are no hiccup any more (spec cantal 7.1). */
const unhealthyAfterScans = 3;
/** The table of processes is not copied at each scan only to be counted. */
const countedForScans = 15;

export function startCantal({
  scanner,
  intervalMs,
  version,
  procRoot = '/proc',
  store,
  log = () => {},
}: CantalOptions): Cantal {
  const source = scannerSource(scanner);
  const listeners = new Set<(generation: number) => void>();
  const startupTime = Date.now();
  const bootTime = bootTimeMs(procRoot);
  const report = selfReporter();
  const threads = threadsReporter(() => scanner.health().storageUs);
  let table: { readonly generation: number; readonly rows: readonly ProcessRow[]; readonly tree: ProcessTree } | null =
    null;

  /** The process table is copied at most once a scan, and only where somebody asks. */
  const processes = () => {
    const { generation } = scanner.snapshot();
    if (table?.generation !== generation) {
      const rows = scanner.processes();
      table = { generation, rows, tree: processTree(rows) };
    }
    return table;
  };

  const storage = store === undefined ? null : openStorage(scanner, store, log);

  scanner.start((generation) => {
    for (const message of scanner.messages()) log(message);
    for (const listener of [...listeners]) listener(generation);
  });

  return {
    query(rules, budget) {
      const checked = checkRules(rules);
      if (checked.kind === 'bad') return { kind: 'refused', path: checked.path, reason: checked.reason };
      const evaluated = evaluate(checked.value, source.now(), budget);
      if (evaluated.kind === 'values') return evaluated;
      return { kind: 'refused', path: `rules.${evaluated.rule}`, reason: evaluated.reason };
    },
    follow(rules) {
      const checked = checkRules(rules);
      if (checked.kind === 'bad') return { kind: 'refused', path: checked.path, reason: checked.reason };
      const following = follow(checked.value);
      return { kind: 'followed', next: (budget) => following(source.now(), budget) };
    },
    onScan(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    status() {
      const health = scanner.health();
      return {
        version,
        startup_time: startupTime,
        current_time: Date.now(),
        boot_time: bootTime,
        scan_duration: health.lastScanMs,
        scan_time: scanner.snapshot().timestamp,
        storage: storage?.status() ?? null,
        self_report: report(),
        threads_report: threads(),
        processes: processes().rows.length,
        unreadable: unreadable(processes().rows),
        health,
      };
    },
    scanMs: () => scanner.health().lastScanMs,
    brief() {
      const { generation, timestamp } = scanner.snapshot();
      const old = table === null || generation - table.generation > countedForScans;
      return {
        startup_time: startupTime,
        boot_time: bootTime,
        scan_time: timestamp,
        scan_duration: scanner.health().lastScanMs,
        processes: (old ? processes() : (table ?? processes())).rows.length,
      };
    },
    healthy: () => Date.now() - scanner.snapshot().timestamp < unhealthyAfterScans * intervalMs,
    processes: () => processes().rows,
    metrics: (passes) => tips(source.now(), passes),
    anomalies() {
      const { index } = source.now();
      return scanner
        .anomalies()
        .flatMap(({ id, score, since }) => {
          const labels = index.labels(id);
          return labels === undefined ? [] : [{ labels, score, since }];
        })
        .sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
    },
    moment: () => source.now(),
    samplesSince: (passes, sinceMs) => samplesSince(source.now(), passes, sinceMs),
    usageOfContainers(containers) {
      const now = source.now();
      const { rows, tree } = processes();
      return containers.map((container) => usageOf(now, rows, tree, container));
    },
    machineUsage: () => machineUsage(source.now()),
    async stop() {
      listeners.clear();
      scanner.stop();
      await storage?.stop();
    },
  };
}

function openStorage(
  scanner: Scanner,
  store: NonNullable<CantalOptions['store']>,
  log: (message: string) => void,
): Storage {
  const options = { scanner, ...store, log };
  restoreHistory(options, Date.now());
  return startStorage(options);
}

/** One scan of a scanner that was not started, for the command line. */
export function scanTips(scanner: Scanner): readonly MetricTip[] {
  return tips(scannerSource(scanner).now(), () => true);
}

function tips(source: SeriesSource, passes: Regex): readonly MetricTip[] {
  const timestamp = source.scanTimes[0] ?? 0;
  const numbers = source.index.ids().flatMap((id): MetricTip[] => {
    const kind = source.kind(id);
    const labels = source.index.labels(id);
    if (kind === undefined || labels === undefined || !passes(nameOf(labels))) return [];
    const value = source.tip(id);
    return value === null ? [] : [{ labels, value: [kind, sampleToJson(value)], timestamp }];
  });
  const states = source.states().flatMap(({ labels, since, text, timestamp: seen }): MetricTip[] => {
    return passes(nameOf(labels)) ? [{ labels, value: ['State', [since, text]], timestamp: seen }] : [];
  });
  return [...numbers, ...states];
}

function* samplesSince(source: SeriesSource, passes: Regex, sinceMs: number): Generator<SampledSeries> {
  const end = source.scanTimes.findIndex((time) => time <= sinceMs);
  const scans = end < 0 ? source.scanTimes.length : end;
  for (const id of source.index.ids()) {
    const kind = source.kind(id);
    const labels = source.index.labels(id);
    if (kind === undefined || labels === undefined || !passes(nameOf(labels))) continue;
    const samples = source.history(id, scans).flatMap((sample, index) => {
      const value = sampleToJson(sample);
      return value === null ? [] : [[source.scanTimes[index] ?? 0, value] as const];
    });
    const [last] = samples;
    if (last !== undefined)
      yield { tip: { labels, value: [kind, last[1]], timestamp: last[0] }, samples: samples.reverse() };
  }
}

const nameOf = (labels: Labels): string => labels.metric ?? labels.state ?? '';

/** proc(5) stat, line btime; where it cannot be read, as near as the uptime tells. */
function bootTimeMs(procRoot: string): number {
  try {
    const seconds = /^btime (\d+)$/m.exec(readFileSync(join(procRoot, 'stat'), 'utf8'))?.[1];
    if (seconds !== undefined) return Number(seconds) * 1000;
  } catch {
    // Not readable: the uptime is good to a second or so.
  }
  return Math.round(Date.now() - uptime() * 1000);
}
