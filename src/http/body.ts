import type { HttpResponse } from 'uWebSockets.js';

export type Body =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'tooLarge' }
  | { readonly kind: 'gone' };

/** Collects a request's body; must be called in the same turn as the handler. `gone` = the client hung up. */
export function readBody(res: HttpResponse, limitBytes: number, onGone: (listener: () => void) => void): Promise<Body> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    onGone(() => resolve({ kind: 'gone' }));
    res.onData((chunk, isLast) => {
      size += chunk.byteLength;
      if (size > limitBytes) {
        chunks.length = 0;
        resolve({ kind: 'tooLarge' });
        return;
      }
      // The library takes its buffer back when this returns.
      chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (isLast) resolve({ kind: 'whole', bytes: Buffer.concat(chunks) });
    });
  });
}

export type Parsed =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly status: 400 | 415; readonly error: string };

/** An empty body is no JSON and no mistake; anything else must be JSON and say so. */
export function parseJson(bytes: Buffer, contentType: string): Parsed {
  if (bytes.length === 0) return { kind: 'json', value: undefined };
  if (!/^application\/json\s*(;|$)/i.test(contentType.trim())) {
    return { kind: 'refused', status: 415, error: 'the body must be application/json' };
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { kind: 'json', value: JSON.parse(text) };
  } catch (error) {
    return { kind: 'refused', status: 400, error: `the body is not JSON: ${(error as Error).message}` };
  }
}
