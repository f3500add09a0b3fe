import { formatBytes, formatCount, unknown } from '../format.ts';
import type { Unit } from './chart.tsx';

const mib = 1024 * 1024;

/** Three digits, for values of any size. */
export function formatNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return unknown;
  const size = Math.abs(value);
  if (size >= 1e6) return Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 }).format(value);
  if (size >= 1000) return formatCount(value);
  return String(Number(value.toPrecision(3)));
}

export const percent: Unit = { format: (value) => (value === null ? unknown : `${formatNumber(value)} %`), floor: 10 };
export const bytes: Unit = { format: formatBytes, floor: mib };
export const bytesPerSecond: Unit = {
  format: (value) => (value === null ? unknown : `${formatBytes(value)}/s`),
  floor: 10 * 1024,
};
export const perSecond: Unit = {
  format: (value) => (value === null ? unknown : `${formatNumber(value)}/s`),
  floor: 1,
};
export const plain: Unit = { format: formatNumber, floor: 1 };
