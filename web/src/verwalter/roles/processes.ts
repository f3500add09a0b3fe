import type { NodeOverview } from '../../api.ts';
import { asNumber, asRecord, asText, type JsonRecord, member } from '../../json.ts';

/** A daemon of a role on a node, as the node's templates see it. */
export interface ProcessRow {
  readonly host: string;
  readonly role: string;
  readonly name: string;
  readonly image: string | null;
  readonly config: string | null;
  /** Null: the schedule does not say how many. */
  readonly wanted: number | null;
  /** Null: it is not known, as the node's containers are not. */
  readonly running: number | null;
}

/** All daemons of all roles on all nodes, in the order of hosts, roles, names. */
export function readProcesses(data: unknown, nodes: readonly NodeOverview[]): readonly ProcessRow[] {
  const scheduled = asRecord(member(data, 'nodes'));
  const roles = asRecord(member(data, 'roles'));
  const everywhere = asRecord(member(member(data, 'vars'), 'daemons'));
  const byHost = new Map(nodes.map((node) => [node.hostname, node] as const));
  return Object.keys(scheduled)
    .sort()
    .flatMap((host) => {
      const node = byHost.get(host);
      const running = node === undefined || node.treeRunning !== true ? null : runningBySandbox(node);
      const ofNode = asRecord(member(member(scheduled[host], 'vars'), 'daemons'));
      const placed = asRecord(member(scheduled[host], 'roles'));
      return Object.keys(placed)
        .sort()
        .flatMap((role) => {
          // As rendering merges them: a daemon is taken whole from the strongest place that has it (spec 5.1).
          const common = asRecord(member(member(roles, role), 'daemons'));
          const daemons: JsonRecord = {
            ...everywhere,
            ...common,
            ...ofNode,
            ...asRecord(member(placed[role], 'daemons')),
          };
          return Object.keys(daemons)
            .sort()
            .map((name): ProcessRow => {
              const wanted = asNumber(member(daemons[name], 'instances'));
              return {
                host,
                role,
                name,
                image: asText(member(daemons[name], 'image')),
                config: asText(member(daemons[name], 'config')),
                wanted,
                running: running === null ? null : (running.get(`${role}/${name}`) ?? running.get(name) ?? 0),
              };
            });
        });
    });
}

/**
 * Running containers by "SANDBOX/PROCESS", as a sandbox by convention bears its role's name, and by the process's name
 * alone where only one sandbox has it.
 */
function runningBySandbox(node: NodeOverview): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const sandboxes = new Map<string, Set<string>>();
  for (const { sandbox, process, phase } of node.containers) {
    const of = sandboxes.get(process) ?? new Set();
    sandboxes.set(process, of.add(sandbox));
    if (phase === 'running') counts.set(`${sandbox}/${process}`, (counts.get(`${sandbox}/${process}`) ?? 0) + 1);
  }
  for (const [process, of] of sandboxes) {
    const [sandbox] = of;
    if (of.size === 1) counts.set(process, counts.get(`${sandbox}/${process}`) ?? 0);
  }
  return counts;
}

export interface Sum {
  readonly wanted: number;
  /** Null: of at least one node it is not known. */
  readonly running: number | null;
  readonly nodes: number;
}

/** By role: instances of all daemons, and on how many nodes the role is placed. */
export function sumsByRole(data: unknown, rows: readonly ProcessRow[]): ReadonlyMap<string, Sum> {
  const sums = new Map<string, { wanted: number; running: number | null; nodes: number }>();
  const of = (role: string) => {
    const found = sums.get(role) ?? { wanted: 0, running: 0, nodes: 0 };
    sums.set(role, found);
    return found;
  };
  for (const node of Object.values(asRecord(member(data, 'nodes'))))
    for (const role of Object.keys(asRecord(member(node, 'roles')))) of(role).nodes += 1;
  for (const row of rows) {
    const sum = of(row.role);
    sum.wanted += row.wanted ?? 0;
    sum.running = sum.running === null || row.running === null ? null : sum.running + row.running;
  }
  return sums;
}
