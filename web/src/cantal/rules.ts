import { formatBytes } from '../format.ts';
import { hourMs } from './answer.ts';

/** Rules of the query language (docs/cantal.md, "Queries"). */
export type Condition = readonly [string, ...unknown[]];

export const like = (label: string, regex: string): Condition => ['RegexLike', label, regex];
export const equal = (label: string, value: string): Condition => ['Eq', label, value];
export const has = (label: string): Condition => ['Has', label];
export const not = (condition: Condition): Condition => ['Not', condition];
export const all = (first: Condition, ...others: readonly Condition[]): Condition => joined('And', [first, ...others]);
export const any = (first: Condition, ...others: readonly Condition[]): Condition => joined('Or', [first, ...others]);

/** As a balanced tree: the agent refuses deep ones. */
function joined(how: 'And' | 'Or', conditions: readonly Condition[]): Condition {
  const [only] = conditions;
  if (conditions.length === 1 && only !== undefined) return only;
  const middle = conditions.length >> 1;
  return [how, joined(how, conditions.slice(0, middle)), joined(how, conditions.slice(middle))];
}

export type Fold = readonly [string, ...unknown[]];

const rule = (condition: Condition, extract: readonly unknown[], functions: readonly Fold[]) => ({
  series: { source: 'Fine', condition },
  extract,
  functions,
});

export const perSecondFold: Fold = ['NonNegativeDerivative'];
export const sumOfAll: Fold = ['Sum', 'Ignore'];
export const sumBy = (...labels: readonly string[]): Fold => ['SumBy', labels, 'Ignore'];

export const hourOf = (condition: Condition, ...functions: readonly Fold[]) =>
  rule(condition, ['HistoryByTime', hourMs], functions);
export const tipOf = (condition: Condition, ...functions: readonly Fold[]) => rule(condition, ['Tip'], functions);
/** Mean growth per second over the newest samples, as a tip. */
export const rateOf = (condition: Condition, samples: number, ...functions: readonly Fold[]) =>
  rule(condition, ['HistoryByNum', samples], [['Rate'], ...functions]);
export const growthOf = (condition: Condition, samples: number, ...functions: readonly Fold[]) =>
  rule(condition, ['DiffToAtMost', samples], functions);

/** Loopback and virtual neighbours say little about the host. */
export const realInterface = not(like('interface', '^(lo|tun.*|vboxnet.*)$'));
/** Whole disks: partitions would count twice. */
export const wholeDisk = like('device', '^(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)$');
/** All cores together: the single ones have the label `cpu`. */
export const cpuTicks = all(
  like('metric', '^cpu\\.(user|nice|system|idle|iowait|irq|softirq|steal)$'),
  not(has('cpu')),
);
/** Of them those in which something was done. */
export const busyTicks = all(like('metric', '^cpu\\.(user|nice|system|irq|softirq|steal)$'), not(has('cpu')));
/** One series for each core. */
export const whichCpus = all(equal('metric', 'cpu.idle'), has('cpu'));

/** Upper ends of the bands of a strip: percent of one core, bytes per second of 1, 100 Mbit/s and 1, 10 Gbit/s. */
export const cpuEdges = [100, 200, 800, 1600, 6400];
export const networkEdges = [125e3, 12.5e6, 125e6, 1.25e9];
export const networkEdgeWords = ['1 Mbit/s', '100 Mbit/s', '1 Gbit/s', '10 Gbit/s'];
export const diskBytesEdges = [1, 10, 100, 1024, 10_240].map((mib) => mib * 1024 * 1024);
export const diskOpsEdges = [10, 100, 1000, 10_000, 100_000];
export const queueEdges = [1, 4, 16, 64, 256];
export const loadEdges = [1, 2, 8, 16, 64];
export const stallEdges = [1, 10, 25, 50, 100];

export interface MemoryUse {
  readonly total: number;
  readonly used: number;
  /** 0 … 1 of the total. */
  readonly usedShare: number;
  readonly cachedShare: number;
  readonly words: string;
}

/** What is in use: all but what is free or would be given back. Null: nothing is known. */
export function memoryUse(at: (metric: string) => number | null | undefined): MemoryUse | null {
  const total = at('memory.MemTotal') ?? 0;
  if (total <= 0) return null;
  const cached = (at('memory.Buffers') ?? 0) + (at('memory.Cached') ?? 0);
  const used = Math.max(0, total - (at('memory.MemFree') ?? 0) - cached);
  const words = `${formatBytes(used)} used, ${formatBytes(cached)} cached of ${formatBytes(total)}`;
  return { total, used, usedShare: used / total, cachedShare: cached / total, words };
}
