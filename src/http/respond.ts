import type { HttpResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import type { Answer } from './answer.ts';
import { sendStreamed } from './send-streamed.ts';

/** Spec cantal 7.1: a client that has not taken its reply by then is let go. */
export const responseLimitMs = 30_000;

/**
 * Writes an answer, inside of a cork. What the kernel does not take at once waits here and goes out as the client reads,
 * for at most `limitMs`. `onAborted` is told of a listener for the client's end. Resolves when nothing waits any more.
 */
export function respond(
  res: HttpResponse,
  method: string,
  { status, headers, body, close = false }: Answer,
  onAborted: (listener: () => void) => void,
  limitMs = responseLimitMs,
): Promise<void> {
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
  for (const [name, value] of headers) res.writeHeader(name, value);
  if (method === 'HEAD') {
    res.endWithoutBody(lengthOf(body), close);
    return Promise.resolve();
  }
  if (status === 304 || status === 204) {
    // An undefined length would be written as one of 2^63.
    if (close) res.endWithoutBody(0, true);
    else res.endWithoutBody();
    return Promise.resolve();
  }
  if (typeof body === 'object' && 'read' in body) return sendStreamed(res, body, onAborted, limitMs);
  if (body.length <= smallBytes || close) {
    res.end(body, close);
    return Promise.resolve();
  }

  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const start = res.getWriteOffset();
  const [, done] = res.tryEnd(bytes, bytes.length);
  if (done) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => res.close(), limitMs);
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    onAborted(stop);
    res.onWritable((offset) => {
      const [ok, ended] = res.tryEnd(bytes.subarray(offset - start), bytes.length);
      if (ended) stop();
      return ok;
    });
  });
}

/** The kernel's own buffer takes so much without a reader. */
const smallBytes = 16 * 1024;

function lengthOf(body: Answer['body']): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.length;
}
