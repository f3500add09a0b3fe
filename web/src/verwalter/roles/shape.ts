import { asRecord, type JsonRecord } from '../../json.ts';

/**
 * Careful reading of what a scheduler made: every field may be missing, or of another kind than the page expects. What is
 * missing is null or empty; what is there and not understood is also named in `odd`, with its path.
 */
export interface Shape {
  readonly path: string;
  readonly record: JsonRecord;
  /** A text; numbers and booleans are written as one. Null where it is missing, empty, or something else. */
  text(key: string): string | null;
  /** Finite. */
  number(key: string): number | null;
  flag(key: string): boolean | null;
  list(key: string): readonly unknown[];
  /** Of a list, what is text; the rest is odd. */
  texts(key: string): readonly string[];
  /** The object there; an empty one where there is none. */
  at(key: string): Shape;
  /** Names and objects of an object of objects, in the order that they come in; others are odd. */
  each(key: string): readonly (readonly [string, Shape])[];
  has(key: string): boolean;
}

export function shapeOf(value: unknown, path: string, odd: string[]): Shape {
  const record = asRecord(value);
  const mine = (key: string): unknown => (Object.hasOwn(record, key) ? record[key] : undefined);
  const where = (key: string): string => (path === '' ? key : `${path}.${key}`);
  const wrong = (key: string, wanted: string): null => {
    odd.push(`${where(key)} is ${kindOf(mine(key))}, not ${wanted}`);
    return null;
  };
  const absent = (found: unknown): boolean => found === undefined || found === null;
  const listOf = (key: string): readonly unknown[] => {
    const found = mine(key);
    if (absent(found) || isEmptyRecord(found)) return [];
    return Array.isArray(found) ? found : (wrong(key, 'a list') ?? []);
  };
  const objectAt = (key: string): JsonRecord => {
    const found = mine(key);
    // An empty table of Lua may have become a list.
    if (absent(found) || (Array.isArray(found) && found.length === 0)) return {};
    if (typeof found === 'object' && !Array.isArray(found)) return found as JsonRecord;
    return wrong(key, 'an object') ?? {};
  };
  return {
    path,
    record,
    has: (key) => !absent(mine(key)),
    text(key) {
      const found = mine(key);
      if (absent(found) || found === '') return null;
      return textOf(found) ?? wrong(key, 'a text');
    },
    number(key) {
      const found = mine(key);
      if (absent(found)) return null;
      return typeof found === 'number' && Number.isFinite(found) ? found : wrong(key, 'a number');
    },
    flag(key) {
      const found = mine(key);
      if (absent(found)) return null;
      return typeof found === 'boolean' ? found : wrong(key, 'true or false');
    },
    list: listOf,
    texts: (key) =>
      listOf(key).flatMap((item, index) => {
        const text = textOf(item);
        if (text === null) odd.push(`${where(key)}[${index}] is ${kindOf(item)}, not a text`);
        return text === null ? [] : [text];
      }),
    at: (key) => shapeOf(objectAt(key), where(key), odd),
    each(key) {
      const all = objectAt(key);
      return Object.keys(all).flatMap((name): (readonly [string, Shape])[] => {
        const item = all[name];
        const at = `${where(key)}.${name}`;
        if (typeof item === 'object' && item !== null && (!Array.isArray(item) || item.length === 0))
          return [[name, shapeOf(item, at, odd)]];
        if (item !== null) odd.push(`${at} is ${kindOf(item)}, not an object`);
        return [];
      });
    },
  };
}

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEmptyRecord = (value: unknown): boolean => isRecord(value) && Object.keys(value).length === 0;

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'a text';
    case 'number':
      return 'a number';
    case 'boolean':
      return String(value);
    default:
      return 'an object';
  }
}

const longestWords = 400;

/** Any value on a line, for tables of names and values. */
export function wordsOf(value: unknown): string {
  if (value === null || value === undefined) return '–';
  const plain = textOf(value);
  if (plain !== null) return plain;
  if (Array.isArray(value) && value.every((item) => textOf(item) !== null)) return value.map(textOf).join(', ');
  const text = JSON.stringify(value);
  return text.length > longestWords ? `${text.slice(0, longestWords)}…` : text;
}
