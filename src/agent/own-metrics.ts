import { Counter, type Exported, exportMetrics, Float, Integer } from '../../clients/node/index.js';
import type { Backlog } from '../cantal/sinks/sink.ts';
import type { PacketCounts } from '../cluster/packet-counts.ts';
import type { OwnMetric, ScannerHealth } from '../native/scanner.ts';

export interface AgentNumbers {
  readonly webSocketClients: number;
  readonly backlog: { readonly carbon: Backlog; readonly others: Backlog };
  /** Null: in no cluster. */
  readonly packets: PacketCounts | null;
}

/** What the agent tells of itself beside what its scanner does: spec cantal 4.6. */
export function agentMetrics({ webSocketClients, backlog, packets }: AgentNumbers): readonly OwnMetric[] {
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  return [
    { name: 'websocket.clients', kind: 'integer', value: webSocketClients },
    { name: 'carbon.queued', kind: 'integer', value: backlog.carbon.queued },
    { name: 'carbon.dropped', kind: 'counter', value: backlog.carbon.dropped },
    { name: 'push.queued', kind: 'integer', value: backlog.others.queued },
    { name: 'push.dropped', kind: 'counter', value: backlog.others.dropped },
    ...(packets === null
      ? []
      : ([
          { name: 'gossip.packets_received', kind: 'counter', value: packets.received },
          { name: 'gossip.packets_sent', kind: 'counter', value: packets.sent },
          { name: 'gossip.packets_refused', kind: 'counter', value: sum(Object.values(packets.refused)) },
        ] as const)),
  ];
}

/** The scanner's own, for those who read the exported file; in the history it puts them itself. */
export function scannerMetrics(health: ScannerHealth): readonly OwnMetric[] {
  return [
    { name: 'scan.number', kind: 'counter', value: health.scans },
    { name: 'scan.missed', kind: 'counter', value: health.missedScans },
    { name: 'scan.duration', kind: 'integer', value: Math.round(health.lastScanMs * 1000) },
    { name: 'series.number', kind: 'integer', value: health.series },
    { name: 'series.refused', kind: 'counter', value: health.refusedSeries },
    { name: 'history.bytes', kind: 'integer', value: health.historyBytes },
  ];
}

export interface OwnExport {
  /** The same names as at the beginning. */
  set(metrics: readonly OwnMetric[]): void;
  close(): void;
}

/**
 * The agent exports as any program does (clients/node), where its environment has CANTAL_PATH. The variable is taken out of
 * it: the scanner sees the environment at exec, and programs that the agent starts must not write the same files.
 */
export function exportOwn(
  environment: NodeJS.ProcessEnv,
  metrics: readonly OwnMetric[],
  warn: (line: string) => void,
): OwnExport | null {
  const path = environment.CANTAL_PATH;
  if (path === undefined || path === '') return null;
  delete environment.CANTAL_PATH;
  const exported = new Map(
    metrics.map((metric) => {
      const { group = 'cantal', name, kind } = metric;
      return [keyOf(metric), metricOf(kind)({ metric: name, group })] as const;
    }),
  );
  let files: Exported;
  try {
    files = exportMetrics([...exported.values()], { path: path.replace(/\/+$/, '') });
  } catch (error) {
    // Monitoring the monitor is not worth its end.
    warn(`CANTAL_PATH=${path}: the agent cannot export its own numbers: ${(error as Error).message}`);
    return null;
  }
  const set = (all: readonly OwnMetric[]): void => {
    for (const metric of all) exported.get(keyOf(metric))?.set(metric.value);
  };
  set(metrics);
  return { set, close: () => files.close() };
}

const keyOf = ({ group = 'cantal', name }: OwnMetric): string => `${group} ${name}`;

function metricOf(kind: OwnMetric['kind']): (labels: Readonly<Record<string, string>>) => Counter | Integer | Float {
  switch (kind) {
    case 'counter':
      return (labels) => new Counter(labels);
    case 'integer':
      return (labels) => new Integer(labels);
    case 'float':
      return (labels) => new Float(labels);
    default:
      return kind satisfies never;
  }
}
