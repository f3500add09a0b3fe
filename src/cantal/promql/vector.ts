import { type BinaryOp, comparisonOps, type Expr, type Matching } from './ast.ts';
import { narrowed, type Tags } from './tags.ts';

export interface Sample {
  readonly tags: Tags;
  readonly value: number;
}
export type Vector = readonly Sample[];

/** An expression that cannot be answered with these series. */
export class Unanswerable extends Error {}

export const isComparison = (op: BinaryOp): boolean => (comparisonOps as readonly string[]).includes(op);

/** Of two numbers; a comparison gives 1 or 0. */
export function calculate(op: BinaryOp, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
    case '^':
      // In Go, 1 to any power is 1.
      return a === 1 ? 1 : a ** b;
    case '==':
      return Number(a === b);
    case '!=':
      return Number(a !== b);
    case '>':
      return Number(a > b);
    case '<':
      return Number(a < b);
    case '>=':
      return Number(a >= b);
    case '<=':
      return Number(a <= b);
    case 'and':
    case 'or':
    case 'unless':
      throw new Error(`stellwerk: ${op} is of vectors`);
    default:
      return op satisfies never;
  }
}

/** What one binary expression does to tags, remembered over all steps. */
export interface TagRules {
  /** By what both sides find each other. */
  readonly match: (tags: Tags) => Tags;
  /** What the result is called. */
  readonly result: (tags: Tags) => Tags;
}

export function tagRules(
  { op, bool, matching }: Extract<Expr, { readonly kind: 'binary' }>,
  oneVector: boolean,
  remember: (make: (tags: Tags) => Tags) => (tags: Tags) => Tags,
): TagRules {
  const keepsName = isComparison(op) && !bool;
  const result = (tags: Tags): Tags => {
    if (oneVector) return keepsName ? tags : narrowed(tags, false, []);
    return keepsName && !matching.on ? without(tags, matching) : narrowed(tags, matching.on, matching.labels);
  };
  return { match: remember((tags) => narrowed(tags, matching.on, matching.labels)), result: remember(result) };
}

/** All labels but the ignored ones, with the name. */
const without = (tags: Tags, { labels }: Matching): Tags =>
  labels.length === 0
    ? tags
    : narrowed(
        tags,
        true,
        tags.pairs.map(([label]) => label).filter((label) => !labels.includes(label)),
      );

export function withNumber(
  op: BinaryOp,
  bool: boolean,
  vector: Vector,
  number: number,
  numberIsLeft: boolean,
  rules: TagRules,
): Vector {
  const filters = isComparison(op) && !bool;
  return vector.flatMap(({ tags, value }) => {
    const result = numberIsLeft ? calculate(op, number, value) : calculate(op, value, number);
    if (filters) return result === 1 ? [{ tags: rules.result(tags), value }] : [];
    return [{ tags: rules.result(tags), value: result }];
  });
}

export function ofVectors(op: BinaryOp, bool: boolean, left: Vector, right: Vector, rules: TagRules): Vector {
  if (op === 'and' || op === 'or' || op === 'unless') return ofSets(op, left, right, rules);
  const partners = new Map<string, Sample>();
  for (const sample of right) {
    const { id } = rules.match(sample.tags);
    if (partners.has(id)) {
      throw new Unanswerable(
        `several series on the right of ${op} belong to ${id}: many-to-many matching is not allowed`,
      );
    }
    partners.set(id, sample);
  }
  const filters = isComparison(op) && !bool;
  const taken = new Set<string>();
  return left.flatMap(({ tags, value }) => {
    const { id } = rules.match(tags);
    const partner = partners.get(id);
    if (partner === undefined) return [];
    if (taken.has(id))
      throw new Unanswerable(
        `several series on the left of ${op} belong to ${id}: many-to-one matching is not answered here`,
      );
    taken.add(id);
    const result = calculate(op, value, partner.value);
    if (filters) return result === 1 ? [{ tags: rules.result(tags), value }] : [];
    return [{ tags: rules.result(tags), value: result }];
  });
}

function ofSets(op: 'and' | 'or' | 'unless', left: Vector, right: Vector, { match }: TagRules): Vector {
  const idsOf = (vector: Vector) => new Set(vector.map(({ tags }) => match(tags).id));
  if (op === 'or') {
    const there = idsOf(left);
    return [...left, ...right.filter(({ tags }) => !there.has(match(tags).id))];
  }
  const there = idsOf(right);
  return left.filter(({ tags }) => there.has(match(tags).id) === (op === 'and'));
}
