import { emptyRecord, hashJson, type Json, type JsonObject } from './canonical.ts';
import type { Member, Peers } from './ports.ts';
import type { Schedule } from './schedule.ts';
import type { ParentMeta, QueuedAction, RoundReason } from './state.ts';

export interface InputParts {
  readonly nowMs: number;
  readonly self: Peers['self'];
  readonly epoch: number;
  readonly reason: RoundReason;
  readonly members: readonly Member[];
  readonly parents: readonly Schedule[];
  readonly parentsMeta: readonly ParentMeta[];
  readonly actions: readonly QueuedAction[];
  readonly runtime: JsonObject;
  readonly metrics: JsonObject;
  readonly metricsCollectedAtMs: number | null;
  readonly metricsMissing: readonly string[];
  readonly previous: { readonly hash: string; readonly timestamp: number; readonly durationMs: number } | null;
}

/** The one argument of the scheduler (spec/verwalter.md 3.2). */
export const schedulerInput = (parts: InputParts): JsonObject => {
  const { members, self } = parts;
  const peers = emptyRecord<Json>();
  for (const member of [...members].sort((a, b) => (a.id < b.id ? -1 : 1))) peers[member.id] = peerOf(member);
  const known = members.length + 1;
  const fresh = members.filter((member) => member.liveness === 'alive').length + 1;
  const quorum = known <= 2 ? known : Math.floor(known / 2) + 1;
  const input: Record<string, Json> = {
    now: Math.floor(parts.nowMs),
    current_host: self.hostname,
    current_id: self.id,
    epoch: parts.epoch,
    reason: parts.reason,
    parents: parts.parents.map((parent) => parent.data),
    parents_meta: parts.parentsMeta.map((meta) => ({ ...meta })),
    previous:
      parts.previous === null
        ? null
        : { hash: parts.previous.hash, timestamp: parts.previous.timestamp, duration_ms: parts.previous.durationMs },
    actions: Object.fromEntries(parts.actions.map(({ id, value }) => [String(id), value])),
    runtime: parts.runtime,
    peers,
    metrics: parts.metrics,
    metrics_meta: { collected_at: parts.metricsCollectedAtMs, missing: parts.metricsMissing },
    partition: { known, fresh, quorum, minority: fresh < quorum },
  };
  // Of the parents their hashes stand for them: they are most of the input, and were hashed when they came.
  input.seed = seedOf({ ...input, parents: parts.parents.map((parent) => parent.hash) });
  return input;
};

/** 48 bits of the hash of everything else: the same input draws the same numbers. */
const seedOf = (input: JsonObject): number => Number.parseInt(hashJson(input).slice(0, 12), 16);

const peerOf = (member: Member): JsonObject => ({
  id: member.id,
  addr: member.addr,
  name: member.name,
  hostname: member.hostname,
  schedule: member.schedule === null ? null : { ...member.schedule },
  known_since: Math.floor(member.knownSince),
  last_report_direct: member.lastReportDirect === null ? null : Math.floor(member.lastReportDirect),
  liveness: member.liveness,
  errors: member.errors,
});
