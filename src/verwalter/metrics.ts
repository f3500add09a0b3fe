import { emptyRecord, isObject, type Json, type JsonObject } from './canonical.ts';
import type { MetricSource } from './ports.ts';

export interface CollectedMetrics {
  readonly metrics: JsonObject;
  readonly collectedAtMs: number | null;
  readonly missing: readonly string[];
}

/** A round waits no longer than this for the other nodes. */
const deadlineMs = 2000;
/** A host that does not answer is taken from an earlier round, up to this age; after that it is unknown. */
const oldestMs = 15_000;

/** Collects the datasets of a schedule's rules, host by host. */
export const metricsCollector = (
  source: MetricSource,
  nowMs: () => number,
): ((data: JsonObject | null) => Promise<CollectedMetrics>) => {
  let rulesKey = '';
  const kept = new Map<string, { atMs: number; values: Json }>();
  return async (data) => {
    const query = isObject(data?.query_metrics) ? data.query_metrics : {};
    const rules = isObject(query.rules) ? query.rules : {};
    const key = JSON.stringify(rules);
    if (key !== rulesKey) kept.clear();
    rulesKey = key;
    if (Object.keys(rules).length === 0) return { metrics: {}, collectedAtMs: null, missing: [] };
    const answer = await source.queryByHost(rules, deadlineMs);
    const now = nowMs();
    for (const [host, values] of Object.entries(answer.byHost)) kept.set(host, { atMs: now, values: values as Json });
    const metrics = emptyRecord<Json>();
    for (const [host, { atMs, values }] of [...kept].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (now - atMs > oldestMs) kept.delete(host);
      else metrics[host] = values;
    }
    return { metrics, collectedAtMs: Math.floor(now), missing: answer.missing.filter((host) => !(host in metrics)) };
  };
};
