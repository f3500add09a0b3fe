import { type Dataset, toDataset } from './dataset.ts';
import { extract, mostSamplesPerQuery, TooMuch } from './extract.ts';
import { fold } from './fold.ts';
import type { Rule } from './rule.ts';
import type { SeriesSource } from './source.ts';

export type Evaluated =
  | { readonly kind: 'values'; readonly values: Readonly<Record<string, Dataset>> }
  | { readonly kind: 'tooMuch'; readonly rule: string; readonly reason: string };

/** Answers all rules from one moment. */
export function evaluate(rules: ReadonlyMap<string, Rule>, source: SeriesSource): Evaluated {
  const budget = { samples: mostSamplesPerQuery };
  const values: [string, Dataset][] = [];
  for (const [id, rule] of rules) {
    try {
      values.push([id, toDataset(rule.functions.reduce(fold, extract(rule, source, budget)))]);
    } catch (error) {
      if (error instanceof TooMuch) return { kind: 'tooMuch', rule: id, reason: error.message };
      throw error;
    }
  }
  return { kind: 'values', values: Object.fromEntries(values) };
}
