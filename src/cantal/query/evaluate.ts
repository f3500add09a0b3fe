import type { Budget } from './cost.ts';
import { type Dataset, type Result, toDataset } from './dataset.ts';
import { extract, mostSamplesPerQuery, TooMuch } from './extract.ts';
import { fold } from './fold.ts';
import { extractRates } from './rates.ts';
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
  return {
    kind: 'values',
    values: Object.fromEntries([...evaluated.results].map(([id, result]) => [id, toDataset(result)])),
  };
}

/** The same before it is written down. */
export function resultsOf(
  rules: ReadonlyMap<string, Rule>,
  source: SeriesSource,
  budget: Budget = { samples: mostSamplesPerQuery },
): Results {
  const known = new Map<string, Result>();

  // The rules have been checked: a ratio leads to no circle.
  const resultOf = (id: string): Result => {
    const before = known.get(id);
    const rule = rules.get(id);
    if (before !== undefined || rule === undefined) return before ?? { kind: 'series', series: [] };
    const apply = (result: Result, what: Fold): Result =>
      what.kind === 'ratio' ? ratio(result, resultOf(what.by)) : fold(result, what);
    const rates = extractRates(rule, source, budget);
    const result =
      rates === null
        ? rule.functions.reduce(apply, extract(rule, source, budget))
        : rule.functions.slice(1).reduce(apply, rates);
    known.set(id, result);
    return result;
  };

  const results = new Map<string, Result>();
  for (const id of rules.keys()) {
    try {
      results.set(id, resultOf(id));
    } catch (error) {
      if (error instanceof TooMuch) return { kind: 'tooMuch', rule: id, reason: error.message };
      throw error;
    }
  }
  return { kind: 'results', results };
}
