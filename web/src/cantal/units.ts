import { formatBytes, formatCount, unknown } from '../format.ts';

export interface Unit {
  readonly format: (value: number | null) => string;
  /** The axis is at least so high: an idle host is not drawn as a busy one. */
  readonly floor: number;
  /** Bytes: steps of the axis are powers of two. */
  readonly binary?: boolean;
}

const mib = 1024 * 1024;

/** Three digits, for values of any size. */
export function formatNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return unknown;
  const size = Math.abs(value);
  if (size >= 1e6) return Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 }).format(value);
  if (size >= 1000) return formatCount(value);
  return String(Number(value.toPrecision(3)));
}

/** One digit behind the point below ten, none above: columns of them stay calm. */
export function formatPercent(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return unknown;
  if (Math.abs(value) >= 9.95) return `${formatCount(value)} %`;
  return Math.abs(value) < 0.05 ? '0 %' : `${value.toFixed(1)} %`;
}

export const percent: Unit = { format: formatPercent, floor: 10 };
export const bytes: Unit = { format: formatBytes, floor: mib, binary: true };
export const bytesPerSecond: Unit = {
  format: (value) => (value === null ? unknown : `${formatBytes(value)}/s`),
  floor: 16 * 1024,
  binary: true,
};
export const perSecond: Unit = {
  format: (value) => (value === null ? unknown : `${formatNumber(value)}/s`),
  floor: 1,
};
export const plain: Unit = { format: formatNumber, floor: 1 };

const microseconds: Unit = { format: (value) => percent.format(value === null ? null : value / 10_000), floor: 1e5 };

/** What the names of spec cantal 4 are measured in; of others nothing is known but their number. */
export function unitOf(metrics: readonly string[], rate: boolean): Unit {
  const every = (regex: RegExp) => metrics.length > 0 && metrics.every((metric) => regex.test(metric));
  if (
    every(
      /(^|[._])bytes$|^memory\.(?!HugePages_)|^(rss|vsize|swap)$|^cgroup\.memory\.(current|peak|max|working_set|stat\.(?!pg|workingset))|^fs\.(size|free|avail)$/,
    )
  )
    return rate ? bytesPerSecond : bytes;
  if (!rate) return plain;
  if (every(/^cpu\.(user|nice|system|idle|iowait|irq|softirq|steal|guest|guest_nice)$|^(user|system)_time$/))
    return percent;
  if (every(/^psi\..*\.total$|^cgroup\.cpu\.(usage|user|system|throttled_time)$/)) return microseconds;
  return perSecond;
}
