import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';
import { compileRegex } from '../query/regex.ts';
import {
  type AggregateOp,
  aggregateOps,
  arithmeticOps,
  type BinaryOp,
  comparisonOps,
  type Expr,
  type FunctionName,
  functions,
  type Grouping,
  type Matcher,
  type Matching,
  type Selector,
  setOps,
  typeOf,
  type ValueType,
} from './ast.ts';
import { durationOf, numberOf, stringOf } from './text.ts';

export type Parsed =
  | { readonly kind: 'ok'; readonly expr: Expr }
  /** With the place, as "1:5: …". */
  | { readonly kind: 'bad'; readonly reason: string };

/** Dashboards write some hundred characters. */
const mostCharacters = 10_000;
const deepest = 50;

class Bad extends Error {}

/** Reads an expression; what is not of our part of PromQL is refused by name. */
export function parsePromql(text: string): Parsed {
  if (text.length > mostCharacters) return { kind: 'bad', reason: `longer than ${mostCharacters} characters` };
  const top = parser.parse(text).topNode;
  try {
    checkSyntax(top, text);
    const [only] = childrenOf(top).filter(({ name }) => name !== 'LineComment');
    if (only === undefined) throw new Bad('the expression is empty');
    return { kind: 'ok', expr: reader(text)(only, 1) };
  } catch (error) {
    if (error instanceof Bad) return { kind: 'bad', reason: error.message };
    throw error;
  }
}

/** A series selector of `match[]`. */
export function parseSelector(text: string): { readonly kind: 'ok'; readonly selector: Selector } | Parsed {
  const parsed = parsePromql(text);
  if (parsed.kind === 'bad') return parsed;
  if (parsed.expr.kind === 'selector') return { kind: 'ok', selector: parsed.expr };
  return { kind: 'bad', reason: 'a series selector is expected, as in {__name__="cantal_uptime"}' };
}

function childrenOf(node: SyntaxNode): readonly SyntaxNode[] {
  const all: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) all.push(child);
  return all;
}

const placeOf = (text: string, at: number): string => {
  const before = text.slice(0, at).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
};

function checkSyntax(top: SyntaxNode, text: string): void {
  top.cursor().iterate(({ type, from, to }) => {
    if (!type.isError) return;
    const what = text.slice(from, to).trim();
    const found =
      what === ''
        ? from >= text.trimEnd().length
          ? 'the end'
          : JSON.stringify(text.slice(from, from + 10))
        : JSON.stringify(what);
    throw new Bad(`${placeOf(text, from)}: ${found} was not expected here`);
  });
}

function reader(text: string) {
  const textOf = ({ from, to }: SyntaxNode): string => text.slice(from, to);
  const fail = ({ from }: SyntaxNode, reason: string): never => {
    throw new Bad(`${placeOf(text, from)}: ${reason}`);
  };
  const child = (node: SyntaxNode, name: string): SyntaxNode | null => node.getChild(name);

  const expect = (node: SyntaxNode, expr: Expr, types: readonly ValueType[], what: string): Expr => {
    const type = typeOf(expr);
    const names = { scalar: 'a number', vector: 'an instant vector', range: 'a range vector, as x[5m]' };
    if (types.includes(type)) return expr;
    return fail(node, `${what} takes ${types.map((each) => names[each]).join(' or ')}, not ${names[type]}`);
  };

  const read = (node: SyntaxNode, depth: number): Expr => {
    if (depth > deepest) return fail(node, `nested more than ${deepest} deep`);
    switch (node.name) {
      case 'NumberDurationLiteral':
        return { kind: 'number', value: numberOf(textOf(node)) ?? millis(node) / 1000 };
      case 'ParenExpr':
        return read(childrenOf(node).find(({ name }) => name !== 'LineComment') ?? node, depth + 1);
      case 'VectorSelector':
        return selectorOf(node);
      case 'MatrixSelector': {
        const [of, duration] = childrenOf(node);
        if (of?.name !== 'VectorSelector' || duration === undefined)
          return fail(node, 'a range is taken of a selector');
        const ms = millis(duration);
        return ms > 0
          ? { kind: 'range', selector: selectorOf(of), ms }
          : fail(duration, 'a range is more than nothing');
      }
      case 'OffsetExpr': {
        const [of, , duration] = childrenOf(node);
        if (of === undefined || duration === undefined) return fail(node, 'offset takes a duration');
        const closed = textOf(of).trimEnd().endsWith(')');
        const moved = closed ? null : offset(read(of, depth + 1), millis(duration));
        return moved ?? fail(node, 'offset stands behind a selector only');
      }
      case 'UnaryExpr': {
        const [sign, of] = childrenOf(node);
        if (sign === undefined || of === undefined) return fail(node, 'something is missing behind the sign');
        const expr = expect(of, read(of, depth + 1), ['scalar', 'vector'], 'a sign');
        return textOf(sign) === '-' ? { kind: 'negate', of: expr } : expr;
      }
      case 'BinaryExpr':
        return binaryOf(node, depth);
      case 'AggregateExpr':
        return aggregateOf(node, depth);
      case 'FunctionCall':
        return callOf(node, depth);
      case 'StringLiteral':
        return fail(node, 'a text is no expression here');
      case 'SubqueryExpr':
        return fail(node, 'subqueries (x[5m:1m]) are not answered here: ask for a range of a selector');
      case 'StepInvariantExpr':
        return fail(node, 'the @ modifier is not answered here');
      default:
        return fail(node, `${JSON.stringify(textOf(node).slice(0, 40))} is not answered here`);
    }
  };

  const millis = (node: SyntaxNode): number => {
    const written = textOf(node).replace(/\s+/g, '');
    const negative = written.startsWith('-');
    const ms = durationOf(negative ? written.slice(1) : written);
    if (ms === null || !Number.isFinite(ms)) return fail(node, `${JSON.stringify(textOf(node))} is no duration`);
    return negative ? -ms : ms;
  };

  const string = (node: SyntaxNode): string => stringOf(textOf(node)) ?? fail(node, 'this text cannot be read');

  const selectorOf = (node: SyntaxNode): Selector => {
    const matchers: Matcher[] = [];
    const name = child(node, 'Identifier');
    if (name !== null) matchers.push({ label: '__name__', op: '=', value: textOf(name) });
    for (const each of childrenOf(child(node, 'LabelMatchers') ?? node.node)) {
      if (each.name === 'UnquotedLabelMatcher' || each.name === 'QuotedLabelMatcher') matchers.push(matcherOf(each));
      else if (each.name === 'QuotedLabelName') matchers.push({ label: '__name__', op: '=', value: string(each) });
    }
    if (!matchers.some(narrows)) return fail(node, 'a selector needs a matcher that does not match the empty text');
    return { kind: 'selector', matchers, offsetMs: 0 };
  };

  const matcherOf = (node: SyntaxNode): Matcher => {
    const [name, op, value] = childrenOf(node);
    if (name === undefined || op === undefined || value === undefined) return fail(node, 'a matcher is label="text"');
    const label = name.name === 'LabelName' ? textOf(name) : string(name);
    const written = string(value);
    const sign = textOf(op);
    if (sign === '=' || sign === '!=') return { label, op: sign, value: written };
    if (sign !== '=~' && sign !== '!~') return fail(op, `there are =, !=, =~ and !~, not ${sign}`);
    const regex = compileRegex(`^(?:${written})$`);
    if (regex.kind === 'bad') return fail(value, `the regular expression: ${regex.reason}`);
    return { label, op: sign, test: regex.test };
  };

  const binaryOf = (node: SyntaxNode, depth: number): Expr => {
    const parts = childrenOf(node).filter(({ name }) => name !== 'LineComment');
    const [leftNode, opNode] = parts;
    const rightNode = parts.at(-1);
    if (leftNode === undefined || opNode === undefined || rightNode === undefined)
      return fail(node, 'a side is missing');
    const op = textOf(opNode).toLowerCase();
    if (!isBinary(op)) return fail(opNode, `the operator ${op} is not answered here`);
    const bool = child(node, 'BoolModifier') !== null;
    const clause = child(node, 'MatchingModifierClause');
    const fill = parts.find(({ name }) => name.startsWith('Fill'));
    if (fill !== undefined) return fail(fill, 'fill is not answered here');
    const both: readonly ValueType[] = isSet(op) ? ['vector'] : ['scalar', 'vector'];
    const left = expect(leftNode, read(leftNode, depth + 1), both, op);
    const right = expect(rightNode, read(rightNode, depth + 1), both, op);
    const scalars = typeOf(left) === 'scalar' && typeOf(right) === 'scalar';
    if (isComparison(op)) {
      if (scalars && !bool) return fail(opNode, `between numbers it is ${op} bool`);
    } else if (bool) return fail(opNode, `bool stands behind a comparison, not behind ${op}`);
    if (clause !== null && (typeOf(left) === 'scalar' || typeOf(right) === 'scalar')) {
      return fail(clause, 'matching labels takes two vectors');
    }
    const matching = clause === null ? { on: false, labels: [] } : matchingOf(clause);
    const made = (first: Expr): Expr => ({ kind: 'binary', op, bool, matching, left: first, right });
    // The grammar takes the sign of a number into it, but ^ binds closer: -1 ^ 2 is -1.
    const isNegative = leftNode.name === 'NumberDurationLiteral' && textOf(leftNode).startsWith('-');
    if (op === '^' && isNegative && left.kind === 'number') {
      return { kind: 'negate', of: made({ kind: 'number', value: -left.value }) };
    }
    return made(left);
  };

  const matchingOf = (clause: SyntaxNode): Matching => {
    const group = child(clause, 'GroupLeft') ?? child(clause, 'GroupRight');
    if (group !== null) return fail(group, `${textOf(group)} (many to one) is not answered here`);
    return { on: child(clause, 'On') !== null, labels: labelsOf(clause) };
  };

  const labelsOf = (node: SyntaxNode): readonly string[] =>
    childrenOf(child(node, 'GroupingLabels') ?? node)
      .filter(({ name }) => name === 'LabelName' || name === 'QuotedLabelName')
      .map((each) => (each.name === 'LabelName' ? textOf(each) : string(each)));

  const argumentsOf = (node: SyntaxNode): readonly SyntaxNode[] =>
    childrenOf(child(node, 'FunctionCallBody') ?? node).filter(({ name }) => name !== 'LineComment');

  const aggregateOf = (node: SyntaxNode, depth: number): Expr => {
    const opNode = child(node, 'AggregateOp') ?? node;
    const op = textOf(opNode).toLowerCase();
    if (!isAggregate(op)) return fail(opNode, `${op} is not answered here; there are ${aggregateOps.join(', ')}`);
    const args = argumentsOf(node);
    const wanted = takesParameter(op) ? 2 : 1;
    const last = args.at(-1);
    const [first] = args;
    if (args.length !== wanted || first === undefined || last === undefined) {
      return fail(node, `${op} takes ${wanted === 2 ? 'a number and a vector' : 'a vector'}`);
    }
    const of = expect(last, read(last, depth + 1), ['vector'], op);
    const parameter = wanted === 2 ? expect(first, read(first, depth + 1), ['scalar'], op) : null;
    return { kind: 'aggregate', op, parameter, of, grouping: groupingOf(node) };
  };

  const groupingOf = (node: SyntaxNode): Grouping => {
    const modifier = child(node, 'AggregateModifier');
    if (modifier === null) return { by: true, labels: [] };
    return { by: child(modifier, 'By') !== null, labels: labelsOf(modifier) };
  };

  const callOf = (node: SyntaxNode, depth: number): Expr => {
    const nameNode = child(node, 'FunctionIdentifier') ?? node;
    const name = textOf(nameNode);
    if (!isFunction(name)) {
      return fail(nameNode, `${name}() is not answered here; there are ${Object.keys(functions).join(', ')}`);
    }
    const { takes } = functions[name];
    const args = argumentsOf(node);
    if (args.length !== takes.length) {
      const count = `${takes.length} ${takes.length === 1 ? 'argument' : 'arguments'}`;
      return fail(node, `${name}() takes ${count}, not ${args.length}`);
    }
    return {
      ...{ kind: 'call', name },
      args: args.map((each, index) => expect(each, read(each, depth + 1), [takes[index] ?? 'vector'], `${name}()`)),
    };
  };

  return read;
}

/**
 * The grammar hangs an offset at all that stands before it, but it belongs to the selector right before it; null where
 * there is none.
 */
function offset(expr: Expr, ms: number): Expr | null {
  switch (expr.kind) {
    case 'selector':
      return expr.offsetMs === 0 ? { ...expr, offsetMs: ms } : null;
    case 'range':
      return expr.selector.offsetMs === 0 ? { ...expr, selector: { ...expr.selector, offsetMs: ms } } : null;
    case 'binary': {
      const right = offset(expr.right, ms);
      return right === null ? null : { ...expr, right };
    }
    case 'negate': {
      const of = offset(expr.of, ms);
      return of === null ? null : { ...expr, of };
    }
    default:
      return null;
  }
}

/** Whether it leaves out series that lack the label: one of a selector has to. */
function narrows(matcher: Matcher): boolean {
  switch (matcher.op) {
    case '=':
      return matcher.value !== '';
    case '!=':
      return matcher.value === '';
    case '=~':
      return !matcher.test('');
    case '!~':
      return matcher.test('');
    default:
      return matcher satisfies never;
  }
}

const among =
  <T extends string>(all: readonly T[]) =>
  (text: string): text is T =>
    (all as readonly string[]).includes(text);

const isAggregate = among<AggregateOp>(aggregateOps);
const isComparison = among(comparisonOps);
const isSet = among(setOps);
const isBinary = among<BinaryOp>([...arithmeticOps, ...comparisonOps, ...setOps]);
const isFunction = (text: string): text is FunctionName => Object.hasOwn(functions, text);
const takesParameter = (op: AggregateOp): boolean => op === 'topk' || op === 'bottomk' || op === 'quantile';
