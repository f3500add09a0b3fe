import { optional, type RecordOf, record, required } from '../../../config/record.ts';
import { boolean, integer, matching } from '../../../config/schema.ts';

/** A `NAME.carbon.yaml`: one receiver (spec cantal 8). */
export const carbonSchema = record('carbon config', {
  host: required(matching(/^[\w.:-]+$/, 'a host name or an IP address')),
  port: optional(integer({ min: 1, max: 65_535 }, 'a port'), 2003),
  /** Seconds: period, and window of rates. */
  interval: optional(integer({ min: 1, max: 86_400 }, 'seconds'), 10),
  'enable-cgroup-stats': optional(boolean, false),
  'enable-application-metrics': optional(boolean, false),
  // Ours: what the kernel's cgroup controllers say, beside the sums over processes.
  'enable-controller-metrics': optional(boolean, false),
  // Ours: dots of the host name become `_`, so that it is one level of the tree.
  'flat-hostname': optional(boolean, false),
  // Ours: what a receiver missed while it was away is sent from the history.
  replay: optional(boolean, false),
});

export type CarbonConfig = RecordOf<(typeof carbonSchema)['fields']>;
