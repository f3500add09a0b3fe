import type { ElectionState } from './election/state.ts';
import type { ScheduleStamp } from './member.ts';

export type Leadership =
  | { readonly role: 'leader'; readonly epoch: number }
  | {
      readonly role: 'follower';
      readonly epoch: number;
      readonly leaderId: string;
      /** Stamp of what the leader made in this leadership; null until it made something. */
      readonly schedule: ScheduleStamp | null;
    }
  | { readonly role: 'none'; readonly epoch: number };

export function leadershipOf(state: ElectionState): Leadership {
  const { role, epoch } = state;
  switch (role.kind) {
    case 'leader':
      return { role: 'leader', epoch };
    case 'follower':
      return { role: 'follower', epoch, leaderId: role.leader, schedule: role.schedule };
    case 'starting':
    case 'asking':
    case 'electing':
    case 'voted':
      return { role: 'none', epoch };
    default:
      return role satisfies never;
  }
}
