import { openRecordings, roundsOf } from '../recording/recordings.ts';
import { runScheduler, type SchedulerLimits } from '../scheduler/engine.ts';
import { type ReplayedRound, type ReplaySettings, replayer } from './replay-rounds.ts';

// The entry of a process that replays: it reads its rounds itself, so that no input goes from process to process.

export interface ReplayTask {
  readonly paths: readonly string[];
  readonly settings: ReplaySettings;
  readonly limits: SchedulerLimits;
  /** Of the rounds' timestamps, both included. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Rounds up to and with this id were done before. */
  readonly afterId: number;
}

export type ReplayNews =
  | { readonly kind: 'round'; readonly round: ReplayedRound }
  | { readonly kind: 'done'; readonly problem: string | null };

process.on('disconnect', () => process.exit());
process.on('message', async (task: ReplayTask) => {
  const tell = (news: ReplayNews): void => void process.send?.(news);
  const replay = replayer(task.settings, (request) => runScheduler(request, task.limits));
  try {
    const wanted = isWanted(task);
    for await (const round of roundsOf(openRecordings(task.paths), wanted))
      tell({ kind: 'round', round: await replay(round) });
    tell({ kind: 'done', problem: null });
  } catch (error) {
    tell({ kind: 'done', problem: (error as Error).message });
  }
});

const isWanted =
  ({ fromMs, toMs, afterId }: ReplayTask) =>
  ({ id, timestamp }: { readonly id: number; readonly timestamp: number }): boolean =>
    timestamp >= fromMs && timestamp <= toMs && id > afterId;
