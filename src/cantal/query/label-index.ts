import type { Labels } from './dataset.ts';
import type { Condition } from './rule.ts';

export interface IndexedKey {
  readonly id: number;
  readonly labels: Labels;
}

export interface LabelIndex {
  add(key: IndexedKey): void;
  clear(): void;
  /** Changes whenever what is in it does. */
  revision(): number;
  /** The smallest id above all that were added. */
  nextId(): number;
  /** All, ascending. */
  ids(): number[];
  labels(id: number): Labels | undefined;
  /** Ids that carry the label with this value, ascending. */
  withLabel(label: string, value: string): readonly number[];
  /** Ids whose labels fulfil the condition, ascending. */
  match(condition: Condition): number[];
}

/** The value is kept once: ten thousand series of a host share a few hundred texts. */
interface Posting {
  readonly value: string;
  readonly ids: number[];
}

/**
 * Label → value → ids. A condition looks at each distinct value once, however many series carry it, and then only
 * marks ids: an Eq on 100 000 series costs as much as there are answers, a regular expression as there are values.
 */
export function labelIndex(): LabelIndex {
  const byId: (Labels | undefined)[] = [];
  let revision = 0;
  const postings = new Map<string, Map<string, Posting>>();

  const marks = (condition: Condition): Uint8Array => {
    const mask = new Uint8Array(byId.length);
    const mark = (posting: Posting | undefined) => {
      for (const id of posting?.ids ?? []) mask[id] = 1;
    };
    switch (condition.kind) {
      case 'eq':
        mark(postings.get(condition.label)?.get(condition.value));
        return mask;
      case 'notEq':
        for (const [value, found] of postings.get(condition.label) ?? []) if (value !== condition.value) mark(found);
        return mask;
      case 'like':
        for (const [value, found] of postings.get(condition.label) ?? []) if (condition.test(value)) mark(found);
        return mask;
      case 'has':
        for (const found of postings.get(condition.label)?.values() ?? []) mark(found);
        return mask;
      case 'and': {
        const left = marks(condition.left);
        const right = marks(condition.right);
        for (let id = 0; id < mask.length; id++) mask[id] = (left[id] ?? 0) & (right[id] ?? 0);
        return mask;
      }
      case 'or': {
        const left = marks(condition.left);
        const right = marks(condition.right);
        for (let id = 0; id < mask.length; id++) mask[id] = (left[id] ?? 0) | (right[id] ?? 0);
        return mask;
      }
      case 'not': {
        const inner = marks(condition.inner);
        for (let id = 0; id < mask.length; id++) mask[id] = byId[id] !== undefined && inner[id] === 0 ? 1 : 0;
        return mask;
      }
      default:
        return condition satisfies never;
    }
  };

  return {
    add({ id, labels }) {
      revision += 1;
      while (byId.length < id) byId.push(undefined);
      const kept: Record<string, string> = {};
      for (const [label, value] of Object.entries(labels)) {
        const values = postings.get(label) ?? new Map<string, Posting>();
        postings.set(label, values);
        const posting = values.get(value) ?? { value, ids: [] };
        values.set(posting.value, posting);
        posting.ids.push(id);
        kept[label] = posting.value;
      }
      byId[id] = kept;
    },
    clear() {
      revision += 1;
      byId.length = 0;
      postings.clear();
    },
    revision: () => revision,
    nextId: () => byId.length,
    ids: () => byId.flatMap((labels, id) => (labels === undefined ? [] : [id])),
    labels: (id) => byId[id],
    withLabel: (label, value) => postings.get(label)?.get(value)?.ids ?? [],
    match(condition) {
      const ids: number[] = [];
      const mask = marks(condition);
      for (let id = 0; id < mask.length; id++) if (mask[id] === 1) ids.push(id);
      return ids;
    },
  };
}

/** The same for one set of labels, where there is no index. */
export function fulfils(labels: Labels, condition: Condition): boolean {
  switch (condition.kind) {
    case 'eq':
      return ownLabel(labels, condition.label) === condition.value;
    case 'notEq': {
      const value = ownLabel(labels, condition.label);
      return value !== undefined && value !== condition.value;
    }
    case 'like': {
      const value = ownLabel(labels, condition.label);
      return value !== undefined && condition.test(value);
    }
    case 'has':
      return ownLabel(labels, condition.label) !== undefined;
    case 'and':
      return fulfils(labels, condition.left) && fulfils(labels, condition.right);
    case 'or':
      return fulfils(labels, condition.left) || fulfils(labels, condition.right);
    case 'not':
      return !fulfils(labels, condition.inner);
    default:
      return condition satisfies never;
  }
}

/** Labels come from applications: "constructor" is a label like any other. */
export function ownLabel(labels: Labels, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}
