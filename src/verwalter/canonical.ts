import { createHash } from 'node:crypto';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A record without a prototype: a key such as `__proto__` in somebody's file is a key like any other. */
export const emptyRecord = <T>(): Record<string, T> => Object.create(null) as Record<string, T>;

/**
 * RFC 8785: keys sorted by UTF-16 code units, numbers and strings as ECMAScript writes them, no white space.
 * Throws a RangeError on a number that JSON cannot hold and on a string with half a surrogate pair.
 */
export const canonicalJson = (value: Json): string => {
  if (inOrder(value)) {
    // A well-formed JSON.stringify writes half a pair, and nothing else, as such an escape.
    const text = JSON.stringify(value);
    if (text.includes('\\ud')) checkStrings(value);
    return text;
  }
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
  const object = value as JsonObject;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${canonicalJson(key)}:${canonicalJson(object[key] ?? null)}`);
  return `{${members.join(',')}}`;
};

/** JSON.stringify itself would write it canonically: what was read from a canonical text is so, all but keys like "10". */
const inOrder = (value: Json): boolean => {
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return true;
    case 'number':
      if (!Number.isFinite(value)) throw new RangeError('number is not finite');
      return true;
    case 'object': {
      if (value === null) return true;
      if (Array.isArray(value)) {
        for (const item of value) if (item === undefined || !inOrder(item)) return false;
        return true;
      }
      let before = '';
      for (const key in value) {
        const item = (value as JsonObject)[key];
        if (key < before || item === undefined || !inOrder(item)) return false;
        before = key;
      }
      return true;
    }
    default:
      throw new RangeError(`${typeof value} is not JSON`);
  }
};

const checkStrings = (value: Json): void => {
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) throw new RangeError('string with half a surrogate pair');
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      checkStrings(key);
      checkStrings(item as Json);
    }
  }
};

/** SHA-256, 64 hex digits, of the canonical form. */
export const hashJson = (value: Json): string => hashText(canonicalJson(value));

export const hashText = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');
