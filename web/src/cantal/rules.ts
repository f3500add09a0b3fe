import { hourMs } from './answer.ts';

/** Rules of the query language (docs/cantal.md, "Queries"). */
export type Condition = readonly [string, ...unknown[]];

export const like = (label: string, regex: string): Condition => ['RegexLike', label, regex];
export const equal = (label: string, value: string): Condition => ['Eq', label, value];
export const has = (label: string): Condition => ['Has', label];
export const not = (condition: Condition): Condition => ['Not', condition];
export const all = (first: Condition, ...others: readonly Condition[]): Condition =>
  others.reduce<Condition>((left, right) => ['And', left, right], first);
export const any = (first: Condition, ...others: readonly Condition[]): Condition =>
  others.reduce<Condition>((left, right) => ['Or', left, right], first);

export type Fold = readonly [string, ...unknown[]];

const rule = (condition: Condition, extract: readonly unknown[], functions: readonly Fold[]) => ({
  series: { source: 'Fine', condition },
  extract,
  functions,
});

export const perSecondFold: Fold = ['NonNegativeDerivative'];
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
