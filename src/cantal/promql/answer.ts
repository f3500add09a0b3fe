import { type Expr, typeOf } from './ast.ts';
import { type Line, type Moment, prepare, samplesOf } from './evaluate.ts';
import { type Tags, toObject } from './tags.ts';
import { Unanswerable, type Vector } from './vector.ts';

/** As Prometheus: so many steps fill the widest screen several times. */
export const mostSteps = 11_000;

type Point = readonly [seconds: number, value: string];
type Metric = Readonly<Record<string, string>>;

/** `data` of a reply: Prometheus, HTTP API, "Expression query result formats". */
export type Data =
  | { readonly resultType: 'scalar'; readonly result: Point }
  | { readonly resultType: 'vector'; readonly result: readonly { readonly metric: Metric; readonly value: Point }[] }
  | {
      readonly resultType: 'matrix';
      readonly result: readonly { readonly metric: Metric; readonly values: readonly Point[] }[];
    };

/** The value at one time. Throws Unanswerable. */
export function instant(expr: Expr, moment: Moment, ms: number): Data {
  if (expr.kind === 'range') return matrix(samplesOf(expr, moment, ms));
  const made = prepare(expr, moment, ms, ms);
  if (made.kind === 'scalar') return { resultType: 'scalar', result: point(ms, made.at(ms)) };
  const vector = made.at(ms);
  checkDistinct(vector);
  return {
    resultType: 'vector',
    result: vector.map(({ tags, value }) => ({ metric: toObject(tags), value: point(ms, value) })),
  };
}

/** The values at each step. Throws Unanswerable. */
export function overRange(expr: Expr, moment: Moment, fromMs: number, toMs: number, stepMs: number): Data {
  if (typeOf(expr) === 'range')
    throw new Unanswerable('a range vector cannot be drawn: put a function around it, as rate(x[5m])');
  const made = prepare(expr, moment, fromMs, toMs);
  const lines = new Map<string, { readonly tags: Tags; readonly points: (readonly [number, number])[] }>();
  for (let step = 0; fromMs + step * stepMs <= toMs; step++) {
    const ms = fromMs + step * stepMs;
    const vector: Vector = made.kind === 'scalar' ? [{ tags: nothing, value: made.at(ms) }] : made.at(ms);
    checkDistinct(vector);
    for (const { tags, value } of vector) {
      const known = lines.get(tags.id);
      if (known === undefined) lines.set(tags.id, { tags, points: [[ms, value]] });
      else known.points.push([ms, value]);
    }
  }
  return matrix([...lines.values()].sort((a, b) => (a.tags.id < b.tags.id ? -1 : 1)));
}

const nothing: Tags = { pairs: [], id: '[]' };

function checkDistinct(vector: Vector): void {
  const seen = new Set<string>();
  for (const { tags } of vector) {
    if (seen.has(tags.id)) throw new Unanswerable('vector cannot contain metrics with the same labelset');
    seen.add(tags.id);
  }
}

const matrix = (lines: readonly Line[]): Data => ({
  resultType: 'matrix',
  result: lines.map(({ tags, points }) => ({
    metric: toObject(tags),
    values: points.map(([ms, value]) => point(ms, value)),
  })),
});

const point = (ms: number, value: number): Point => [ms / 1000, valueText(value)];

function valueText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return Object.is(value, -0) ? '-0' : String(value);
}
