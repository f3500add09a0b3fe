import type { Json, JsonObject } from '../../src/verwalter/canonical.ts';
import { schedulerInput } from '../../src/verwalter/input.ts';
import type { Member } from '../../src/verwalter/ports.ts';
import type { Schedule } from '../../src/verwalter/schedule.ts';
import { runScheduler } from '../../src/verwalter/scheduler/engine.ts';
import { checkOutput } from '../../src/verwalter/scheduler/output.ts';

/** 2027-01-15, 08:00 UTC. */
export const t0 = 1_800_000_000_000;

export const idOf = (host: string): string => Buffer.from(host).toString('hex').padEnd(32, '0').slice(0, 32);

/** What CountBy a cgroup gives for so many containers of one process each. */
export const containers = (count: number): Json => {
  if (count === 0) return ['Empty'];
  const series = (index: number): Json[] => [{ cgroup: `django.${index}` }, ['Integer', 1], [0, 0]];
  const all = Array.from({ length: count }, (_, index) => series(index));
  return count === 1 ? ['SingleTip', ...(all[0] ?? [])] : ['MultiTip', all];
};
/** Six points of a rate, the newest first; one of them is missing. */
export const rate = (perSecond: number): Json => [
  'SingleSeries',
  {},
  ['Float', [perSecond, perSecond, null, perSecond]],
  [4, 3, 2, 1],
];

export interface Situation {
  readonly seconds: number;
  readonly alive: readonly string[];
  readonly runtime: JsonObject;
  /** By hostname and rule. */
  readonly metrics?: Readonly<Record<string, JsonObject>>;
  readonly buttons?: readonly JsonObject[];
}

export interface Round {
  readonly data: JsonObject;
  readonly hash: string;
  readonly answers: Readonly<Record<string, unknown>>;
  readonly log: string;
  readonly changes: readonly string[];
}

/** A cluster of which only the scheduler is real: rounds one after the other, each with the schedule of the last. */
export const startRounds = (files: Readonly<Record<string, string>>): ((situation: Situation) => Promise<Round>) => {
  let last: Schedule | null = null;
  const known = new Set<string>();
  return async ({ seconds, alive, runtime, metrics = {}, buttons = [] }) => {
    const now = t0 + seconds * 1000;
    const [own = 'node1'] = alive;
    for (const host of alive) known.add(host);
    const members = [...known]
      .filter((host) => host !== own)
      .map(
        (host): Member => ({
          id: idOf(host),
          addr: `${host}:1`,
          hostname: host,
          name: host,
          knownSince: t0,
          lastReportDirect: alive.includes(host) ? now - 300 : now - 60_000,
          liveness: alive.includes(host) ? 'alive' : 'dead',
          schedule: null,
          errors: 0,
        }),
      );
    const input = schedulerInput({
      nowMs: now,
      self: { id: idOf(own), addr: 'x', hostname: own, name: own },
      epoch: 1,
      reason: 'timer',
      members,
      parents: last === null ? [] : [last],
      parentsMeta: [],
      actions: buttons.map((button, index) => ({ id: seconds * 1000 + index + 1, value: { button } })),
      runtime,
      metrics: Object.fromEntries(Object.entries(metrics).map(([host, values]) => [idOf(host), values])),
      metricsCollectedAtMs: now,
      metricsMissing: [],
      previous: last === null ? null : { hash: last.hash, timestamp: last.timestamp, durationMs: 1 },
    });
    const run = await runScheduler({ sources: files, input, seed: input.seed as number });
    if (!run.ok) throw new Error(`${run.message}\n${run.traceback}`);
    const output = checkOutput(run.text ?? '', known, { warnings: run.warnings, strict: true });
    if (!output.ok) throw new Error(output.error);
    last = { timestamp: now, hash: output.hash, origin: idOf(own), data: output.data };
    return {
      data: output.data,
      hash: output.hash,
      answers: run.answers,
      log: run.log,
      changes: (output.data.changes ?? []) as string[],
    };
  };
};

/** Instances of a daemon by host, of those that have any. */
export const instances = (data: JsonObject, role: string, daemon: string): Record<string, number> => {
  type Nodes = Record<string, { roles?: Record<string, { daemons?: Record<string, { instances?: number }> }> }>;
  const counts: Record<string, number> = {};
  for (const [host, node] of Object.entries((data.nodes ?? {}) as Nodes)) {
    const count = node.roles?.[role]?.daemons?.[daemon]?.instances ?? 0;
    if (count > 0) counts[host] = count;
  }
  return counts;
};

export const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
