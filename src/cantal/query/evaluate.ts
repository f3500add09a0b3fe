import type { Budget } from './cost.ts';
import { type Dataset, type Result, toDataset } from './dataset.ts';
import { extract, mostSamplesPerQuery, TooMuch } from './extract.ts';
import { fold } from './fold.ts';
import { extractRates } from './rates.ts';
import { ratio } from './ratio.ts';
import type { Fold, Rule } from './rule.ts';
import type { SeriesSource } from './source.ts';
import { extractSums, type Summed } from './sums.ts';

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
    const { result: begun, functions } = begin(rule, source, budget);
    const result = rule.functions.slice(functions).reduce(apply, begun);
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

/** What the rule reads, with as many of its first functions applied as can be while it is read. */
function begin(rule: Rule, source: SeriesSource, budget: Budget): Summed {
  const sums = extractSums(rule, source, budget);
  if (sums !== null) return sums;
  const rates = extractRates(rule, source, budget);
  return rates === null ? { result: extract(rule, source, budget), functions: 0 } : { result: rates, functions: 1 };
}
