import { isAlias, isMap, isScalar, isSeq, type Node } from 'yaml';
import { parseDecimal, parseInteger } from './number-text.ts';
import type { ConfigProblem } from './problem.ts';
import type { Shape } from './shape.ts';
import { suggestion } from './suggest.ts';
import { makeProblem, mostProblems, type Position, type YamlSource } from './yaml-source.ts';

/** What `read` gives where it has told a problem. */
export const invalid: unique symbol = Symbol('invalid');
export type Invalid = typeof invalid;

/** What a value of a file is expected to be, and how it is read. Told problems are in the reading. */
export interface Schema<T> {
  /** For messages: "expected …". */
  readonly expected: string;
  /** Nothing (`null`, or an empty value) is a value here, and not the same as a key that is left out. */
  readonly takesNothing?: boolean;
  /** What it is made of. */
  readonly shape?: Shape;
  read(reading: Reading, node: Node | null, key: string): T | Invalid;
}

export type ValueOf<S> = S extends Schema<infer T> ? T : never;

/** Visits of nodes while one file is read. Aliases can multiply a small file without end. */
const mostVisits = 200_000;

/** One file while it is read. */
export interface Reading {
  readonly source: YamlSource;
  /** What was told so far. */
  readonly problems: readonly ConfigProblem[];
  /** Where the keys stand that were met so far, by their paths. */
  readonly places: Map<string, Position>;
  /** Tells a problem at a node, or where there is none at the key that should hold it. */
  refuse(node: Node | null, key: string, message: string): Invalid;
  /** The node itself, or what the alias stands for. */
  resolve(node: Node | null, key: string): Node | null | Invalid;
  /** The tag that chooses a variant, with its `!`; null for plain values, YAML's own types, and once it has chosen. */
  tagOf(node: Node | null): string | null;
  /** Reads what is left of a node once its tag has done its work: a plain value. */
  withoutTag<T>(node: Node, read: () => T): T;
  /** Left out, empty, `~` or `null`. */
  isNothing(node: Node | null): boolean;
}

export function startReading(source: YamlSource): Reading {
  const problems: ConfigProblem[] = [];
  const places = new Map<string, Position>();
  const tagsTaken = new WeakSet<Node>();
  let visits = 0;

  const refuse = (node: Node | null, key: string, message: string): Invalid => {
    const position = node === null ? (places.get(key) ?? { line: 1, column: 1 }) : source.positionOf(node);
    if (problems.length < mostProblems) problems.push(makeProblem(source.file, position, key, message));
    return invalid;
  };
  const tagOf = (node: Node | null): string | null => {
    const tag = (node as { tag?: string } | null)?.tag;
    if (node === null || tag === undefined || tag === '!' || tag.startsWith(coreTag)) return null;
    return tagsTaken.has(node) ? null : tag;
  };
  return {
    source,
    problems,
    places,
    refuse,
    tagOf,
    withoutTag(node, read) {
      tagsTaken.add(node);
      const value = read();
      // An alias may come to the same node again.
      tagsTaken.delete(node);
      return value;
    },
    resolve(node, key) {
      if (++visits > mostVisits) {
        if (visits === mostVisits + 1) refuse(node, key, 'aliases make this file too large');
        return invalid;
      }
      if (!places.has(key) && node !== null) places.set(key, source.positionOf(node));
      if (!isAlias(node)) return node;
      return source.target(node) ?? refuse(node, key, `unknown anchor ${node.source}`);
    },
    isNothing(node) {
      if (node === null) return true;
      if (!isScalar(node) || node.type !== 'PLAIN' || tagOf(node) !== null) return false;
      return /^(?:|~|null|Null|NULL)$/.test(String(node.value));
    },
  };
}

/** Prefix of the types that YAML 1.2.2 itself knows (chapter 10). */
const coreTag = 'tag:yaml.org,2002:';

function kindOf(reading: Reading, node: Node | null): string {
  const tag = reading.tagOf(node);
  if (tag !== null) return `tag ${tag}`;
  if (reading.isNothing(node)) return 'nothing';
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  return JSON.stringify(isScalar(node) ? String(node.value) : '');
}

export function refuseKind(reading: Reading, node: Node | null, key: string, expected: string): Invalid {
  return reading.refuse(node, key, `${kindOf(reading, node)}; expected ${expected}`);
}

/** A scalar read by its text; `parse` gives null where the text is not what is expected. */
export function scalar<T>(
  expected: string,
  parse: (text: string, plain: boolean) => T | null,
  shape: Shape = { kind: 'text', pattern: null },
): Schema<T> {
  return {
    expected,
    shape,
    read(reading, given, key) {
      const node = reading.resolve(given, key);
      if (node === invalid) return invalid;
      if (!isScalar(node) || reading.tagOf(node) !== null || reading.isNothing(node))
        return refuseKind(reading, node, key, expected);
      const value = parse(String(node.value), node.type === 'PLAIN');
      return value === null ? refuseKind(reading, node, key, expected) : value;
    },
  };
}

/** Any text; numbers and booleans stay as they are written. */
export const text: Schema<string> = scalar('a text', (value) => (value.includes('\0') ? null : value));

export const matching = (pattern: RegExp, expected: string): Schema<string> =>
  scalar(expected, (value) => (pattern.test(value) ? value : null), { kind: 'text', pattern });

export const boolean: Schema<boolean> = scalar(
  'true or false',
  (value) => (value === 'true' ? true : value === 'false' ? false : null),
  { kind: 'boolean' },
);

export interface Range {
  readonly min: number;
  readonly max: number;
}

export const integer = ({ min, max }: Range, what = 'an integer'): Schema<number> =>
  scalar(
    `${what} from ${min} to ${max}`,
    (value) => {
      const number = parseInteger(value);
      return number !== null && number >= min && number <= max ? Number(number) : null;
    },
    { kind: 'number', min, max, whole: true },
  );

export const decimal = ({ min, max }: Range, what = 'a number'): Schema<number> =>
  scalar(
    `${what} from ${min} to ${max}`,
    (value) => {
      const number = parseDecimal(value);
      return number !== null && number >= min && number <= max ? number : null;
    },
    { kind: 'number', min, max, whole: false },
  );

export const absolutePath: Schema<string> = scalar(
  'an absolute path',
  (value) => (value.startsWith('/') && !value.includes('\0') ? value : null),
  { kind: 'text', pattern: /^\// },
);

export const path: Schema<string> = scalar('a path', (value) => (value === '' || value.includes('\0') ? null : value));

export function oneOf<const Names extends readonly string[]>(names: Names): Schema<Names[number]> {
  const expected = `one of ${names.join(', ')}`;
  const known: readonly string[] = names;
  return {
    expected,
    shape: { kind: 'words', words: names },
    read(reading, given, key) {
      const value = scalar(expected, (word) => word).read(reading, given, key);
      if (value === invalid) return invalid;
      if (known.includes(value)) return value as Names[number];
      return reading.refuse(given, key, `${JSON.stringify(value)}; expected ${expected}${suggestion(value, known)}`);
    },
  };
}

/** What is nothing in the file is null here. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  const expected = `${schema.expected} or null`;
  return {
    expected,
    takesNothing: true,
    shape: { kind: 'nullable', of: schema },
    read(reading, given, key) {
      const node = reading.resolve(given, key);
      if (node === invalid) return invalid;
      return reading.isNothing(node) ? null : schema.read(reading, node, key);
    },
  };
}

/** Checks or changes what was read; a `{ problem }` is told where the value stands. */
export function checked<From, To>(
  schema: Schema<From>,
  check: (value: From) => { readonly value: To } | { readonly problem: string },
): Schema<To> {
  return {
    ...schema,
    read(reading, node, key) {
      const value = schema.read(reading, node, key);
      if (value === invalid) return invalid;
      const result = check(value);
      return 'problem' in result ? reading.refuse(node, key, result.problem) : result.value;
    },
  };
}

/** Taken as it is and never looked at. */
export const anything: Schema<null> = {
  expected: 'anything',
  takesNothing: true,
  shape: { kind: 'anything' },
  read: () => null,
};
