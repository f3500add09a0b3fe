import type { Labels } from './answer.ts';
import { all, type Condition, equal, has, like, not } from './rules.ts';

/**
 * What is typed into the search box: words that all must hold.
 *
 *   rss              the name has it (a regular expression)
 *   cgroup=web       the label has this value      cgroup!=web   another value
 *   cgroup~^web\.    the value fits the regular expression
 *   cgroup=*         the label is there            -WORD         not so
 */
export interface Term {
  readonly negated: boolean;
  readonly label: string;
  readonly how: 'equal' | 'unequal' | 'like' | 'has';
  readonly value: string;
}

export function parseSearch(text: string): Term[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '-')
    .map((word): Term => {
      const negated = word.startsWith('-');
      const rest = negated ? word.slice(1) : word;
      const found = /^([A-Za-z_][\w-]*)(!=|=|~)(.*)$/.exec(rest);
      const [, label = '', sign, value = ''] = found ?? [];
      if (found === null) return { negated, label: 'metric', how: 'like', value: rest };
      if (sign === '=' && value === '*') return { negated, label, how: 'has', value: '' };
      return { negated, label, how: sign === '=' ? 'equal' : sign === '!=' ? 'unequal' : 'like', value };
    });
}

/** The same for the agent. Null: everything. */
export function conditionOf(terms: readonly Term[]): Condition | null {
  const [first, ...others] = terms.map((term) => (term.negated ? not(plain(term)) : plain(term)));
  return first === undefined ? null : all(first, ...others);
}

function plain({ label, how, value }: Term): Condition {
  switch (how) {
    case 'equal':
      return equal(label, value);
    case 'unequal':
      return ['NotEq', label, value];
    case 'like':
      return like(label, value);
    case 'has':
      return has(label);
    default:
      return how satisfies never;
  }
}

/** And for the list that the page holds. A regular expression that is only half typed fits nothing. */
export function passes(terms: readonly Term[]): (labels: Labels) => boolean {
  const tests = terms.map(({ negated, label, how, value }): ((labels: Labels) => boolean) => {
    const regex = how === 'like' ? compiled(value) : null;
    const test = (labels: Labels): boolean => {
      const own = labels[label];
      // A state has its name in the label `state`.
      if (label === 'metric' && how === 'like' && own === undefined) return regex?.test(labels.state ?? '') ?? false;
      if (own === undefined) return false;
      if (how === 'has') return true;
      return how === 'like' ? (regex?.test(own) ?? false) : (own === value) === (how === 'equal');
    };
    return (labels) => test(labels) !== negated;
  });
  return (labels) => tests.every((test) => test(labels));
}

function compiled(text: string): RegExp | null {
  try {
    return new RegExp(text);
  } catch {
    return null;
  }
}
