import { hourMs } from './answer.ts';

/** Five scans. */
export const shortestMs = 10_000;
/** What a Date can be (ECMA-262, 21.4.1.1). */
const latest = 8.64e15;

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What the plots of a page show: a stretch that was chosen, or the newest `window`. Both are in the URL. */
export function rangeOf(params: URLSearchParams, newestMs: number): Range {
  const [from, to] = [Number(params.get('from')), Number(params.get('to'))];
  if (from > 0 && to - from >= shortestMs && to < latest) return { from, to };
  // Before the first answer: now, by the browser's clock.
  const newest = newestMs || Date.now();
  return { from: newest - windowOf(params), to: newest };
}

export function windowOf(params: URLSearchParams): number {
  const asked = Number(params.get('window')) * 60_000;
  return asked >= shortestMs && asked <= hourMs ? asked : hourMs;
}
