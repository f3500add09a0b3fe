import type { Budget } from './cost.ts';
import { type Dataset, type Result, toDataset } from './dataset.ts';
import { extract, mostSamplesPerQuery, TooMuch } from './extract.ts';
import { fold } from './fold.ts';
import { ratio } from './ratio.ts';
import type { Fold, Rule } from './rule.ts';
import type { SeriesSource } from './source.ts';

export type Evaluated =
  | { readonly kind: 'values'; readonly values: Readonly<Record<string, Dataset>> }
  | { readonly kind: 'tooMuch'; readonly rule: string; readonly reason: string };

export type Results =
  | { readonly kind: 'results'; readonly results: ReadonlyMap<string, Result> }
  | Extract<Evaluated, { readonly kind: 'tooMuch' }>;

/** Answers all rules from one moment. What is read is taken from the budget. */
export function evaluate(rules: ReadonlyMap<string, Rule>, source: SeriesSource, budget?: Budget): Evaluated {
  const evaluated = resultsOf(rules, source, budget);
  if (evaluated.kind === 'tooMuch') return evaluated;
  const values = [...evaluated.results].map(([id, result]) => [id, toDataset(result)] as const);
  return { kind: 'values', values: Object.fromEntries(values) };
}

/** The same before it is written down. */
export function resultsOf(
  rules: ReadonlyMap<string, Rule>,
  source: SeriesSource,
  budget: Budget = { samples: mostSamplesPerQuery },
): Results {
  const results = new Map<string, Result>();

  // The rules have been checked: a ratio leads to no circle.
  const resultOf = (id: string): Result => {
    const known = results.get(id);
    const rule = rules.get(id);
    if (known !== undefined || rule === undefined) return known ?? { kind: 'series', series: [] };
    const apply = (result: Result, what: Fold): Result =>
      what.kind === 'ratio' ? ratio(result, resultOf(what.by)) : fold(result, what);
    const result = rule.functions.reduce(apply, extract(rule, source, budget));
    results.set(id, result);
    return result;
  };

  for (const id of rules.keys()) {
    try {
      resultOf(id);
    } catch (error) {
      if (error instanceof TooMuch) return { kind: 'tooMuch', rule: id, reason: error.message };
      throw error;
    }
  }
  return { kind: 'results', results };
}
