import { compileRegex, type Regex } from './regex.ts';

/** The query language of spec/cantal.md 7.2, checked. */
export interface Rule {
  readonly source: 'Fine' | 'Tip';
  readonly condition: Condition;
  readonly extract: Extract;
  readonly functions: readonly Fold[];
}

export type Condition =
  | { readonly kind: 'eq'; readonly label: string; readonly value: string }
  /** The label must exist. */
  | { readonly kind: 'notEq'; readonly label: string; readonly value: string }
  | { readonly kind: 'like'; readonly label: string; readonly test: Regex }
  | { readonly kind: 'has'; readonly label: string }
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not'; readonly inner: Condition };

export type Extract =
  | { readonly kind: 'tip' }
  /** Newest minus the oldest sample at most `samples` scans back. */
  | { readonly kind: 'diff'; readonly samples: number }
  | { readonly kind: 'byNum'; readonly samples: number }
  | { readonly kind: 'byTime'; readonly ms: number };

export const datasetNames = [
  'SingleSeries',
  'MultiSeries',
  'SingleTip',
  'MultiTip',
  'Chart',
  'Empty',
  'Incompatible',
] as const;
export type DatasetName = (typeof datasetNames)[number];

/** How many series become one. */
export type Across = 'sum' | 'avg' | 'min' | 'max' | 'count';

export type Fold =
  | { readonly kind: 'derivative' }
  | { readonly kind: 'rate' }
  | { readonly kind: 'across'; readonly how: Across }
  /** By the values of labels; `total` only of sums. */
  | { readonly kind: 'sumBy'; readonly how: Across; readonly labels: readonly string[]; readonly total: boolean }
  | { readonly kind: 'topK'; readonly n: number }
  | { readonly kind: 'quantile'; readonly q: number }
  | { readonly kind: 'step'; readonly ms: number }
  | { readonly kind: 'expect'; readonly dataset: DatasetName }
  | { readonly kind: 'stateChart'; readonly top: number }
  /** Divided by what another rule of the query gives. */
  | { readonly kind: 'ratio'; readonly by: string };

export type Checked<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** `path` names the bad part: "rules.load.extract[1]". */
  | { readonly kind: 'bad'; readonly path: string; readonly reason: string };

/** A person writes some dozens; these bound what one request can cost. */
export const mostRules = 100;
const mostFunctions = 16;
const mostConditions = 200;
const deepestCondition = 32;
/** More than an hour at the shortest scan period of 100 ms. */
const mostSamples = 100_000;
const longestMs = 7 * 24 * 3_600_000;

class Bad extends Error {
  readonly path: string;

  constructor(path: string, reason: string) {
    super(reason);
    this.path = path;
  }
}

function fail(path: string, reason: string): never {
  throw new Bad(path, reason);
}

/** Checks the body of a query: {"rules": {ID: rule}}. */
export function checkQuery(body: unknown): Checked<ReadonlyMap<string, Rule>> {
  return checked(() => {
    const { rules } = record(body, 'body', ['rules']);
    return rulesOf(rules, 'rules');
  });
}

/** Checks {ID: rule}. */
export function checkRules(rules: unknown): Checked<ReadonlyMap<string, Rule>> {
  return checked(() => rulesOf(rules, 'rules'));
}

function checked<T>(check: () => T): Checked<T> {
  try {
    return { kind: 'ok', value: check() };
  } catch (error) {
    if (error instanceof Bad) return { kind: 'bad', path: error.path, reason: error.message };
    throw error;
  }
}

function rulesOf(value: unknown, path: string): ReadonlyMap<string, Rule> {
  const entries = Object.entries(record(value, path));
  if (entries.length > mostRules) fail(path, `more than ${mostRules} rules`);
  const rules = new Map(entries.map(([id, rule]) => [id, ruleOf(rule, `${path}.${id}`)]));
  checkRatios(rules, path);
  return rules;
}

/** Each rule that a ratio names is there, and none needs itself. */
function checkRatios(rules: ReadonlyMap<string, Rule>, path: string): void {
  const done = new Set<string>();
  const visit = (id: string, above: readonly string[]): void => {
    if (done.has(id)) return;
    for (const [index, each] of (rules.get(id)?.functions ?? []).entries()) {
      if (each.kind !== 'ratio') continue;
      const at = `${path}.${id}.functions[${index}][1]`;
      if (!rules.has(each.by)) fail(at, `there is no rule ${shown(each.by)}`);
      if (each.by === id || above.includes(each.by)) fail(at, `${shown(each.by)} needs this rule itself`);
      visit(each.by, [...above, id]);
    }
    done.add(id);
  };
  for (const id of rules.keys()) visit(id, []);
}

function ruleOf(value: unknown, path: string): Rule {
  const rule = record(value, path, ['series', 'extract', 'functions']);
  const series = record(rule.series, `${path}.series`, ['source', 'condition']);
  const source = series.source;
  if (source !== 'Fine' && source !== 'Tip') fail(`${path}.series.source`, `"Fine" or "Tip", not ${shown(source)}`);
  const left = { conditions: mostConditions };
  const functions = list(rule.functions ?? [], `${path}.functions`);
  if (functions.length > mostFunctions) fail(`${path}.functions`, `more than ${mostFunctions} functions`);
  return {
    source,
    condition: conditionOf(series.condition, `${path}.series.condition`, left, 1),
    // Source Tip ignores the extract, so it need not be there.
    extract:
      source === 'Tip' && rule.extract === undefined ? { kind: 'tip' } : extractOf(rule.extract, `${path}.extract`),
    functions: functions.map((each, index) => foldOf(each, `${path}.functions[${index}]`)),
  };
}

function conditionOf(value: unknown, path: string, left: { conditions: number }, depth: number): Condition {
  left.conditions -= 1;
  if (left.conditions < 0) fail(path, `more than ${mostConditions} conditions`);
  if (depth > deepestCondition) fail(path, `nested more than ${deepestCondition} deep`);
  const [name, args] = variant(value, path);
  const inner = (index: number) => conditionOf(args[index], `${path}[${index + 1}]`, left, depth + 1);
  switch (name) {
    case 'Eq':
    case 'NotEq':
      count(args, 2, path, name, 'label and value');
      return {
        kind: name === 'Eq' ? 'eq' : 'notEq',
        label: text(args[0], `${path}[1]`),
        value: text(args[1], `${path}[2]`),
      };
    case 'RegexLike': {
      count(args, 2, path, name, 'label and regex');
      const regex = compileRegex(text(args[1], `${path}[2]`));
      if (regex.kind === 'bad') return fail(`${path}[2]`, `regular expression: ${regex.reason}`);
      return { kind: 'like', label: text(args[0], `${path}[1]`), test: regex.test };
    }
    case 'And':
    case 'Or':
      count(args, 2, path, name, 'two conditions');
      return { kind: name === 'And' ? 'and' : 'or', left: inner(0), right: inner(1) };
    case 'Not':
      count(args, 1, path, name, 'a condition');
      return { kind: 'not', inner: inner(0) };
    case 'Has':
      count(args, 1, path, name, 'a label');
      return { kind: 'has', label: text(args[0], `${path}[1]`) };
    default:
      return unknown(path, 'condition', name, ['Eq', 'NotEq', 'RegexLike', 'And', 'Or', 'Not', 'Has']);
  }
}

function extractOf(value: unknown, path: string): Extract {
  const [name, args] = variant(value, path);
  switch (name) {
    case 'Tip':
      count(args, 0, path, name, 'nothing');
      return { kind: 'tip' };
    case 'DiffToAtMost':
      count(args, 1, path, name, 'a number of samples');
      return { kind: 'diff', samples: whole(args[0], `${path}[1]`, mostSamples) };
    case 'HistoryByNum':
      count(args, 1, path, name, 'a number of samples');
      return { kind: 'byNum', samples: whole(args[0], `${path}[1]`, mostSamples) };
    case 'HistoryByTime':
      count(args, 1, path, name, 'milliseconds');
      return { kind: 'byTime', ms: whole(args[0], `${path}[1]`, longestMs) };
    default:
      return unknown(path, 'extract', name, ['Tip', 'DiffToAtMost', 'HistoryByNum', 'HistoryByTime']);
  }
}

const acrossByName: Readonly<Record<string, Across>> = {
  Sum: 'sum',
  Avg: 'avg',
  Min: 'min',
  Max: 'max',
  Count: 'count',
};

function foldOf(value: unknown, path: string): Fold {
  const [name, args] = variant(value, path);
  switch (name) {
    case 'NonNegativeDerivative':
    case 'Rate':
      count(args, 0, path, name, 'nothing');
      return { kind: name === 'Rate' ? 'rate' : 'derivative' };
    case 'Sum':
    case 'Avg':
    case 'Min':
    case 'Max':
    case 'Count':
      count(args, 1, path, name, '"Ignore"');
      ignore(args[0], `${path}[1]`);
      return { kind: 'across', how: acrossByName[name] ?? 'sum' };
    case 'SumBy':
    case 'AvgBy':
    case 'MinBy':
    case 'MaxBy':
    case 'CountBy': {
      const sums = name === 'SumBy';
      if (args.length < 2 || args.length > (sums ? 3 : 2))
        fail(path, `${name} takes a label (or a list of them), "Ignore"${sums ? ', and total' : ''}`);
      const labels = Array.isArray(args[0]) ? args[0] : [args[0]];
      if (labels.length === 0 || labels.length > 8) fail(`${path}[1]`, 'one to eight labels');
      ignore(args[1], `${path}[2]`);
      const total = args[2] ?? false;
      if (typeof total !== 'boolean') fail(`${path}[3]`, `true or false, not ${shown(total)}`);
      const how = acrossByName[name.slice(0, -2)] ?? 'sum';
      return { kind: 'sumBy', how, labels: labels.map((label) => text(label, `${path}[1]`)), total: total === true };
    }
    case 'Expect': {
      count(args, 1, path, name, 'the name of a dataset');
      const dataset = datasetNames.find((each) => each === args[0]);
      if (dataset === undefined) return fail(`${path}[1]`, `one of ${datasetNames.join(', ')}, not ${shown(args[0])}`);
      return { kind: 'expect', dataset };
    }
    case 'TopK':
      count(args, 1, path, name, 'how many series');
      return { kind: 'topK', n: whole(args[0], `${path}[1]`, 10_000) };
    case 'Quantile': {
      count(args, 1, path, name, 'a share');
      const [q] = args;
      if (typeof q !== 'number' || !(q >= 0 && q <= 1))
        return fail(`${path}[1]`, `a share from 0 to 1, not ${shown(q)}`);
      return { kind: 'quantile', q };
    }
    case 'Step':
      count(args, 1, path, name, 'milliseconds');
      return { kind: 'step', ms: whole(args[0], `${path}[1]`, longestMs) };
    case 'Ratio':
      count(args, 1, path, name, 'the ID of another rule');
      return { kind: 'ratio', by: text(args[0], `${path}[1]`) };
    case 'StateChart':
      count(args, 1, path, name, 'how many states');
      return { kind: 'stateChart', top: whole(args[0], `${path}[1]`, 1000) };
    default:
      return unknown(path, 'function', name, [
        'NonNegativeDerivative',
        'Rate',
        ...Object.keys(acrossByName),
        ...Object.keys(acrossByName).map((each) => `${each}By`),
        ...['TopK', 'Quantile', 'Step', 'Ratio'],
        'Expect',
        'StateChart',
      ]);
  }
}

function record(value: unknown, path: string, keys?: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(path, `an object, not ${shown(value)}`);
  const strange = keys === undefined ? undefined : Object.keys(value as object).find((key) => !keys.includes(key));
  if (strange !== undefined) fail(`${path}.${strange}`, `not known here; known: ${keys?.join(', ')}`);
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, path: string): readonly unknown[] {
  return Array.isArray(value) ? value : fail(path, `a list, not ${shown(value)}`);
}

/** A variant is a list with its name first. */
function variant(value: unknown, path: string): readonly [name: string, args: readonly unknown[]] {
  const [name, ...args] = list(value, path);
  return typeof name === 'string' ? [name, args] : fail(`${path}[0]`, `a name, not ${shown(name)}`);
}

function count(args: readonly unknown[], expected: number, path: string, name: string, what: string): void {
  if (args.length !== expected)
    fail(path, `${name} takes ${what}, not ${args.length} ${args.length === 1 ? 'thing' : 'things'}`);
}

function text(value: unknown, path: string): string {
  return typeof value === 'string' ? value : fail(path, `a string, not ${shown(value)}`);
}

function whole(value: unknown, path: string, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  return fail(path, `a whole number from 1 to ${most}, not ${shown(value)}`);
}

function ignore(value: unknown, path: string): void {
  if (value !== 'Ignore') fail(path, `"Ignore" (what becomes of missing samples), not ${shown(value)}`);
}

function unknown(path: string, what: string, name: string, known: readonly string[]): never {
  return fail(`${path}[0]`, `no ${what} ${shown(name)}; there are ${known.join(', ')}`);
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  let whole: string;
  try {
    whole = JSON.stringify(value) ?? String(value);
  } catch {
    return 'something nested too deep to show';
  }
  return whole.length > 60 ? `${whole.slice(0, 57)}…` : whole;
}
