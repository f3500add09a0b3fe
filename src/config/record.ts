import { isMap, isScalar, isSeq, type Node } from 'yaml';
import { type Invalid, invalid, type Reading, refuseKind, type Schema } from './schema.ts';
import { suggestion } from './suggest.ts';

/** One key of a record: whether it has to be there, and what stands in for it where it is not. */
export type Field<T> =
  | { readonly presence: 'required'; readonly schema: Schema<T> }
  | { readonly presence: 'optional'; readonly schema: Schema<T>; readonly fallback: T };

export interface RefusedField {
  readonly presence: 'refused';
  readonly reason: string;
  readonly harmless: readonly string[];
}

export const required = <T>(schema: Schema<T>): { presence: 'required'; schema: Schema<T> } => ({
  presence: 'required',
  schema,
});

export const optional = <T, const F>(
  schema: Schema<T>,
  fallback: F,
): { presence: 'optional'; schema: Schema<T | F>; fallback: T | F } => ({
  presence: 'optional',
  schema,
  fallback,
});

/**
 * A key that exists but does nothing here: to ignore it would be to lie. Values in `harmless` say what happens anyway
 * and are let through.
 */
export const refused = (reason: string, harmless: readonly string[] = []): RefusedField => ({
  presence: 'refused',
  reason,
  harmless,
});

export type Fields = Readonly<Record<string, Field<unknown> | RefusedField>>;

type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

export type RecordOf<F extends Fields> = {
  readonly [Name in keyof F & string as F[Name] extends RefusedField ? never : Camel<Name>]: F[Name] extends {
    readonly schema: Schema<infer T>;
  }
    ? T
    : never;
};

const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The path of a key within a mapping, as it is told to people. */
export const keyBelow = (key: string, name: string): string => (key === '' ? name : `${key}.${name}`);

interface Entry {
  readonly name: string;
  readonly keyNode: Node;
  readonly value: Node | null;
}

/** The entries of a mapping; keys that are no scalars are told. Nothing is an empty mapping. */
function entries(reading: Reading, given: Node | null, key: string, expected: string): readonly Entry[] | Invalid {
  const node = reading.resolve(given, key);
  if (node === invalid) return invalid;
  if (reading.isNothing(node)) return [];
  if (!isMap(node) || reading.tagOf(node) !== null) return refuseKind(reading, node, key, expected);
  const result: Entry[] = [];
  let sound = true;
  for (const { key: keyNode, value } of node.items as { key: Node | null; value: Node | null }[]) {
    const resolved = reading.resolve(keyNode, key);
    if (resolved === invalid || keyNode === null || !isScalar(resolved)) {
      if (resolved !== invalid) reading.refuse(keyNode, key, 'a key that is no text');
      sound = false;
      continue;
    }
    result.push({ name: String(resolved.value), keyNode, value });
  }
  return sound ? result : invalid;
}

/**
 * A mapping with these keys, in which `-` and `_` are the same; keys that begin with `_` are not looked at. The result
 * has the names in camelCase.
 */
export function record<const F extends Fields>(what: string, fields: F): Schema<RecordOf<F>> & { readonly fields: F } {
  const names = Object.keys(fields);
  return {
    expected: what,
    fields,
    shape: { kind: 'record', what, fields },
    read(reading, given, key) {
      const list = entries(reading, given, key, what);
      if (list === invalid) return invalid;
      let sound = true;
      const found = new Map<string, Entry>();
      for (const entry of list) {
        if (entry.name.startsWith('_')) continue;
        const name = entry.name.replaceAll('_', '-');
        const place = keyBelow(key, name);
        if (!Object.hasOwn(fields, name)) {
          reading.refuse(entry.keyNode, keyBelow(key, entry.name), `unknown key in ${what}${suggestion(name, names)}`);
          sound = false;
        } else if (found.has(name)) {
          reading.refuse(entry.keyNode, place, 'the key is there twice');
          sound = false;
        } else {
          found.set(name, entry);
          reading.places.set(place, reading.source.positionOf(entry.keyNode));
        }
      }
      const result: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(fields)) {
        const value = readField(reading, field, found.get(name), given, keyBelow(key, name), what);
        if (value === invalid) sound = false;
        else if (field.presence !== 'refused') result[camel(name)] = value;
      }
      return sound ? (result as RecordOf<F>) : invalid;
    },
  };
}

function readField(
  reading: Reading,
  field: Field<unknown> | RefusedField,
  entry: Entry | undefined,
  parent: Node | null,
  key: string,
  what: string,
): unknown {
  if (field.presence === 'refused') {
    if (entry === undefined || isHarmless(reading, entry.value, field.harmless)) return null;
    return reading.refuse(entry.keyNode, key, `not supported yet: ${field.reason}`);
  }
  if (entry !== undefined && (field.schema.takesNothing === true || !reading.isNothing(entry.value))) {
    return field.schema.read(reading, entry.value, key);
  }
  if (field.presence === 'optional') return field.fallback;
  return reading.refuse(entry?.keyNode ?? parent, key, `missing; ${what} needs ${field.schema.expected}`);
}

function isHarmless(reading: Reading, node: Node | null, harmless: readonly string[]): boolean {
  return isScalar(node) && reading.tagOf(node) === null && harmless.includes(String(node.value));
}

export function list<T>(item: Schema<T>): Schema<readonly T[]> {
  const expected = `a list, each ${item.expected}`;
  return {
    expected,
    shape: { kind: 'list', item },
    read(reading, given, key) {
      const node = reading.resolve(given, key);
      if (node === invalid) return invalid;
      if (!isSeq(node) || reading.tagOf(node) !== null) return refuseKind(reading, node, key, expected);
      const values = (node.items as (Node | null)[]).map((each, index) => item.read(reading, each, `${key}[${index}]`));
      return values.includes(invalid) ? invalid : (values as readonly T[]);
    },
  };
}

/** A mapping with names of the file's own; the order of the file stays. */
export function mapping<T>(name: Schema<string>, value: Schema<T>): Schema<ReadonlyMap<string, T>> {
  const expected = `a mapping of ${name.expected} to ${value.expected}`;
  return {
    expected,
    shape: { kind: 'mapping', name, value },
    read(reading, given, key) {
      const found = entries(reading, given, key, expected);
      if (found === invalid) return invalid;
      let sound = true;
      const result = new Map<string, T>();
      for (const entry of found) {
        const place = keyBelow(key, entry.name);
        reading.places.set(place, reading.source.positionOf(entry.keyNode));
        const checkedName = name.read(reading, entry.keyNode, place);
        const checkedValue = value.read(reading, entry.value, place);
        if (checkedName === invalid || checkedValue === invalid) sound = false;
        else if (result.has(checkedName)) {
          reading.refuse(entry.keyNode, place, 'the key is there twice');
          sound = false;
        } else result.set(checkedName, checkedValue);
      }
      return sound ? result : invalid;
    },
  };
}
