import type { ScheduleStamp } from '../member.ts';

/**
 * `life` is a number drawn at a process's start: an answer to somebody's question in an earlier life, delayed or
 * replayed, counts nothing in this one.
 */
export type ElectionMessage =
  /** From the leader; the stamp of what it made in this leadership. */
  | { readonly kind: 'ping'; readonly epoch: number; readonly schedule: ScheduleStamp | null }
  /** From a follower to its leader. */
  | {
      readonly kind: 'pong';
      readonly epoch: number;
      readonly schedule: ScheduleStamp | null;
      readonly errors: number;
    }
  /** From the candidate to all with itself as target; from a voter to the target only. `life` is the target's. */
  | {
      readonly kind: 'vote';
      readonly epoch: number;
      readonly target: string;
      readonly life: number;
      readonly schedule: ScheduleStamp | null;
    }
  /** Pre-vote: would you vote for me in this epoch? Binds nobody. */
  | { readonly kind: 'ask'; readonly epoch: number; readonly life: number }
  /** I would. `life` is the asker's. */
  | { readonly kind: 'grant'; readonly epoch: number; readonly life: number }
  /** Your epoch is past, or your question is idle: this is the epoch, and who leads in it as far as I know. */
  | { readonly kind: 'current'; readonly epoch: number; readonly leader: string | null };

export interface ElectionPacket {
  readonly channel: 'election';
  readonly message: ElectionMessage;
}
