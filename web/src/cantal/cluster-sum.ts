import type { Column } from '../plot-data.ts';
import { type Dataset, emptyTable, readDataset, sumOf, type Table } from './answer.ts';

/** Per second, of one core. */
const ticksPerCore = 100;

/** POST /v1/query_cluster */
export interface ClusterAnswer {
  readonly values: Readonly<Record<string, Dataset>>;
  readonly hosts_per_bucket: Readonly<Record<string, readonly number[]>>;
}

export interface Total {
  readonly times: readonly number[];
  /** Percent of all cores, and of all memory. */
  readonly cpu: Column;
  readonly memory: Column;
  /** Of the newest step that has them. */
  readonly cores: number | null;
  readonly memoryUsed: number | null;
  readonly memoryTotal: number | null;
  /** How many hosts are in a step, fewest and most. */
  readonly hosts: readonly [number, number] | null;
}

const tableOf = (answer: ClusterAnswer, rule: string): Table => {
  const dataset = answer.values[rule];
  const read = dataset === undefined ? null : readDataset(dataset);
  return read?.kind === 'table' ? read.table : emptyTable;
};

export function totalOf(answer: ClusterAnswer): Total {
  const [cpu, memory] = [tableOf(answer, 'cpu'), tableOf(answer, 'memory')];
  const times = [...new Set([...cpu.times, ...memory.times])].sort((a, b) => a - b);
  const columnOf = (table: Table, passes: (metric: string) => boolean): Column => {
    const sums = sumOf(table, ({ metric = '' }) => passes(metric));
    const at = new Map(table.times.map((time, index) => [time, sums[index] ?? null]));
    return times.map((time) => at.get(time) ?? null);
  };
  const all = columnOf(cpu, () => true);
  const busy = columnOf(cpu, (metric) => metric !== 'cpu.idle' && metric !== 'cpu.iowait');
  const [total, free, buffers, cached] = ['MemTotal', 'MemFree', 'Buffers', 'Cached'].map((name) =>
    columnOf(memory, (metric) => metric === `memory.${name}`),
  );
  const used = times.map((_, index) => {
    const [of, ...rest] = [total, free, buffers, cached].map((column) => column?.[index] ?? null);
    return of == null ? null : rest.reduce<number>((left, part) => left - (part ?? 0), of);
  });
  // Of the newest step a scan or two may be all there is.
  const last = (column: Column | undefined) => column?.findLast((value) => value !== null) ?? null;
  const ticks = last(all);
  const counts = answer.hosts_per_bucket.cpu ?? [];
  return {
    times,
    cpu: shares(busy, all),
    memory: shares(used, total ?? []),
    cores: ticks === null ? null : Math.round(ticks / ticksPerCore),
    memoryUsed: last(used),
    memoryTotal: last(total),
    hosts: counts.length === 0 ? null : [Math.min(...counts), Math.max(...counts)],
  };
}

const shares = (parts: Column, wholes: Column): Column =>
  parts.map((part, index) => {
    const whole = wholes[index] ?? null;
    return part === null || whole === null || whole <= 0 ? null : (100 * part) / whole;
  });
