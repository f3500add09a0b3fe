import type { NodeOverview, Overview } from '../../api.ts';
import { asRecord, asText, member } from '../../json.ts';

/** What the frame says of the node that serves the page, and of the others. */
export interface Situation {
  readonly self: NodeOverview | null;
  readonly leader: NodeOverview | null;
  readonly leads: boolean;
  /** ok, fetching, waiting, unstable; null: not known yet. */
  readonly scheduleStatus: string | null;
  readonly fetchState: string | null;
  readonly forcedLeader: boolean;
  readonly held: NonNullable<NodeOverview['held']> | null;
  /** "web failed", "3 errors"; null: none. */
  readonly errorBadge: string | null;
  readonly errors: readonly string[];
  /** Other nodes that fail, and how. */
  readonly failing: readonly { readonly node: NodeOverview; readonly words: string }[];
}

/** `status` is the answer of GET /v1/status. */
export function situationOf(overview: Overview, status: unknown): Situation {
  const self = overview.nodes.find(({ id }) => id === overview.self) ?? null;
  const leader = overview.nodes.find(({ id }) => id === overview.leaderId) ?? null;
  const errors = self === null ? [] : [...self.failedRoles.map((role) => `${role} failed`), ...self.errors];
  return {
    self,
    leader,
    leads: self !== null && self === leader,
    scheduleStatus: asText(member(status, 'schedule_status')),
    fetchState: asText(member(status, 'fetch_state')),
    forcedLeader: asRecord(status).debug_force_leader === true,
    held: leader?.reachable === true ? (leader.held ?? null) : null,
    errorBadge: errors.length > 1 ? `${errors.length} errors` : (firstWords(errors[0]) ?? null),
    errors,
    failing: overview.nodes.flatMap((node) => {
      const words = node === self ? null : failingWords(node);
      return words === null ? [] : [{ node, words }];
    }),
  };
}

const longestBadge = 32;

const firstWords = (error: string | undefined): string | undefined =>
  error !== undefined && error.length > longestBadge ? `${error.split(':')[0]?.slice(0, longestBadge)} error` : error;

function failingWords(node: NodeOverview): string | null {
  if (node.liveness === 'dead') return 'dead';
  if (!node.reachable) return 'does not answer';
  if (node.failedRoles.length > 0) return `${node.failedRoles.join(', ')} failed`;
  if (node.errors.length > 0) return node.errors.length === 1 ? '1 error' : `${node.errors.length} errors`;
  return null;
}
