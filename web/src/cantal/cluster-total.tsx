import { formatBytes, formatCount, unknown } from '../format.ts';
import type { Column } from '../plot-data.ts';
import { type Dataset, emptyTable, readDataset, sumOf, type Table } from './answer.ts';
import { usePoll } from './poll.ts';
import type { Range } from './range.ts';
import { cpuTicks, hourOf, like, perSecondFold, sumBy } from './rules.ts';
import { Strips } from './strips.tsx';
import { percent } from './units.ts';

const stepMs = 30_000;
const everyMs = 15_000;
/** Each host folds its own, and sends only the steps since the last time. */
const question = {
  rules: {
    cpu: hourOf(cpuTicks, perSecondFold, sumBy('metric')),
    memory: hourOf(like('metric', '^memory\\.(MemTotal|MemFree|Buffers|Cached)$'), sumBy('metric')),
  },
  fold: { step: stepMs, across: 'Sum', by: ['metric'] },
};
/** Upper ends of the bands: percent of what all hosts have together. */
const shareEdges = [25, 50, 75, 90];
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

/** All hosts as if they were one. */
export function ClusterTotal({ range }: { range: Range }) {
  const { value, problem } = usePoll<ClusterAnswer>('/v1/query_cluster', everyMs, question);
  if (value === null) return problem === null ? null : <p class="trouble">{problem}</p>;
  const { times, cpu, memory, cores, memoryUsed, memoryTotal, hosts } = totalOf(value);
  if (times.length === 0) return null;
  return (
    <section aria-labelledby="total-title">
      <div class="bar">
        <h2 id="total-title">All hosts together</h2>
        <p class="muted">
          {cores === null ? unknown : formatCount(cores)} cores, {formatBytes(memoryUsed)} of {formatBytes(memoryTotal)}{' '}
          memory
          {hosts !== null && hosts[0] !== hosts[1] && `; over the time from ${hosts[0]} to ${hosts[1]} hosts`}
        </p>
      </div>
      <Strips
        groups={[
          {
            title: 'Share of all',
            unit: percent,
            edges: shareEdges,
            // A strip draws a value up to its time; a step is stamped with its start.
            times: times.map((time) => time + stepMs),
            lines: [
              { label: 'CPU', column: cpu },
              { label: 'memory', column: memory },
            ],
          },
        ]}
        range={range}
      />
    </section>
  );
}
