import type { Regex } from '../query/regex.ts';

/** The part of PromQL that is answered (docs/cantal.md, "PromQL"), checked. */
export type Expr =
  | { readonly kind: 'number'; readonly value: number }
  | Selector
  | { readonly kind: 'range'; readonly selector: Selector; readonly ms: number }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly args: readonly Expr[] }
  | {
      readonly kind: 'aggregate';
      readonly op: AggregateOp;
      /** Of topk, bottomk and quantile. */
      readonly parameter: Expr | null;
      readonly of: Expr;
      readonly grouping: Grouping;
    }
  | {
      readonly kind: 'binary';
      readonly op: BinaryOp;
      readonly bool: boolean;
      readonly matching: Matching;
      readonly left: Expr;
      readonly right: Expr;
    }
  | { readonly kind: 'negate'; readonly of: Expr };

export interface Selector {
  readonly kind: 'selector';
  readonly matchers: readonly Matcher[];
  readonly offsetMs: number;
}

/** A label that is not there is an empty one. */
export type Matcher =
  | { readonly label: string; readonly op: '=' | '!='; readonly value: string }
  | { readonly label: string; readonly op: '=~' | '!~'; readonly test: Regex };

/** `by` these labels, or `without` them. */
export interface Grouping {
  readonly by: boolean;
  readonly labels: readonly string[];
}

/** Series of both sides belong together that have `on` these labels the same values, or on all but these. */
export interface Matching {
  readonly on: boolean;
  readonly labels: readonly string[];
}

export const aggregateOps = ['sum', 'avg', 'min', 'max', 'count', 'group', 'topk', 'bottomk', 'quantile'] as const;
export type AggregateOp = (typeof aggregateOps)[number];

export const arithmeticOps = ['+', '-', '*', '/', '%', '^'] as const;
export const comparisonOps = ['==', '!=', '>', '<', '>=', '<='] as const;
export const setOps = ['and', 'or', 'unless'] as const;
export type BinaryOp = (typeof arithmeticOps)[number] | (typeof comparisonOps)[number] | (typeof setOps)[number];

export type ValueType = 'scalar' | 'vector' | 'range';

/** What a function takes, and gives. */
export const functions = {
  rate: { takes: ['range'], gives: 'vector' },
  irate: { takes: ['range'], gives: 'vector' },
  increase: { takes: ['range'], gives: 'vector' },
  delta: { takes: ['range'], gives: 'vector' },
  avg_over_time: { takes: ['range'], gives: 'vector' },
  min_over_time: { takes: ['range'], gives: 'vector' },
  max_over_time: { takes: ['range'], gives: 'vector' },
  sum_over_time: { takes: ['range'], gives: 'vector' },
  count_over_time: { takes: ['range'], gives: 'vector' },
  last_over_time: { takes: ['range'], gives: 'vector' },
  abs: { takes: ['vector'], gives: 'vector' },
  ceil: { takes: ['vector'], gives: 'vector' },
  floor: { takes: ['vector'], gives: 'vector' },
  sqrt: { takes: ['vector'], gives: 'vector' },
  clamp_min: { takes: ['vector', 'scalar'], gives: 'vector' },
  clamp_max: { takes: ['vector', 'scalar'], gives: 'vector' },
  scalar: { takes: ['vector'], gives: 'scalar' },
  vector: { takes: ['scalar'], gives: 'vector' },
  time: { takes: [], gives: 'scalar' },
} as const satisfies Readonly<Record<string, { takes: readonly ValueType[]; gives: ValueType }>>;
export type FunctionName = keyof typeof functions;

export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar';
    case 'selector':
    case 'aggregate':
      return 'vector';
    case 'range':
      return 'range';
    case 'call':
      return functions[expr.name].gives;
    case 'negate':
      return typeOf(expr.of);
    case 'binary':
      return typeOf(expr.left) === 'scalar' && typeOf(expr.right) === 'scalar' ? 'scalar' : 'vector';
    default:
      return expr satisfies never;
  }
}
