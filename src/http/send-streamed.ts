import type { HttpResponse } from 'uWebSockets.js';
import type { StreamedBody } from './file-answer.ts';

const chunkBytes = 256 * 1024;

/**
 * Sends a body chunk by chunk, each when the client has taken the one before; a client that takes nothing for `limitMs`
 * is let go. Resolves when all is sent or the client is gone; the body stays open.
 */
export async function sendStreamed(
  res: HttpResponse,
  body: StreamedBody,
  onAborted: (listener: () => void) => void,
  limitMs: number,
): Promise<void> {
  let gone = false;
  let wake = (): void => {};
  onAborted(() => {
    gone = true;
    wake();
  });
  for (let at = 0; ; ) {
    const chunk = await body.read(at, Math.min(chunkBytes, body.length - at)).catch(() => Buffer.alloc(0));
    if (gone) return;
    // Cut meanwhile, or the disk fails: the length was promised, so only the end of the connection says so.
    if (chunk.length === 0) {
      res.close();
      return;
    }
    const sent = await new Promise<'more' | 'end'>((resolve) => {
      const timer = setTimeout(() => res.close(), limitMs);
      const settle = (how: 'more' | 'end'): void => {
        clearTimeout(timer);
        resolve(how);
      };
      wake = () => settle('end');
      res.cork(() => {
        const start = res.getWriteOffset();
        const [ok, done] = res.tryEnd(chunk, body.length);
        if (done) return settle('end');
        if (ok) return settle('more');
        res.onWritable((offset) => {
          const [taken, ended] = res.tryEnd(chunk.subarray(offset - start), body.length);
          if (ended) settle('end');
          else if (taken) settle('more');
          return taken;
        });
      });
    });
    if (sent === 'end') return;
    at += chunk.length;
  }
}
