import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** A page asks some hundred; the introspection of an explorer about 700. */
export const mostTokens = 4_000;
/** The introspection of an explorer goes 13 deep. */
const deepest = 20;
/** Fields, those below a list ten times: two lists of all cgroups with all their processes are possible. */
const mostCost = 10_000;
const listWeight = 10;
/** Each of these reads more than memory at hand. */
const queryWeight = 500;

/** Names of fields that cost more than one. */
export interface Weights {
  readonly lists: ReadonlySet<string>;
  readonly queries: ReadonlySet<string>;
}

export type Measured =
  | { readonly kind: 'measured'; readonly cost: number; readonly roots: ReadonlySet<string> }
  | { readonly kind: 'tooMuch'; readonly reason: string };

interface Size {
  readonly cost: number;
  readonly depth: number;
}

/**
 * How much an operation asks for. A fragment is measured once, however often it is spread: measuring takes no longer than
 * the document is, even where executing it would take for ever. The document need not be valid.
 */
export function measure(document: DocumentNode, operation: OperationDefinitionNode, weights: Weights): Measured {
  const { lists, queries } = weights;
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const each of document.definitions) {
    if (each.kind === Kind.FRAGMENT_DEFINITION) fragments.set(each.name.value, each);
  }
  const known = new Map<string, Size>();
  const roots = new Set<string>();

  const sizeOf = ({ selections }: SelectionSetNode, level: number): Size => {
    // Deeper than any answer: not worth going on, and the stack has an end.
    if (level > deepest) return { cost: 0, depth: deepest + 1 };
    let cost = 0;
    let depth = 0;
    for (const each of selections) {
      const size =
        each.kind === Kind.FIELD
          ? fieldSize(each.name.value, each.selectionSet, level)
          : each.kind === Kind.INLINE_FRAGMENT
            ? sizeOf(each.selectionSet, level + 1)
            : fragmentSize(each.name.value, level + 1);
      cost = Math.min(cost + size.cost, mostCost + 1);
      depth = Math.max(depth, size.depth);
    }
    return { cost, depth };
  };

  const fieldSize = (name: string, inner: SelectionSetNode | undefined, level: number): Size => {
    const own = queries.has(name) ? queryWeight : 1;
    if (inner === undefined) return { cost: own, depth: 1 };
    const { cost, depth } = sizeOf(inner, level + 1);
    return { cost: own + cost * (lists.has(name) ? listWeight : 1), depth: depth + 1 };
  };

  const fragmentSize = (name: string, level: number): Size => {
    const fragment = fragments.get(name);
    const size = known.get(name);
    if (size !== undefined || fragment === undefined) return size ?? { cost: 0, depth: 0 };
    // A fragment within itself has no end: it counts as nothing here, and the validation refuses it.
    known.set(name, { cost: 0, depth: 0 });
    const measured = sizeOf(fragment.selectionSet, level);
    known.set(name, measured);
    return measured;
  };

  const collect = ({ selections }: SelectionSetNode, seen: Set<string>): void => {
    for (const each of selections) {
      if (each.kind === Kind.FIELD) roots.add(each.name.value);
      else if (each.kind === Kind.INLINE_FRAGMENT) collect(each.selectionSet, seen);
      else if (!seen.has(each.name.value)) {
        seen.add(each.name.value);
        const fragment = fragments.get(each.name.value);
        if (fragment !== undefined) collect(fragment.selectionSet, seen);
      }
    }
  };

  const { cost, depth } = sizeOf(operation.selectionSet, 1);
  if (depth > deepest) return { kind: 'tooMuch', reason: `the query is nested more than ${deepest} deep` };
  if (cost > mostCost) return { kind: 'tooMuch', reason: 'the query asks for too many fields: ask in several parts' };
  collect(operation.selectionSet, new Set());
  return { kind: 'measured', cost, roots };
}
