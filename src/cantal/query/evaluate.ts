import { type Dataset, type Result, toDataset } from './dataset.ts';
import { extract, mostSamplesPerQuery, TooMuch } from './extract.ts';
import { fold } from './fold.ts';
import type { Rule } from './rule.ts';
import type { SeriesSource } from './source.ts';

export type Evaluated =
  | { readonly kind: 'values'; readonly values: Readonly<Record<string, Dataset>> }
  | { readonly kind: 'tooMuch'; readonly rule: string; readonly reason: string };

export type Results =
  | { readonly kind: 'results'; readonly results: ReadonlyMap<string, Result> }
  | Extract<Evaluated, { readonly kind: 'tooMuch' }>;

/** Answers all rules from one moment. */
export function evaluate(rules: ReadonlyMap<string, Rule>, source: SeriesSource): Evaluated {
  const evaluated = resultsOf(rules, source);
  if (evaluated.kind === 'tooMuch') return evaluated;
  return {
    kind: 'values',
    values: Object.fromEntries([...evaluated.results].map(([id, result]) => [id, toDataset(result)])),
  };
}

/** The same before it is written down. */
export function resultsOf(rules: ReadonlyMap<string, Rule>, source: SeriesSource): Results {
  const budget = { samples: mostSamplesPerQuery };
  const results = new Map<string, Result>();
  for (const [id, rule] of rules) {
    try {
      results.set(id, rule.functions.reduce(fold, extract(rule, source, budget)));
    } catch (error) {
      if (error instanceof TooMuch) return { kind: 'tooMuch', rule: id, reason: error.message };
      throw error;
    }
  }
  return { kind: 'results', results };
}
