import { createHash } from 'node:crypto';
import { checkRules, type Rule } from '../query/rule.ts';
import { limits } from './limits.ts';

/** What a subscription selects: source and condition of a rule. */
export interface Filter {
  /** 16 hex digits, the same on both sides. */
  readonly id: string;
  /** JSON: [source, condition]. */
  readonly text: string;
}

export interface WantedFilter extends Filter {
  /** Rows that a query needs of it. */
  readonly samples: number;
}

export const filterId = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/**
 * The filters of a query's rules, by rule, if all of them can be answered from mirrors; null where one looks back
 * farther. `rules` are checked already.
 */
export function filtersOf(
  rules: Readonly<Record<string, unknown>>,
  checked: ReadonlyMap<string, Rule>,
  intervalMs: number,
): ReadonlyMap<string, WantedFilter> | null {
  const filters = new Map<string, WantedFilter>();
  for (const [id, rule] of checked) {
    const samples = rule.source === 'Tip' ? 1 : rowsOf(rule, intervalMs);
    if (samples > limits.mostSamples) return null;
    const { series } = rules[id] as { series: { condition: unknown } };
    const text = JSON.stringify([rule.source, series.condition]);
    if (Buffer.byteLength(text) > limits.mostFilterBytes) return null;
    filters.set(id, { id: filterId(text), text, samples });
  }
  return filters;
}

function rowsOf({ extract }: Rule, intervalMs: number): number {
  switch (extract.kind) {
    case 'tip':
      return 1;
    case 'diff':
      return extract.samples + 1;
    case 'byNum':
      return extract.samples;
    case 'byTime':
      // One before the window shows that all of it is there.
      return Math.ceil(extract.ms / intervalMs) + 2;
    default:
      return extract satisfies never;
  }
}

/** The rule of a filter that came from a peer; null where it is none. */
export function ruleOfFilter(text: string): Rule | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value) || value.length !== 2) return null;
    const [source, condition] = value as readonly unknown[];
    const checked = checkRules({ filter: { series: { source, condition }, extract: ['Tip'] } });
    return checked.kind === 'ok' ? (checked.value.get('filter') ?? null) : null;
  } catch {
    return null;
  }
}
