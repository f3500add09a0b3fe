import type { Labels } from './answer.ts';
import { all, any, type Condition, equal, type Fold, has, not, perSecondFold, sumBy } from './rules.ts';

/** One entry of GET /v1/metrics. */
export interface Metric {
  readonly name: string;
  readonly labels: Labels;
  readonly kind: string;
  readonly value: number | string | null | readonly [number, string];
  /** ms since the epoch */
  readonly timestamp: number;
}

export const joins = ['each', 'sum', 'avg', 'min', 'max', 'count'] as const;
export type Join = (typeof joins)[number];

type LabelsByName = ReadonlyMap<string, ReadonlySet<string>>;

/** A condition that holds for these metrics and, of all that are known, for no others. */
export function exactly(metrics: readonly Metric[], known: LabelsByName): Condition | null {
  const [first, ...others] = metrics.flatMap((metric) => conditionsOf(metric, known));
  return first === undefined ? null : any(first, ...others);
}

function conditionsOf({ name, labels }: Metric, known: LabelsByName): Condition[] {
  const without = [...(known.get(name) ?? [])].filter((label) => !Object.hasOwn(labels, label));
  const [one, ...rest] = [
    ...Object.entries(labels).map(([label, value]) => equal(label, value)),
    // cpu.user of the host and of each core differ only in that the host's has no label `cpu`.
    ...without.map((label) => not(has(label))),
  ];
  return one === undefined ? [] : [all(one, ...rest)];
}

/** src/cantal/query/rule.ts allows 200 in a rule. */
const mostConditions = 180;

/** Rules for the newest values of metrics: as many as the agent's limits need. */
export function tipRules(metrics: readonly Metric[], known: LabelsByName): Record<string, unknown> {
  const rules: Record<string, unknown> = {};
  for (const source of ['Fine', 'Tip'] as const) {
    const of = metrics.filter(({ kind }) => (kind === 'State') === (source === 'Tip'));
    for (const [index, conditions] of bundles(of.flatMap((metric) => conditionsOf(metric, known))).entries()) {
      const [first, ...others] = conditions;
      if (first === undefined) continue;
      const series = { source, condition: any(first, ...others) };
      rules[`seen ${source} ${index}`] = { series, extract: ['Tip'], functions: [] };
    }
  }
  return rules;
}

function bundles(conditions: readonly Condition[]): Condition[][] {
  const made: Condition[][] = [];
  let room = 0;
  for (const condition of conditions) {
    const size = sizeOf(condition) + 1;
    if (size > room) {
      made.push([]);
      room = mostConditions;
    }
    room -= size;
    made.at(-1)?.push(condition);
  }
  return made;
}

const sizeOf = (condition: Condition): number =>
  condition.reduce<number>((sum, part) => (Array.isArray(part) ? sum + sizeOf(part as unknown as Condition) : sum), 1);

/** All labels that metrics of a name have. */
export function labelsByName(metrics: readonly Metric[]): LabelsByName {
  const known = new Map<string, Set<string>>();
  for (const { name, labels } of metrics) {
    const held = known.get(name) ?? new Set<string>();
    known.set(name, held);
    for (const label of Object.keys(labels)) held.add(label);
  }
  return known;
}

export function folds(rate: boolean, join: Join, by: string): Fold[] {
  const first = rate ? [perSecondFold] : [];
  if (join === 'each') return first;
  const name = `${join.charAt(0).toUpperCase()}${join.slice(1)}`;
  if (by === '') return [...first, [name, 'Ignore']];
  return [...first, join === 'sum' ? sumBy(by) : [`${name}By`, by, 'Ignore']];
}

/** For a shell: the words of the rule have no single quotes that end the text. */
export const curlOf = (origin: string, rule: unknown): string =>
  `curl -s ${origin}/query -H 'content-type: application/json' -d '${JSON.stringify({ rules: { plot: rule } }).replaceAll("'", "'\\''")}'`;
