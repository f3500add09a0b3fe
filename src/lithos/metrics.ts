import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import type { Counts, State } from './supervise/state.ts';

/** One number of the tree: lithos 6. */
export interface Metric {
  readonly kind: 'counter' | 'level';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Totals {
  readonly sandboxes: number;
  /** Configured instances. */
  readonly containers: number;
  /** Starts of the tree, and reloads in place. */
  readonly restarts: number;
  /** Knots that are no part of any config any more, and children that nobody here started. */
  readonly unknown: number;
}

/** `node`: a label that tells apart several trees on one host; null: none. */
export function metricsOf(state: State, totals: Totals, node: string | null): readonly Metric[] {
  const label = (metric: string): Readonly<Record<string, string>> =>
    node === null ? { group: 'lithos', metric } : { group: 'lithos', metric, node };
  const counter = (metric: string, value: number): Metric => ({ kind: 'counter', labels: label(metric), value });
  const level = (metric: string, value: number): Metric => ({ kind: 'level', labels: label(metric), value });

  const instances = [...state.instances.values()];
  const running = new Map<string, number>();
  for (const { sandbox, process, phase } of instances) {
    const key = `${sandbox}.${process}`;
    running.set(key, (running.get(key) ?? 0) + (phase === 'running' ? 1 : 0));
  }
  const sum = (pick: keyof Counts): number => [...state.counts.values()].reduce((all, counts) => all + counts[pick], 0);
  const keys = [...new Set([...running.keys(), ...state.counts.keys()])].sort();
  return [
    counter('master.restarts', totals.restarts),
    level('master.sandboxes', totals.sandboxes),
    level('master.containers', totals.containers),
    level('master.queue', instances.filter(({ phase }) => phase === 'waiting' || phase === 'stopping').length),
    counter('containers.started', sum('started')),
    counter('containers.deaths', sum('deaths')),
    counter('containers.failures', sum('failures')),
    counter('containers.oom_kills', sum('oomKills')),
    level('containers.unknown', totals.unknown),
    level('containers.running', instances.filter(({ phase }) => phase === 'running').length),
    ...keys.flatMap((key) => [
      counter(`processes.${key}.started`, state.counts.get(key)?.started ?? 0),
      counter(`processes.${key}.deaths`, state.counts.get(key)?.deaths ?? 0),
      counter(`processes.${key}.failures`, state.counts.get(key)?.failures ?? 0),
      counter(`processes.${key}.oom_kills`, state.counts.get(key)?.oomKills ?? 0),
      level(`processes.${key}.running`, running.get(key) ?? 0),
    ]),
  ];
}

/** The same numbers for node_exporter's textfile collector (OpenMetrics 1.0 text, without units). */
export function openMetrics(metrics: readonly Metric[]): string {
  const families = new Map<string, string[]>();
  for (const { kind, labels, value } of metrics) {
    const [, sandbox, process, what] = /^processes\.([\w-]+)\.([\w-]+)\.(\w+)$/.exec(labels.metric ?? '') ?? [];
    const base = what === undefined ? (labels.metric ?? '').replace('.', '_') : `process_${what}`;
    const node = labels.node === undefined ? [] : [`node=${JSON.stringify(labels.node)}`];
    const own = what === undefined ? [] : [`sandbox="${sandbox}"`, `process="${process}"`];
    const name = `lithos_${base}${kind === 'counter' ? '_total' : ''}`;
    const text = [...own, ...node].length === 0 ? '' : `{${[...own, ...node].join(',')}}`;
    const header = `# TYPE ${name} ${kind === 'counter' ? 'counter' : 'gauge'}`;
    families.set(header, [...(families.get(header) ?? []), `${name}${text} ${value}`]);
  }
  return [...families].map(([header, lines]) => `${[header, ...lines].join('\n')}\n`).join('');
}

const wordBytes = 8;

export interface MetricsFile {
  write(metrics: readonly Metric[]): void;
  remove(): void;
}

/** The file pair PATH.meta, PATH.values that cantal reads (cantal 3): a new pair where the set of metrics changes. */
export function metricsFile(path: string): MetricsFile {
  let description = '';
  let fd: number | null = null;
  const close = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  const remove = (): void => {
    close();
    rmSync(`${path}.meta`, { force: true });
    rmSync(`${path}.values`, { force: true });
  };
  const replace = (name: string, bytes: Uint8Array | string): void => {
    writeFileSync(`${path}.tmp`, bytes, { mode: 0o644 });
    renameSync(`${path}.tmp`, name);
  };
  return {
    write(metrics) {
      const meta = metrics
        .map(
          ({ kind, labels }) => `${kind === 'counter' ? 'counter 8' : 'level 8 signed'}: ${JSON.stringify(labels)}\n`,
        )
        .join('');
      if (fd === null || meta !== description) {
        // In this order a reader that sees the description finds its values.
        remove();
        replace(`${path}.values`, bytesOf(metrics));
        replace(`${path}.meta`, meta);
        fd = openSync(`${path}.values`, 'r+');
        description = meta;
        return;
      }
      // One aligned word at a time: a reader sees whole numbers.
      const bytes = bytesOf(metrics);
      for (let at = 0; at < bytes.length; at += wordBytes) writeSync(fd, bytes, at, wordBytes, at);
    },
    remove,
  };
}

function bytesOf(metrics: readonly Metric[]): Buffer {
  const bytes = Buffer.alloc(metrics.length * wordBytes);
  const little = endianness() === 'LE';
  metrics.forEach(({ value }, index) => {
    if (little) bytes.writeBigInt64LE(BigInt(Math.trunc(value)), index * wordBytes);
    else bytes.writeBigInt64BE(BigInt(Math.trunc(value)), index * wordBytes);
  });
  return bytes;
}
