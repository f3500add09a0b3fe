import protobuf from 'protobufjs/minimal.js';
import { compress } from 'snappyjs';
import { familyOf, labelsOf } from '../../openmetrics/name.ts';
import type { FreshSeries } from '../push/batch.ts';
import type { Protocol } from '../push/pusher.ts';

/** Labels of every series: what a scraper would add. */
export type ExternalLabels = readonly (readonly [name: string, value: string])[];

/**
 * Prometheus remote-write 1.0 (prometheus.io/docs/specs/prw/remote_write_spec): a snappy block of a WriteRequest.
 * A refusal is for good, except where the receiver has trouble of its own (5xx) or gets too much (429).
 */
export function remoteWrite(external: ExternalLabels): Protocol {
  const name = namer(external);
  return {
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    encode: (series) => compress(writeRequest(series.map(name))),
    retries: (status) => status >= 500 || status === 429,
  };
}

export interface NamedSeries {
  /** Sorted by name; `__name__` among them. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly samples: readonly (readonly [timeMs: number, value: number])[];
}

/**
 * Names series as /metrics does (docs/cantal.md, "For scrapers"). Labels of a series win over those of all. Of two names
 * that Prometheus cannot tell apart the one that comes second brings its own along as the label `original`, for ever:
 * a receiver refuses a request that has the same series twice.
 */
export function namer(external: ExternalLabels): (series: FreshSeries) => NamedSeries {
  const originals = new Map<string, string>();
  // The index hands out one object for a series as long as that lives.
  const known = new WeakMap<object, NamedSeries['labels']>();
  const name = ({ labels, kind }: FreshSeries): NamedSeries['labels'] => {
    const counts = kind === 'Counter';
    const family = familyOf(labels, counts);
    const full = counts ? `${family.name}_total` : family.name;
    const first = originals.get(full) ?? family.original;
    originals.set(full, first);
    const own = first === family.original ? [] : [['original', family.original] as const];
    const all = new Map<string, string>([...external, ...labelsOf(labels), ...own, ['__name__', full]]);
    return [...all].filter(([, value]) => value !== '').sort(([a], [b]) => (a < b ? -1 : 1));
  };
  return (series) => {
    const labels = known.get(series.labels) ?? name(series);
    known.set(series.labels, labels);
    return { labels, samples: series.samples.map(([time, value]) => [time, Number(value)]) };
  };
}

/** Field numbers and wire types of prometheus/prompb/{remote,types}.proto: (field << 3) | type. */
const field = {
  request: { timeseries: (1 << 3) | 2 },
  timeSeries: { labels: (1 << 3) | 2, samples: (2 << 3) | 2 },
  label: { name: (1 << 3) | 2, value: (2 << 3) | 2 },
  sample: { value: (1 << 3) | 1, timestamp: 2 << 3 },
} as const;

export function writeRequest(all: readonly NamedSeries[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const { labels, samples } of all) {
    writer.uint32(field.request.timeseries).fork();
    for (const [name, value] of labels) {
      writer.uint32(field.timeSeries.labels).fork();
      writer.uint32(field.label.name).string(name).uint32(field.label.value).string(value).ldelim();
    }
    for (const [timeMs, value] of samples) {
      writer.uint32(field.timeSeries.samples).fork();
      writer.uint32(field.sample.value).double(value).uint32(field.sample.timestamp).int64(timeMs).ldelim();
    }
    writer.ldelim();
  }
  return writer.finish();
}
