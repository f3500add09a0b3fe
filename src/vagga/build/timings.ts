import { appendFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Beside the root: a line for each step, with seconds since the build began, seconds that it took, and what it is. */
export const timingsFile = 'timings.log';

/** Times are in ms. */
export function timingLine(sinceMs: number, tookMs: number, what: string): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(3).padStart(9);
  return `${seconds(sinceMs)} ${seconds(tookMs)} ${what}\n`;
}

/** `mark` ends what came since the mark before. */
export function timings(root: string, now: () => number = () => performance.now()): { mark(what: string): void } {
  const file = join(dirname(root), timingsFile);
  const begun = now();
  let last = begun;
  return {
    mark(what) {
      const time = now();
      appendFileSync(file, timingLine(time - begun, time - last, what));
      last = time;
    },
  };
}
