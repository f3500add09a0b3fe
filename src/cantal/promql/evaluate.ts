import type { Budget } from '../query/cost.ts';
import { mostSamplesPerQuery } from '../query/extract.ts';
import type { SeriesSource } from '../query/source.ts';
import { aggregate } from './aggregate.ts';
import { type Expr, type Selector, typeOf } from './ast.ts';
import type { Catalog } from './catalog.ts';
import { overTime } from './over-time.ts';
import { nameless, narrowed, noTags, remembered, type Tags } from './tags.ts';
import { calculate, ofVectors, tagRules, Unanswerable, type Vector, withNumber } from './vector.ts';

/** As Prometheus: a series that was last seen longer ago has no value any more. */
export const lookBackMs = 5 * 60_000;
/** Reading one sample in one window of one step: 40 million take some 200 ms. */
const mostWork = 40_000_000;

export interface Moment {
  readonly source: SeriesSource;
  readonly catalog: Catalog;
  readonly budget: Budget;
}

/** One value at each step; a function of the time in ms. */
export type AtTime =
  | { readonly kind: 'scalar'; at(ms: number): number }
  | { readonly kind: 'vector'; at(ms: number): Vector };

/** A series over time: oldest first. */
export interface Line {
  readonly tags: Tags;
  readonly points: readonly (readonly [ms: number, value: number])[];
}

interface Loaded {
  readonly tags: Tags;
  /** Aligned with the times; oldest first; NaN = missing. */
  readonly values: Float64Array;
}

/** Reads what the expression needs between two times, once, and gives what answers it at any time between. */
export function prepare(expr: Expr, { source, catalog, budget }: Moment, fromMs: number, toMs: number): AtTime {
  const times = Float64Array.from(source.scanTimes.toReversed());
  const work = { left: mostWork };

  const load = ({ matchers, offsetMs }: Selector, backMs: number): readonly Loaded[] => {
    const oldest = lastAtOrBefore(times, fromMs - offsetMs - backMs) + 1;
    const samples = toMs - offsetMs < (times[oldest] ?? Number.POSITIVE_INFINITY) ? 0 : times.length - oldest;
    const found = samples === 0 ? [] : catalog.find(matchers);
    budget.samples -= found.length * samples;
    if (budget.samples < 0) {
      throw new Unanswerable(
        `${found.length} series of ${samples} samples are more than the ${mostSamplesPerQuery} that a query may read: narrow the selector or the time`,
      );
    }
    return found.map(({ id, tags }) => {
      const values = new Float64Array(times.length).fill(Number.NaN);
      const floats = source.floats(id, samples);
      if (floats !== null) {
        for (let back = 0; back < floats.length; back++) values[times.length - 1 - back] = floats[back] ?? Number.NaN;
        return { tags, values };
      }
      for (const [back, value] of source.history(id, samples).entries()) {
        if (value !== null) values[times.length - 1 - back] = Number(value);
      }
      return { tags, values };
    });
  };

  const vectorAt = (selector: Selector): AtTime => {
    const loaded = load(selector, lookBackMs);
    return {
      kind: 'vector',
      at(ms) {
        const wanted = ms - selector.offsetMs;
        const at = lastAtOrBefore(times, wanted);
        if (at < 0 || wanted - (times[at] ?? 0) >= lookBackMs) return [];
        spend(work, loaded.length);
        return present(loaded, ({ values }) => values[at] ?? null);
      },
    };
  };

  const rangeCall = (expr: Extract<Expr, { readonly kind: 'call' }>): AtTime => {
    const [range] = expr.args;
    if (range?.kind !== 'range') throw new Error('stellwerk: a function of a range without one');
    const { selector, ms: rangeMs } = range;
    const loaded = load(selector, rangeMs).map(({ tags, values }) => ({
      values,
      // The last value is still that series; what is made of many is not.
      tags: expr.name === 'last_over_time' ? tags : nameless(tags),
    }));
    return {
      kind: 'vector',
      at(ms) {
        const endMs = ms - selector.offsetMs;
        const from = lastAtOrBefore(times, endMs - rangeMs) + 1;
        const to = lastAtOrBefore(times, endMs) + 1;
        spend(work, loaded.length * (to - from + 1));
        return present(loaded, ({ values }) => overTime(expr.name, { times, values, from, to, endMs, rangeMs }));
      },
    };
  };

  const call = (expr: Extract<Expr, { readonly kind: 'call' }>): AtTime => {
    const [first, second] = expr.args;
    switch (expr.name) {
      case 'time':
        return { kind: 'scalar', at: (ms) => ms / 1000 };
      case 'scalar': {
        const of = vector(first);
        return { kind: 'scalar', at: (ms) => only(of(ms)) };
      }
      case 'vector': {
        const of = scalar(first);
        return { kind: 'vector', at: (ms) => [{ tags: noTags, value: of(ms) }] };
      }
      case 'abs':
        return mapped(first, () => Math.abs);
      case 'ceil':
        return mapped(first, () => Math.ceil);
      case 'floor':
        return mapped(first, () => Math.floor);
      case 'sqrt':
        return mapped(first, () => Math.sqrt);
      case 'clamp_min': {
        const low = scalar(second);
        return mapped(first, (ms) => atLeast(low(ms)));
      }
      case 'clamp_max': {
        const high = scalar(second);
        return mapped(first, (ms) => atMost(high(ms)));
      }
      default:
        return rangeCall(expr);
    }
  };

  const mapped = (of: Expr | undefined, make: (ms: number) => (value: number) => number): AtTime => {
    const inner = vector(of);
    const rename = remembered(nameless);
    return {
      kind: 'vector',
      at(ms) {
        const change = make(ms);
        return inner(ms).map(({ tags, value }) => ({ tags: rename(tags), value: change(value) }));
      },
    };
  };

  const vector = (of: Expr | undefined): ((ms: number) => Vector) => {
    const made = of === undefined ? null : build(of);
    if (made?.kind !== 'vector') throw new Error('stellwerk: a vector was expected');
    return made.at;
  };

  const scalar = (of: Expr | undefined): ((ms: number) => number) => {
    const made = of === undefined ? null : build(of);
    if (made?.kind !== 'scalar') throw new Error('stellwerk: a number was expected');
    return made.at;
  };

  const binary = (expr: Extract<Expr, { readonly kind: 'binary' }>): AtTime => {
    const { op, bool } = expr;
    const left = build(expr.left);
    const right = build(expr.right);
    if (left.kind === 'scalar' && right.kind === 'scalar') {
      return { kind: 'scalar', at: (ms) => calculate(op, left.at(ms), right.at(ms)) };
    }
    const rules = tagRules(expr, left.kind !== right.kind, remembered);
    if (left.kind === 'scalar' && right.kind === 'vector') {
      return { kind: 'vector', at: (ms) => withNumber(op, bool, right.at(ms), left.at(ms), true, rules) };
    }
    if (left.kind === 'vector' && right.kind === 'scalar') {
      return { kind: 'vector', at: (ms) => withNumber(op, bool, left.at(ms), right.at(ms), false, rules) };
    }
    if (left.kind === 'vector' && right.kind === 'vector') {
      return { kind: 'vector', at: (ms) => ofVectors(op, bool, left.at(ms), right.at(ms), rules) };
    }
    throw new Error('stellwerk: two sides of no known kind');
  };

  const build = (of: Expr): AtTime => {
    switch (of.kind) {
      case 'number':
        return { kind: 'scalar', at: () => of.value };
      case 'selector':
        return vectorAt(of);
      case 'range':
        throw new Unanswerable('a range vector has no value at a time: put a function around it, as rate(x[5m])');
      case 'call':
        return call(of);
      case 'negate': {
        if (typeOf(of.of) === 'vector') return mapped(of.of, () => (value) => -value);
        const inner = scalar(of.of);
        return { kind: 'scalar', at: (ms) => -inner(ms) };
      }
      case 'aggregate': {
        const inner = vector(of.of);
        const parameter = of.parameter === null ? () => Number.NaN : scalar(of.parameter);
        const { by, labels } = of.grouping;
        const group = remembered((tags) => narrowed(tags, by, labels));
        return { kind: 'vector', at: (ms) => aggregate(of.op, inner(ms), parameter(ms), group) };
      }
      case 'binary':
        return binary(of);
      default:
        return of satisfies never;
    }
  };
  return build(expr);
}

/** The samples themselves of a range selector, as an instant query shows them. */
export function samplesOf(
  { selector, ms }: Extract<Expr, { readonly kind: 'range' }>,
  moment: Moment,
  atMs: number,
): readonly Line[] {
  const { source, catalog, budget } = moment;
  const end = atMs - selector.offsetMs;
  const found = catalog.find(selector.matchers);
  const samples = source.scanTimes.findIndex((time) => time <= end - ms);
  const wanted = samples < 0 ? source.scanTimes.length : samples;
  budget.samples -= found.length * wanted;
  if (budget.samples < 0) throw new Unanswerable('that is more than a query may read: narrow the selector or the time');
  return found.flatMap(({ id, tags }) => {
    const points = source.history(id, wanted).flatMap((value, back) => {
      const time = source.scanTimes[back] ?? 0;
      return value === null || time > end ? [] : [[time, Number(value)] as const];
    });
    return points.length === 0 ? [] : [{ tags, points: points.reverse() }];
  });
}

/** Those that have a value. */
function present(loaded: readonly Loaded[], value: (series: Loaded) => number | null): Vector {
  const there: { readonly tags: Tags; readonly value: number }[] = [];
  for (const series of loaded) {
    const found = value(series);
    // A missing sample is NaN; a function gives null.
    if (found !== null && !Number.isNaN(found)) there.push({ tags: series.tags, value: found });
  }
  return there;
}

function spend(work: { left: number }, amount: number): void {
  work.left -= amount;
  if (work.left < 0) throw new Unanswerable('that is too much work: take fewer steps, shorter ranges or fewer series');
}

const atLeast = (low: number) => (value: number) => (Number.isNaN(low) ? low : Math.max(low, value));
const atMost = (high: number) => (value: number) => (Number.isNaN(high) ? high : Math.min(high, value));

const only = (vector: Vector): number => (vector.length === 1 ? (vector[0]?.value ?? Number.NaN) : Number.NaN);

/** Index of the last of the rising times that is not after `ms`; -1 where there is none. */
export function lastAtOrBefore(times: Float64Array, ms: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
