import type { Budget } from './cost.ts';
import type { Dataset, SeriesJson } from './dataset.ts';
import { type Evaluated, evaluate } from './evaluate.ts';
import type { Fold, Rule } from './rule.ts';
import type { SeriesSource } from './source.ts';

/** What a rule says at the newest scan, as far as it has not been said. */
export type Following =
  | {
      readonly kind: 'newer';
      /** Of the newest scan, ms since the epoch. */
      readonly timestamp: number;
      /** Of the answer before; null: this is the first. */
      readonly after: number | null;
      /** Rules whose series hold only what is newer than `after`; the other datasets replace the ones before. */
      readonly appends: readonly string[];
      readonly values: Readonly<Record<string, Dataset>>;
    }
  /** There was no scan since. */
  | { readonly kind: 'nothing' }
  | Extract<Evaluated, { readonly kind: 'tooMuch' }>;

/** Each of these makes a sample of the samples of its own moment (and of the one before it): the past stays as it was said. */
const momentary: ReadonlySet<Fold['kind']> = new Set(['derivative', 'across', 'sumBy', 'quantile']);

/** Its older samples stay what they are when newer ones come. */
export const appendable = ({ source, extract, functions }: Rule): boolean =>
  source === 'Fine' &&
  (extract.kind === 'byNum' || extract.kind === 'byTime') &&
  functions.every(({ kind }) => momentary.has(kind));

/** Rules asked at each scan, for a reader who keeps what it got. */
export function follow(rules: ReadonlyMap<string, Rule>): (source: SeriesSource, budget?: Budget) => Following {
  // What a ratio divides by has to be as long as the ratio itself.
  const divisors = new Set(
    [...rules.values()].flatMap(({ functions }) =>
      functions.flatMap((each) => (each.kind === 'ratio' ? [each.by] : [])),
    ),
  );
  const appends = [...rules].filter(([id, rule]) => appendable(rule) && !divisors.has(id)).map(([id]) => id);
  let after: number | null = null;

  return (source, budget) => {
    const timestamp = source.scanTimes[0];
    if (timestamp === undefined || timestamp === after) return { kind: 'nothing' };
    const known = after === null ? -1 : source.scanTimes.findIndex((time) => time <= (after ?? 0));
    // A history that was trimmed down to what is new, or a first answer: everything is new.
    const whole = known < 0;
    const evaluated = evaluate(whole ? rules : narrowed(rules, appends, known), source, budget);
    if (evaluated.kind === 'tooMuch') return evaluated;
    const before: number | null = whole ? null : after;
    after = timestamp;
    if (before === null) return { kind: 'newer', timestamp, after: null, appends: [], values: evaluated.values };
    const values = Object.fromEntries(
      Object.entries(evaluated.values).map(([id, dataset]) => [
        id,
        appends.includes(id) ? newerThan(dataset, before) : dataset,
      ]),
    );
    return { kind: 'newer', timestamp, after: before, appends, values };
  };
}

/** With as many samples as are new, and those that derivatives need before them. */
function narrowed(
  rules: ReadonlyMap<string, Rule>,
  appends: readonly string[],
  fresh: number,
): ReadonlyMap<string, Rule> {
  return new Map(
    [...rules].map(([id, rule]): [string, Rule] => {
      if (!appends.includes(id)) return [id, rule];
      const derivatives = rule.functions.filter(({ kind }) => kind === 'derivative').length;
      return [id, { ...rule, extract: { kind: 'byNum', samples: fresh + derivatives } }];
    }),
  );
}

function newerThan(dataset: Dataset, after: number): Dataset {
  const cut = ([key, [kind, values], timestamps]: SeriesJson): SeriesJson => {
    const end = timestamps.findIndex((time) => time <= after);
    return end < 0 ? [key, [kind, values], timestamps] : [key, [kind, values.slice(0, end)], timestamps.slice(0, end)];
  };
  if (dataset[0] === 'SingleSeries') return ['SingleSeries', ...cut([dataset[1], dataset[2], dataset[3]])];
  if (dataset[0] === 'MultiSeries') return ['MultiSeries', dataset[1].map(cut)];
  return dataset;
}
