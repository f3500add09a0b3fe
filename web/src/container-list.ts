import type { Container, NodeOverview } from './api.ts';

export interface ContainerRow {
  readonly container: Container;
  readonly hostname: string;
  /** False where the node's figures are old. */
  readonly reachable: boolean;
}

export interface ContainerGroup {
  readonly process: string;
  readonly rows: readonly ContainerRow[];
  readonly running: number;
  readonly cpuShare: number | null;
  readonly memoryBytes: number | null;
  readonly restarts: number;
}

export type SortKey = 'name' | 'node' | 'state' | 'pid' | 'cpu' | 'memory' | 'restarts' | 'uptime';

export interface Sort {
  readonly key: SortKey;
  readonly descending: boolean;
}

/** First press: figures start with the largest, words with A. Second press turns round. */
export function nextSort(sort: Sort, key: SortKey): Sort {
  if (sort.key === key) return { key, descending: !sort.descending };
  return { key, descending: key === 'cpu' || key === 'memory' || key === 'restarts' || key === 'uptime' };
}

export function containerGroups(nodes: readonly NodeOverview[], filter: string, sort: Sort): ContainerGroup[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const byProcess = new Map<string, ContainerRow[]>();
  for (const node of nodes) {
    for (const container of node.containers) {
      const row = { container, hostname: node.hostname, reachable: node.reachable };
      if (!words.every((word) => haystack(row).includes(word))) continue;
      const rows = byProcess.get(container.process);
      if (rows) rows.push(row);
      else byProcess.set(container.process, [row]);
    }
  }
  return [...byProcess.keys()].sort().map((process) => {
    const rows = (byProcess.get(process) ?? []).sort((a, b) => compareRows(a, b, sort));
    const containers = rows.map((row) => row.container);
    return {
      process,
      rows,
      running: containers.filter((container) => container.phase === 'running').length,
      cpuShare: sumKnown(containers.map((container) => container.cpuShare)),
      memoryBytes: sumKnown(containers.map((container) => container.memoryBytes)),
      restarts: containers.reduce((total, container) => total + container.restarts, 0),
    };
  });
}

function haystack({ container, hostname }: ContainerRow): string {
  const adopted = container.adopted ? 'adopted' : '';
  return `${container.name} ${hostname} ${container.phase} ${container.pid ?? ''} ${adopted}`.toLowerCase();
}

function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

function compareRows(a: ContainerRow, b: ContainerRow, sort: Sort): number {
  const order = compareKey(sortValue(a, sort.key), sortValue(b, sort.key), sort.descending);
  return order || a.hostname.localeCompare(b.hostname) || a.container.instance - b.container.instance;
}

type SortValue = string | number | null;

function sortValue({ container, hostname }: ContainerRow, key: SortKey): SortValue {
  switch (key) {
    case 'name':
      return container.instance;
    case 'node':
      return hostname;
    case 'state':
      return container.phase;
    case 'pid':
      return container.pid;
    case 'cpu':
      return container.cpuShare;
    case 'memory':
      return container.memoryBytes;
    case 'restarts':
      return container.restarts;
    case 'uptime':
      return container.startedAtMs === null ? null : -container.startedAtMs;
    default:
      return key satisfies never;
  }
}

/** What is not known stands last in either direction. */
function compareKey(a: SortValue, b: SortValue, descending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  return descending ? -order : order;
}
