import type { Cantal } from '../cantal/shell.ts';
import { formatProblem } from '../config/problem.ts';
import type { TreeStatus } from '../lithos/status.ts';
import type { Verwalter } from '../verwalter/verwalter.ts';
import type { ContainerReport, NodeReport } from './api.ts';

export interface ReportSources {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly cantal: Pick<Cantal, 'status' | 'machineUsage' | 'usageOfContainers'>;
  readonly verwalter: Pick<Verwalter, 'status'>;
  /** Rejects where no tree answers. */
  readonly treeStatus: () => Promise<TreeStatus>;
}

/** What this node says of itself. A tree that does not answer makes the report shorter, not wrong. */
export async function nodeReport(sources: ReportSources): Promise<NodeReport> {
  const { cantal, verwalter } = sources;
  const tree = await sources.treeStatus().catch(() => null);
  const status = verwalter.status();
  const usage = cantal.machineUsage();
  const problems = (tree?.problems ?? []).map((problem) => `lithos: ${formatProblem(problem)}`);
  return {
    id: sources.id,
    hostname: sources.hostname,
    version: sources.version,
    scanMs: cantal.status().scan_duration,
    ...usage,
    scheduleHash: status.stamp?.hash ?? null,
    renderedHash: status.renderedHash,
    scheduleTimestamp: status.stamp?.timestamp ?? null,
    failedRoles: status.failedRoles,
    errors: [...Object.entries(status.errors).map(([kind, text]) => `${kind}: ${text}`), ...problems],
    treeRunning: tree !== null,
    held: status.held,
    containers: tree === null ? [] : containersOf(tree, cantal),
  };
}

function containersOf({ containers }: TreeStatus, cantal: ReportSources['cantal']): readonly ContainerReport[] {
  const used = new Map(cantal.usageOfContainers(containers).map((usage) => [usage.name, usage] as const));
  return containers.map(({ knotPid: _knot, image: _image, cgroup: _cgroup, ...container }) => ({
    ...container,
    cpuShare: used.get(container.name)?.cpuShare ?? null,
    memoryBytes: used.get(container.name)?.memoryBytes ?? null,
  }));
}

/** As much of a peer's report as shows that it is one: peers have the key, but perhaps another version. */
export function isNodeReport(value: unknown): value is NodeReport {
  if (typeof value !== 'object' || value === null) return false;
  const { id, hostname, containers, failedRoles, errors } = value as Readonly<Record<string, unknown>>;
  return (
    typeof id === 'string' && typeof hostname === 'string' && [containers, failedRoles, errors].every(Array.isArray)
  );
}
