import { type RecordOf, record } from '../../../config/record.ts';
import { pushFields } from '../push/config.ts';

/** A `NAME.otlp.yaml`: a receiver of OpenTelemetry's protocol over HTTP, most often at `…:4318/v1/metrics`. */
export const otlpSchema = record('otlp config', pushFields);

export type OtlpConfig = RecordOf<(typeof otlpSchema)['fields']>;
