import type { HttpResponse } from 'uWebSockets.js';
import { decode } from 'cborg';

export type Body =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'tooLarge' }
  | { readonly kind: 'tooSlow' }
  | { readonly kind: 'gone' };

export interface BodyLimits {
  readonly bytes: number;
  readonly ms: number;
}

/** Collects a request's body; must be called in the same turn as the handler. `gone` = the client hung up. */
export function readBody(res: HttpResponse, limits: BodyLimits, onGone: (listener: () => void) => void): Promise<Body> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let timer: NodeJS.Timeout | null = null;
    const done = (body: Body) => {
      if (timer !== null) clearTimeout(timer);
      chunks.length = 0;
      resolve(body);
    };
    onGone(() => done({ kind: 'gone' }));
    res.onData((chunk, isLast) => {
      size += chunk.byteLength;
      if (size > limits.bytes) return done({ kind: 'tooLarge' });
      // The library takes its buffer back when this returns.
      chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (isLast) return done({ kind: 'whole', bytes: Buffer.concat(chunks) });
      timer ??= setTimeout(() => done({ kind: 'tooSlow' }), limits.ms);
    });
  });
}

export type Parsed =
  | { readonly kind: 'value'; readonly value: unknown }
  /** Parameters, for routes that take them so. */
  | { readonly kind: 'form'; readonly fields: URLSearchParams }
  | { readonly kind: 'refused'; readonly status: 400 | 415; readonly error: string };

const typeOf = (contentType: string): string => contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** An empty body is nothing and no mistake; anything else must be JSON or CBOR (or a form, if asked) and say so. */
export function parseBody(bytes: Buffer, contentType: string, takesForm: boolean): Parsed {
  if (bytes.length === 0) return { kind: 'value', value: undefined };
  const type = typeOf(contentType);
  if (type === 'application/json') return parsed('JSON', () => JSON.parse(utf8(bytes)));
  if (type === 'application/cbor') return parsed('CBOR', () => fromCbor(bytes));
  if (takesForm && type === 'application/x-www-form-urlencoded') {
    return { kind: 'form', fields: new URLSearchParams(bytes.toString()) };
  }
  const form = takesForm ? ', application/x-www-form-urlencoded' : '';
  return { kind: 'refused', status: 415, error: `the body must be application/json or application/cbor${form}` };
}

function parsed(what: string, parse: () => unknown): Parsed {
  try {
    return { kind: 'value', value: parse() };
  } catch (error) {
    return { kind: 'refused', status: 400, error: `the body is not ${what}: ${(error as Error).message}` };
  }
}

const utf8 = (bytes: Buffer): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

/** CBOR as the JSON that it could have been; throws on what JSON does not know (bytes, tags, keys that are no text). */
export function fromCbor(bytes: Uint8Array): unknown {
  return asJson(decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true, allowUndefined: false }), 0);
}

/** As deep as any body of ours can mean something, and far from what the stack bears. */
const deepest = 200;

function asJson(value: unknown, depth: number): unknown {
  if (depth > deepest) throw new Error(`nested more than ${deepest} deep`);
  if (Array.isArray(value)) return value.map((each) => asJson(each, depth + 1));
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) => {
      if (typeof key !== 'string') throw new Error('a key of a map is no text');
      return [key, asJson(each, depth + 1)] as const;
    });
    return Object.fromEntries(entries);
  }
  if (value instanceof Uint8Array) throw new Error('bytes are not expected here');
  return typeof value === 'bigint' ? String(value) : value;
}
