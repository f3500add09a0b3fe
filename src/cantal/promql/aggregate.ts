import type { AggregateOp } from './ast.ts';
import type { Tags } from './tags.ts';
import type { Vector } from './vector.ts';

/** One value, or some of them, of each group. `parameter` is of topk, bottomk and quantile. */
export function aggregate(op: AggregateOp, vector: Vector, parameter: number, groupOf: (tags: Tags) => Tags): Vector {
  const groups = new Map<string, { readonly tags: Tags; readonly members: Vector[number][] }>();
  for (const sample of vector) {
    const tags = groupOf(sample.tags);
    const known = groups.get(tags.id);
    if (known === undefined) groups.set(tags.id, { tags, members: [sample] });
    else known.members.push(sample);
  }
  if (op === 'topk' || op === 'bottomk') {
    const n = Number.isNaN(parameter) ? 0 : Math.max(0, Math.trunc(parameter));
    return [...groups.values()].flatMap(({ members }) => largest(members, op === 'topk' ? 1 : -1).slice(0, n));
  }
  return [...groups.values()].map(({ tags, members }) => ({
    tags,
    value: folded(
      op,
      members.map(({ value }) => value),
      parameter,
    ),
  }));
}

/** What is no number comes last. */
function largest(members: Vector, sign: 1 | -1): Vector {
  const size = (value: number) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : sign * value);
  return members.toSorted((a, b) => (size(a.value) === size(b.value) ? 0 : size(b.value) - size(a.value)));
}

function folded(op: Exclude<AggregateOp, 'topk' | 'bottomk'>, values: readonly number[], parameter: number): number {
  switch (op) {
    case 'sum':
      return values.reduce((sum, value) => sum + value);
    case 'avg':
      return values.reduce((sum, value) => sum + value) / values.length;
    case 'min':
      return values.reduce((low, value) => (value < low || Number.isNaN(low) ? value : low));
    case 'max':
      return values.reduce((high, value) => (value > high || Number.isNaN(high) ? value : high));
    case 'count':
      return values.length;
    case 'group':
      return 1;
    case 'quantile':
      return quantileOf(values, parameter);
    default:
      return op satisfies never;
  }
}

function quantileOf(values: readonly number[], q: number): number {
  if (Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  // What is no number is smallest.
  const sorted = values.toSorted((a, b) => (Number.isNaN(a) ? -1 : Number.isNaN(b) ? 1 : a - b));
  const rank = q * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] ?? Number.NaN;
  const high = sorted[Math.min(Math.floor(rank) + 1, sorted.length - 1)] ?? Number.NaN;
  const weight = rank - Math.floor(rank);
  return low * (1 - weight) + high * weight;
}
