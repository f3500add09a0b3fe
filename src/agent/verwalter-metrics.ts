import type { Cluster } from '../cluster/shell.ts';
import type { OwnMetric } from '../native/scanner.ts';
import type { Verwalter } from '../verwalter/verwalter.ts';

export interface VerwalterMetricsOptions {
  readonly verwalter: Pick<Verwalter, 'counts' | 'status'>;
  readonly cluster: Pick<Cluster, 'members' | 'electionView'>;
  readonly wallMs: () => number;
}

const electionNames = { asked: 'asked', elections: 'started', won: 'won', steppedDown: 'stepped_down' } as const;

/**
 * What verwalter tells of itself (spec/verwalter.md 7.1). Of the election each thing twice: how often it happened (`_no`)
 * and when it was last seen to have (`_tm`, ms since the epoch; 0 never).
 */
export function verwalterMetrics({ verwalter, cluster, wallMs }: VerwalterMetricsOptions): () => readonly OwnMetric[] {
  const last = new Map<string, { readonly count: number; readonly atMs: number }>();

  return () => {
    const { actionsExecuted, errorsOccurred, rolesFailed, roundsSucceeded, roundsFailed } = verwalter.counts();
    const { errors, failedRoles, lastRound } = verwalter.status();
    const { counts } = cluster.electionView();
    const election = Object.entries(electionNames).flatMap(([key, name]): readonly OwnMetric[] => {
      const count = counts[key as keyof typeof electionNames];
      const before = last.get(name) ?? { count: 0, atMs: 0 };
      const now = count === before.count ? before : { count, atMs: Math.round(wallMs()) };
      last.set(name, now);
      return [
        { group: 'election', name: `${name}_no`, kind: 'counter', value: count },
        { group: 'election', name: `${name}_tm`, kind: 'integer', value: now.atMs },
      ];
    });
    return [
      { group: 'global', name: 'actions_executed', kind: 'counter', value: actionsExecuted },
      // So the original spells it, and dashboards know it.
      { group: 'global', name: 'errors_occured', kind: 'counter', value: errorsOccurred },
      { group: 'global', name: 'roles_failed', kind: 'counter', value: rolesFailed },
      { group: 'global', name: 'current_errors', kind: 'integer', value: Object.keys(errors).length },
      { group: 'global', name: 'current_failing', kind: 'integer', value: failedRoles.length },
      { group: 'peers', name: 'known', kind: 'integer', value: cluster.members().length },
      { group: 'scheduler', name: 'scheduling_time', kind: 'integer', value: Math.round(lastRound?.durationMs ?? 0) },
      { group: 'scheduler', name: 'scheduler_succeeded', kind: 'counter', value: roundsSucceeded },
      { group: 'scheduler', name: 'scheduler_failed', kind: 'counter', value: roundsFailed },
      ...election,
    ];
  };
}
