import type { Budget } from './cost.ts';
import type { Result, Series, Tip } from './dataset.ts';
import { select } from './extract.ts';
import { derivative, rate } from './fold.ts';
import type { Rule } from './rule.ts';
import type { SeriesSource } from './source.ts';

/**
 * A rule that reads history and begins with a rate, which is what most do: each series is read and reduced before the
 * next one, on plain numbers, so that an hour of a thousand series leaves no heap of lists behind. The result is the same
 * as that of extract() and fold(); null where the rule is another.
 */
export function extractRates(rule: Rule, source: SeriesSource, budget: Budget): Result | null {
  const [first] = rule.functions;
  const { extract } = rule;
  const wholeHistory = rule.source === 'Fine' && (extract.kind === 'byNum' || extract.kind === 'byTime');
  if (!wholeHistory || (first?.kind !== 'rate' && first?.kind !== 'derivative')) return null;
  const { ids, samples, timestamps } = select(rule, source, budget);
  const seriesOf = (id: number): Series => ({
    key: source.index.labels(id) ?? {},
    kind: source.kind(id) ?? 'Float',
    timestamps,
    values: source.history(id, samples),
  });
  if (first.kind === 'rate') {
    const tips = ids.map((id): Tip => {
      const floats = source.floats(id, samples);
      return floats === null ? rate(seriesOf(id)) : rateOfFloats(source.index.labels(id) ?? {}, floats, timestamps);
    });
    return { kind: 'tips', tips };
  }
  const shared = timestamps.slice(0, -1);
  const series = ids.map((id): Series => {
    const floats = source.floats(id, samples);
    if (floats === null) return { ...derivative(seriesOf(id)), timestamps: shared };
    return {
      ...{ key: source.index.labels(id) ?? {}, kind: 'Float', timestamps: shared },
      values: derivativeOfFloats(floats, timestamps),
    };
  });
  return { kind: 'series', series };
}

/** meanGrowth() of fold.ts, and the times between which it was. */
function rateOfFloats(key: Tip['key'], values: Float64Array, timestamps: readonly number[]): Tip {
  let grown = 0;
  let ms = 0;
  let newer = Number.NaN;
  let newerTime = 0;
  let newest = Number.NaN;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    const time = timestamps[index] ?? 0;
    if (Number.isNaN(newest)) newest = time;
    else if (newer >= value) {
      grown += newer - value;
      ms += newerTime - time;
    }
    newer = value;
    newerTime = time;
  }
  const value = { kind: 'Float', value: ms > 0 ? (grown * 1000) / ms : null } as const;
  const asked = timestamps[0] ?? 0;
  return { key, value, span: Number.isNaN(newest) ? [asked, asked] : [newest, newerTime] };
}

function derivativeOfFloats(values: Float64Array, timestamps: readonly number[]): readonly (number | null)[] {
  const steps: (number | null)[] = [];
  for (let index = 0; index + 1 < values.length; index++) {
    const newer = values[index] ?? Number.NaN;
    const older = values[index + 1] ?? Number.NaN;
    const seconds = ((timestamps[index] ?? 0) - (timestamps[index + 1] ?? 0)) / 1000;
    // What is missing is in no order.
    steps.push(newer >= older && seconds > 0 ? (newer - older) / seconds : null);
  }
  return steps;
}
