import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import protobuf from 'protobufjs/minimal.js';
import type { FreshSeries } from '../push/batch.ts';
import type { Protocol } from '../push/pusher.ts';
import { unitOf } from './unit.ts';

/** OpenTelemetry's semantic conventions for what sends: `service.name`, `host.name` … */
export type Resource = Readonly<Record<string, string>>;

export interface OtlpOptions {
  readonly resource: Resource;
  readonly version: string;
  /** Since when the machine's own counters count, ms. */
  readonly bootTimeMs: number;
}

const compress = promisify(gzip);

/**
 * OTLP/HTTP 1.x with binary protobuf (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"): an ExportMetricsServiceRequest.
 * Only 429, 502, 503 and 504 may be tried again.
 */
export function otlp(options: OtlpOptions): Protocol {
  return {
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
    encode: (series) => compress(exportRequest(series, options)),
    retries: (status) => status === 429 || status === 502 || status === 503 || status === 504,
    partly: partialSuccess,
  };
}

const bytes = 2;
const fixed64 = 1;
const varint = 0;
const tag = (field: number, wire: number): number => (field << 3) | wire;
/** Of opentelemetry/proto/metrics/v1/metrics.proto. */
const cumulative = 2;

/** Field numbers: opentelemetry/proto/{collector/metrics,metrics,resource,common}/v1. */
export function exportRequest(series: readonly FreshSeries[], options: OtlpOptions): Uint8Array {
  const writer = protobuf.Writer.create();
  const message = (field: number, write: () => void): void => {
    writer.uint32(tag(field, bytes)).fork();
    write();
    writer.ldelim();
  };
  const text = (field: number, value: string): void => void writer.uint32(tag(field, bytes)).string(value);
  const attribute = (field: number, key: string, value: string): void =>
    message(field, () => {
      text(1, key);
      message(2, () => text(1, value));
    });
  const point = ({ labels, kind }: FreshSeries, [timeMs, value]: FreshSeries['samples'][number]): void =>
    message(1, () => {
      const sinceMs =
        kind === 'Counter' && Object.keys(labels).every((label) => !owners.has(label)) ? options.bootTimeMs : 0;
      if (sinceMs > 0) writer.uint32(tag(2, fixed64)).fixed64(nanoseconds(sinceMs));
      writer.uint32(tag(3, fixed64)).fixed64(nanoseconds(timeMs));
      if (kind !== 'Float' && fitsSigned(value)) writer.uint32(tag(6, fixed64)).sfixed64(words(BigInt(value)));
      else writer.uint32(tag(4, fixed64)).double(Number(value));
      for (const [name, text] of Object.entries(labels)) if (name !== 'metric') attribute(7, name, text);
    });

  message(1, () => {
    message(1, () => {
      for (const [key, value] of Object.entries(options.resource)) attribute(1, key, value);
    });
    message(2, () => {
      message(1, () => {
        text(1, 'cantal');
        text(2, options.version);
      });
      for (const [name, all] of byMetric(series)) {
        const [{ kind }] = all as [FreshSeries];
        const original = all[0]?.labels.metric ?? '';
        message(2, () => {
          text(1, name);
          const unit = unitOf(original);
          if (unit !== null) text(3, unit);
          message(kind === 'Counter' ? 7 : 5, () => {
            for (const each of all) for (const sample of each.samples) point(each, sample);
            if (kind !== 'Counter') return;
            writer.uint32(tag(2, varint)).int32(cumulative);
            writer.uint32(tag(3, varint)).bool(true);
          });
        });
      }
    });
  });
  return writer.finish();
}

/** Labels of whatever does not live as long as the machine. */
const owners: ReadonlySet<string> = new Set(['pid', 'cgroup', 'appname']);

/** One metric for each name and kind: what an application counts and another measures must not become one. */
function byMetric(series: readonly FreshSeries[]): ReadonlyMap<string, readonly FreshSeries[]> {
  const found = new Map<string, FreshSeries[]>();
  const kinds = new Map<string, string>();
  for (const each of series) {
    const plain = metricName(each.labels.metric ?? each.labels.state ?? '');
    const shape = each.kind === 'Counter' ? 'counter' : 'gauge';
    const name = (kinds.get(plain) ?? shape) === shape ? plain : `${plain}.${shape}`;
    if (!kinds.has(plain)) kinds.set(plain, shape);
    const all = found.get(name);
    if (all === undefined) found.set(name, [each]);
    else all.push(each);
  }
  return found;
}

/** Instrument names: letters, digits and `_.-/`, at most 255 (specification of the metrics API). */
export function metricName(ours: string): string {
  const name = `cantal.${ours.replace(/[^\w.\-/]/g, '_').replace(/_+$/, '') || 'unnamed'}`;
  return name.slice(0, 255);
}

const fitsSigned = (value: number | bigint): boolean =>
  typeof value === 'number' ? Number.isSafeInteger(value) : value >= -(2n ** 63n) && value < 2n ** 63n;

const nanoseconds = (ms: number) => words(BigInt(Math.trunc(ms)) * 1_000_000n);

/** As the library takes 64 bits without a package for them. */
function words(value: bigint): { low: number; high: number; unsigned: boolean } {
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffff_ffffn) | 0, high: Number(bits >> 32n) | 0, unsigned: false };
}

/** Of an ExportMetricsServiceResponse; null: all was taken, or the answer is none of that kind. */
export function partialSuccess(body: Uint8Array): { readonly samples: number; readonly reason: string } | null {
  try {
    const reader = protobuf.Reader.create(body);
    let samples = 0;
    let reason = '';
    while (reader.pos < reader.len) {
      const outer = reader.uint32();
      if (outer !== tag(1, bytes)) {
        reader.skipType(outer & 7);
        continue;
      }
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) {
        const inner = reader.uint32();
        if (inner === tag(1, varint)) samples = Number(reader.int64());
        else if (inner === tag(2, bytes)) reason = reader.string();
        else reader.skipType(inner & 7);
      }
    }
    return samples > 0 || reason !== '' ? { samples: Math.max(0, samples), reason } : null;
  } catch {
    return null;
  }
}
