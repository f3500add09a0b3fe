import { optional, type RecordOf, record } from '../../../config/record.ts';
import { matching } from '../../../config/schema.ts';
import { pushFields } from '../push/config.ts';

/** A `NAME.remote-write.yaml`: a receiver of Prometheus' remote-write protocol 1.0. */
export const remoteWriteSchema = record('remote-write config', {
  ...pushFields,
  /** The label `job` of every series; `instance` is the host name. */
  job: optional(matching(/^[^\0]{1,200}$/, 'a text'), 'cantal'),
});

export type RemoteWriteConfig = RecordOf<(typeof remoteWriteSchema)['fields']>;
