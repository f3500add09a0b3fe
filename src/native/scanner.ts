/**
 * Typed face of the `scanner` addon (native/scanner, native/history).
 *
 * The scan runs on its own thread with its own store; nothing here waits for it longer than a pointer swap.
 * Times are milliseconds since the epoch. Sources: proc(5), cgroups(7), Documentation/admin-guide/cgroup-v2.rst,
 * spec/cantal.md sections 3 to 5.
 */
import { endianness } from 'node:os';
import { addressText } from '../http/address.ts';
import { loadAddon } from './load.ts';

export interface ScannerOptions {
  /** Scan period; default 2000. */
  readonly intervalMs: number;
  /** Default 3 600 000. */
  readonly keepHistoryMs: number;
  readonly procRoot: string;
  readonly sysRoot: string;
  /** Default 100 000 (spec 5.4): beyond it new series are refused and counted. */
  readonly maxSeries: number;
  /**
   * Series of single processes: `true` by pid, `by-name` those of one name and cgroup together, `false` none. What the
   * processes of a cgroup add up to (`processes.rss` and so on) is there in any case.
   */
  readonly processMetrics: boolean | 'by-name';
  /** Ticks of each processor also where there are more than 64; default false. */
  readonly perCpu: boolean;
  /** `psi.….avg10`, `.avg60`, `.avg300` beside the totals; default false. */
  readonly pressureAverages: boolean;
}

/** Bytes of `kinds` in a snapshot. */
export const SeriesKind = { counter: 0, integer: 1, float: 2, state: 3 } as const;

export interface SeriesKey {
  readonly id: number;
  readonly kind: number;
  /** Sorted by label name. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Views over the newest finished scan, no copy per value: index = series id. Valid until the scan after the next;
 * `generation` tells whether it is still the same. Values are raw 64-bit words: u64 for counters, i64 for integers,
 * f64 for floats (three views over the same bytes). `fresh[id]` = 1 where the series was seen in this very scan.
 */
export interface Snapshot {
  readonly generation: number;
  readonly timestamp: number;
  readonly seriesCount: number;
  readonly unsigned: BigUint64Array;
  readonly signed: BigInt64Array;
  readonly float: Float64Array;
  readonly kinds: Uint8Array;
  readonly fresh: Uint8Array;
}

/** One series, newest first, aligned with the shared timestamps: `values[i]` belongs to `timestamps[i]`; NaN = missing. */
export interface SeriesHistory {
  readonly kind: number;
  readonly timestamps: Float64Array;
  /** Counters and integers beyond 2^53 lose precision here; `exact` has them. */
  readonly values: Float64Array;
  readonly exact: BigInt64Array;
}

export interface ProcessRow {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly state: string;
  readonly cmdline: string;
  readonly cgroup: string | null;
  /** The first 12 digits of the container's id; null: in no container that has one. */
  readonly container: string | null;
  /** docker, containerd, cri-o, podman, systemd-nspawn, lxc, lithos, libvirt. */
  readonly runtime: string | null;
  readonly vsize: number;
  readonly rss: number;
  readonly swap: number;
  readonly threads: number;
  /** Clock ticks since boot (proc(5) stat field 22): with the pid, a process's identity. */
  readonly startTime: number;
  readonly startTimestamp: number;
  /** Clock ticks. */
  readonly userTime: number;
  readonly systemTime: number;
  readonly childUserTime: number;
  readonly childSystemTime: number;
  readonly readBytes: number | null;
  readonly writeBytes: number | null;
  /** Open files, counted at each fifth scan; null for threads of the kernel. */
  readonly fds: number | null;
  /** Context switches of the main thread; proc_pid_status(5). */
  readonly voluntarySwitches: number | null;
  readonly involuntarySwitches: number | null;
  /** 0 to 2000, read once a minute; proc_pid_oom_score(5). */
  readonly oomScore: number | null;
}

export interface StateValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly timestamp: number;
  /** When the state was entered; 0 = left. */
  readonly since: number;
  readonly text: string;
}

/** A series that does not do what it did in its hour. */
export interface AnomalyRow {
  /** Of the series. */
  readonly id: number;
  /** Standard deviations from its mean; below 0: less than usual. */
  readonly score: number;
  /** Time stamp of the scan in which it began. */
  readonly since: number;
}

export interface ScannerHealth {
  readonly scans: number;
  readonly missedScans: number;
  readonly lastScanMs: number;
  readonly phasesUs: Readonly<Record<string, number>>;
  readonly series: number;
  readonly refusedSeries: number;
  readonly historyBytes: number;
  readonly historySamples: number;
  readonly filesRead: number;
  /** By how much the newest time stamp is ahead of the clock, which was set back; 0: it is not. */
  readonly clockAheadMs: number;
  /** Scans since the start whose stamps were ahead of the clock: they lie up to a tenth closer than they were made. */
  readonly scansAhead: number;
  /** Reason → count, for values files that were refused, with the newest message of each. */
  readonly rejected: Readonly<Record<string, { readonly count: number; readonly message: string }>>;
  /**
   * What this user may not read, as of the last scan: file of /proc/PID (`io`, `environ`) or `cgroup` → of how many
   * processes or groups, and the system's word for why.
   */
  readonly denied: Readonly<Record<string, { readonly count: number; readonly reason: string }>>;
  /** Processor time of saveHistory(), µs. */
  readonly storageUs: { readonly user: number; readonly system: number };
}

/** A number that the program tells of itself. Counters and integers are whole, up to 2^53. */
export interface OwnMetric {
  /** Default: cantal. */
  readonly group?: string;
  readonly name: string;
  readonly kind: 'counter' | 'integer' | 'float';
  readonly value: number;
}

/** Bytes; of a page that n processes share, each has one nth. proc_pid_smaps(5). */
export interface MemoryShare {
  readonly pss: number;
  readonly pssAnon: number;
  readonly pssFile: number;
  readonly pssShmem: number;
  readonly swapPss: number;
}

export interface RestoredHistory {
  /** Why nothing was taken; null: all that is young enough was. */
  readonly problem: string | null;
  readonly series: number;
  readonly samples: number;
  /** Scans left out because they are newer than now: the clock was set back since. */
  readonly newerScans: number;
}

export interface Scanner {
  /** Starts the thread; the callback runs on the event loop after each scan (merged when the loop is behind). */
  start(onScan: (generation: number) => void): void;
  stop(): void;
  /** One scan on the calling thread, for `--once`, tests and the bench. Returns its duration in ms. */
  scanOnce(): number;
  snapshot(): Snapshot;
  /** Keys of series with id >= from, to follow the growing table. An id whose series expired may be reused: then `keyGeneration` rises. */
  keysSince(from: number): readonly SeriesKey[];
  keyGeneration(): number;
  /** The newest `samples` scans of one series (at most what is kept), or null for an unknown id. */
  history(id: number, samples: number): SeriesHistory | null;
  /**
   * Puts the samples from the scan stamped `newestMs` back, newest first, into all of `into`; NaN = missing. False, and
   * `into` is not to be used: there is no such series or scan, or a whole number is beyond what a number holds exactly.
   */
  floats(id: number, newestMs: number, into: Float64Array): boolean;
  processes(): readonly ProcessRow[];
  states(): readonly StateValue[];
  /** Of the newest scan (native/history/watch.hpp). */
  anomalies(): readonly AnomalyRow[];
  health(): ScannerHealth;
  /** The kept history as bytes (native/history/snapshot.hpp), copied on another thread. */
  saveHistory(): Promise<Buffer>;
  /** Takes what saveHistory() gave, before the first scan. Any bytes may be given. */
  restoreHistory(bytes: Buffer, nowMs: number): RestoredHistory;
  /** Puts numbers into each scan from the next one on, as `{"group":GROUP,"metric":NAME}`; told anew, they change. */
  report(metrics: readonly OwnMetric[]): void;
  /** Messages since the last call ("refused /x.meta line 3: …"), each said once per file generation. */
  messages(): readonly string[];
}

/** One TCP or UDP socket of this network namespace. */
export interface SocketRow {
  readonly protocol: 'tcp' | 'udp';
  readonly family: 4 | 6;
  /** "10.0.0.1:80", "[::1]:80" */
  readonly local: string;
  readonly remote: string;
  readonly localPort: number;
  readonly remotePort: number;
  /** 1 ESTABLISHED … 11 CLOSING, as in /proc/net/tcp. */
  readonly state: number;
  /** Bytes. */
  readonly receiveQueue: number;
  readonly sendQueue: number;
  readonly uid: number;
}

/** Of native/scanner/socket_table.hpp. */
const socketRecordBytes = 56;
const ipprotoUdp = 17;

/** Asks the kernel by sock_diag(7), on another thread. Rejects where it does not answer, with the call and the reason. */
export async function readSockets(): Promise<readonly SocketRow[]> {
  const bytes = await (loadAddon('scanner') as ScannerAddon).readSockets();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const rows: SocketRow[] = [];
  for (let at = 0; at < bytes.length; at += socketRecordBytes) rows.push(socketRow(bytes, view, at));
  return rows;
}

const littleEndian = endianness() === 'LE';

/** Of 200 000 sockets a thousand are shown: an address becomes text where somebody looks at it. */
function socketRow(bytes: Buffer, view: DataView, at: number): SocketRow {
  const family = bytes[at + 36] === 6 ? 6 : 4;
  const localPort = view.getUint16(at + 32, littleEndian);
  const remotePort = view.getUint16(at + 34, littleEndian);
  return {
    protocol: bytes[at + 37] === ipprotoUdp ? 'udp' : 'tcp',
    family,
    get local() {
      return hostPort(bytes.subarray(at, at + 16), family, localPort);
    },
    get remote() {
      return hostPort(bytes.subarray(at + 16, at + 32), family, remotePort);
    },
    localPort,
    remotePort,
    state: bytes[at + 38] ?? 0,
    receiveQueue: view.getUint32(at + 40, littleEndian),
    sendQueue: view.getUint32(at + 44, littleEndian),
    uid: view.getUint32(at + 48, littleEndian),
  };
}

const hostPort = (address: Buffer, family: 4 | 6, port: number): string =>
  family === 4 ? `${addressText(address.subarray(0, 4))}:${port}` : `[${addressText(address)}]:${port}`;

/** How much memory is a process's own; asks the kernel on another thread. Rejects with the call and the reason. */
export function readPss(pid: number, procRoot = '/proc'): Promise<MemoryShare> {
  return (loadAddon('scanner') as ScannerAddon).readPss(procRoot, pid);
}

/** Of a thread that ends the process when `beat` is not called for the time that was given. */
export interface StallWatch {
  beat(): void;
  stop(): void;
}

/**
 * Without a beat for `limitMs` the process says so on standard error and exits at once with `exitCode`. While the process
 * or the machine is suspended, that time stands still too.
 */
export function watchEventLoop(limitMs: number, exitCode: number): StallWatch {
  return (loadAddon('scanner') as ScannerAddon).watchEventLoop(limitMs, exitCode);
}

interface NativeScanner extends Omit<Scanner, 'report'> {
  reportNumbers(
    metrics: readonly {
      readonly group: string;
      readonly name: string;
      readonly kind: number;
      readonly value: number;
    }[],
  ): void;
}

interface ScannerAddon {
  readSockets(): Promise<Buffer>;
  readPss(procRoot: string, pid: number): Promise<MemoryShare>;
  createScanner(options: ScannerOptions): NativeScanner;
  watchEventLoop(limitMs: number, exitCode: number): StallWatch;
}

export function createScanner(options: Partial<ScannerOptions> = {}): Scanner {
  const addon = loadAddon('scanner') as ScannerAddon;
  const native = addon.createScanner({
    intervalMs: 2000,
    keepHistoryMs: 3_600_000,
    procRoot: '/proc',
    sysRoot: '/sys',
    maxSeries: 100_000,
    processMetrics: true,
    perCpu: false,
    pressureAverages: false,
    ...options,
  });
  return Object.assign(native, {
    report: (metrics: readonly OwnMetric[]) =>
      native.reportNumbers(
        metrics.map(({ group = 'cantal', name, kind, value }) => ({ group, name, kind: SeriesKind[kind], value })),
      ),
  });
}
