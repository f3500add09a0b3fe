import type { FunctionName } from './ast.ts';

/** A stretch of one series: oldest first, NaN = missing. */
export interface Window {
  /** Ms since 1970. */
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Index of the first sample, and behind the last. */
  readonly from: number;
  readonly to: number;
  /** What was asked for: (endMs − rangeMs, endMs]. */
  readonly endMs: number;
  readonly rangeMs: number;
}

/** A function of a range; null where it has no value. */
export function overTime(name: FunctionName, window: Window): number | null {
  switch (name) {
    case 'rate':
      return extrapolated(window, true, true);
    case 'increase':
      return extrapolated(window, true, false);
    case 'delta':
      return extrapolated(window, false, false);
    case 'irate':
      return instantRate(window);
    case 'avg_over_time':
      return folded(
        window,
        (sum, value) => sum + value,
        (sum, count) => sum / count,
      );
    case 'sum_over_time':
      return folded(window, (sum, value) => sum + value);
    case 'min_over_time':
      return folded(window, Math.min);
    case 'max_over_time':
      return folded(window, Math.max);
    case 'last_over_time':
      return folded(window, (_before, value) => value);
    case 'count_over_time':
      return folded(
        window,
        (before) => before,
        (_value, count) => count,
      );
    default:
      throw new Error(`stellwerk: ${name} is no function of a range`);
  }
}

function folded(
  { values, from, to }: Window,
  add: (so: number, value: number) => number,
  finish: (so: number, count: number) => number = (so) => so,
): number | null {
  let count = 0;
  let so = 0;
  for (let at = from; at < to; at++) {
    const value = values[at] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    so = count === 0 ? value : add(so, value);
    count += 1;
  }
  return count === 0 ? null : finish(so, count);
}

/** Such a gap at the border of the window is no chance: the series began or ended there. In mean distances. */
const borderGap = 1.1;

/**
 * What Prometheus calls rate, increase and delta (promql/functions.go, extrapolatedRate; the algorithm, not the code):
 * the growth between the first and the last sample, with resets added back, and stretched to the borders of the window
 * where the series reaches them, but of a counter not below zero.
 */
function extrapolated(
  { times, values, from, to, endMs, rangeMs }: Window,
  counts: boolean,
  each: boolean,
): number | null {
  let first = -1;
  let last = -1;
  let samples = 0;
  let growth = 0;
  let before = 0;
  for (let at = from; at < to; at++) {
    const value = values[at] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    if (first < 0) first = at;
    else if (counts && value < before) growth += before;
    before = value;
    last = at;
    samples += 1;
  }
  if (samples < 2) return null;
  const firstValue = values[first] ?? 0;
  growth += (values[last] ?? 0) - firstValue;
  const firstMs = times[first] ?? 0;
  const lastMs = times[last] ?? 0;
  const sampled = (lastMs - firstMs) / 1000;
  const distance = sampled / (samples - 1);

  let atStart = (firstMs - (endMs - rangeMs)) / 1000;
  let atEnd = (endMs - lastMs) / 1000;
  if (counts && growth > 0 && firstValue >= 0) atStart = Math.min(atStart, sampled * (firstValue / growth));
  if (atStart >= distance * borderGap) atStart = distance / 2;
  if (atEnd >= distance * borderGap) atEnd = distance / 2;
  const whole = growth * ((sampled + atStart + atEnd) / sampled);
  return each ? whole / (rangeMs / 1000) : whole;
}

/** Of the last two samples alone. */
function instantRate({ times, values, from, to }: Window): number | null {
  let last = -1;
  for (let at = to - 1; at >= from; at--) {
    const value = values[at] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    if (last < 0) {
      last = at;
      continue;
    }
    const newest = values[last] ?? 0;
    const seconds = ((times[last] ?? 0) - (times[at] ?? 0)) / 1000;
    // After a reset it has grown from 0.
    return (newest < value ? newest : newest - value) / seconds;
  }
  return null;
}
