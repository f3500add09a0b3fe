/** A value with maps in it, as JSON: each list, object and map is told by its one key. */
export type Encoded =
  | string
  | number
  | boolean
  | null
  | { readonly l: readonly Encoded[] }
  | { readonly o: readonly (readonly [string, Encoded])[] }
  | { readonly m: readonly (readonly [Encoded, Encoded])[] };

/** Undefined: there is something in it that JSON cannot say. */
export function encodeValue(value: unknown): Encoded | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : undefined;
  if (Array.isArray(value)) {
    const list = value.map(encodeValue);
    return list.every((each) => each !== undefined) ? { l: list } : undefined;
  }
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) => [encodeValue(key), encodeValue(each)] as const);
    return areKnown(entries) ? { m: entries } : undefined;
  }
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const entries = Object.entries(value).map(([key, each]) => [key, encodeValue(each)] as const);
  return areKnown(entries) ? { o: entries } : undefined;
}

function areKnown<K>(
  entries: readonly (readonly [K, Encoded | undefined])[],
): entries is readonly (readonly [Exclude<K, undefined>, Encoded])[] {
  return entries.every(([key, each]) => key !== undefined && each !== undefined);
}

export function decodeValue(encoded: Encoded): unknown {
  if (encoded === null || typeof encoded !== 'object') return encoded;
  if ('l' in encoded) return encoded.l.map(decodeValue);
  if ('m' in encoded) return new Map(encoded.m.map(([key, each]) => [decodeValue(key), decodeValue(each)]));
  return Object.fromEntries(encoded.o.map(([key, each]) => [key, decodeValue(each)]));
}
