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
  switch (typeof value) {
    case 'boolean':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) throw new RangeError('number is not finite');
      return JSON.stringify(value);
    case 'string':
      if (/\p{Surrogate}/u.test(value)) throw new RangeError('string with half a surrogate pair');
      return JSON.stringify(value);
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
      const object = value as JsonObject;
      const members = Object.keys(object)
        .sort()
        .map((key) => `${canonicalJson(key)}:${canonicalJson(object[key] ?? null)}`);
      return `{${members.join(',')}}`;
    }
    default:
      throw new RangeError(`${typeof value} is not JSON`);
  }
};

/** SHA-256, 64 hex digits, of the canonical form. */
export const hashJson = (value: Json): string => hashText(canonicalJson(value));

export const hashText = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');
