import { parseDuration } from '../../config/duration.ts';
import { list, mapping, optional, record, required } from '../../config/record.ts';
import { checked, decimal, matching, scalar, type ValueOf } from '../../config/schema.ts';
import { tagged } from '../../config/tagged.ts';
import type { Json } from '../canonical.ts';

// What happens to a virtual cluster: docs/verwalter-time-travel.md shows a plan in full.

const duration = scalar('a duration such as 2h, 30m or 1d12h', (text) => {
  const parsed = parseDuration(text);
  return 'ms' in parsed ? parsed.ms : null;
});
const amount = decimal({ min: 0, max: 1e12 });
const share = decimal({ min: 0, max: 1 }, 'a share');
const hostname = matching(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a short host name');
const name = matching(/^.{1,200}$/, 'a name');
const instant = scalar('a time such as 2027-01-15T00:00:00Z', (text) => {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
});
const json = checked(
  scalar('a text', (text) => text),
  (text) => {
    try {
      return { value: JSON.parse(text) as Json };
    } catch (error) {
      return { problem: `no JSON: ${(error as Error).message}` };
    }
  },
);

/** 2027-01-15, a Friday, at midnight. */
const defaultStartMs = 1_799_971_200_000;

export const planSchema = record('a simulation plan', {
  start: optional(instant, defaultStartMs),
  /** By rule id, as in the schedule's query_metrics. */
  metrics: optional(
    mapping(
      name,
      tagged({
        /** Of the whole cluster and by second, shared by the nodes that are reached; a day's curve around `base`. */
        Load: record('a load', {
          base: required(amount),
          peak: required(amount),
          'peak-at': optional(duration, 14 * 3_600_000),
          noise: optional(share, 0),
        }),
        /** Of each node. */
        Constant: record('a constant', { value: required(amount), noise: optional(share, 0) }),
        /** Containers of a daemon as cantal counts them on each node: what the schedule wants, `delay` later. */
        Instances: record('instances', {
          role: required(name),
          daemon: required(name),
          delay: optional(duration, 10_000),
        }),
      }),
    ),
    new Map(),
  ),
  events: optional(
    list(
      tagged({
        Crash: record('a crash', { at: required(duration), for: required(duration), node: required(hostname) }),
        /** These nodes are reached by none of the others; the others go on. */
        Partition: record('a partition', {
          at: required(duration),
          for: required(duration),
          nodes: required(list(hostname)),
        }),
        Load: record('a change of load', {
          at: required(duration),
          for: required(duration),
          factor: required(amount),
        }),
        Metric: record('a change of a metric', {
          at: required(duration),
          for: required(duration),
          node: required(hostname),
          rule: required(name),
          value: required(amount),
        }),
        Action: record('an action', { at: required(duration), action: required(json) }),
      }),
    ),
    [],
  ),
});

export type Plan = ValueOf<typeof planSchema>;
export type PlanEvent = Plan['events'][number];
export type MetricModel = Plan['metrics'] extends ReadonlyMap<string, infer Model> ? Model : never;
