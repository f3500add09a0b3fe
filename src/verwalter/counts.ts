import type { Effect, Event } from './state.ts';

/** What happened since the start of this process. */
export interface Counts {
  /** That a round has seen. */
  readonly actionsExecuted: number;
  readonly roundsSucceeded: number;
  readonly roundsFailed: number;
}

export const noCounts: Counts = { actionsExecuted: 0, roundsSucceeded: 0, roundsFailed: 0 };

export const counted = (counts: Counts, event: Event, effects: readonly Effect[]): Counts => {
  const executed = effects.filter((effect) => effect.type === 'action-answered' && effect.status < 400).length;
  const succeeded = event.type === 'round-done' ? 1 : 0;
  const failed = event.type === 'round-failed' ? 1 : 0;
  if (executed + succeeded + failed === 0) return counts;
  return {
    actionsExecuted: counts.actionsExecuted + executed,
    roundsSucceeded: counts.roundsSucceeded + succeeded,
    roundsFailed: counts.roundsFailed + failed,
  };
};
