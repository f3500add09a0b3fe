import { type Answers, hourMs, tableIn } from './answer.ts';

/** Five scans. */
export const shortestMs = 10_000;
/** What a Date can be (ECMA-262, 21.4.1.1). */
const latest = 8.64e15;

export interface Range {
  readonly from: number;
  readonly to: number;
}

export const windows = [
  { ms: 300_000, title: '5 min' },
  { ms: 900_000, title: '15 min' },
  { ms: hourMs, title: '1 hour' },
] as const;

/** From the oldest to the newest sample that a page has, ms since the epoch; 0: there is none yet. */
export interface Span {
  readonly oldest: number;
  readonly newest: number;
}

/** Of all that the answers hold. */
export function spanOf(answers: Answers, newest: number): Span {
  const starts = Object.keys(answers).flatMap((id) => tableIn(answers, id).times[0] ?? []);
  return { oldest: Math.min(newest, ...starts), newest };
}

/** What the plots of a page show: a stretch that was chosen, or the newest `window`. Both are in the URL. */
export function rangeOf(params: URLSearchParams, span: Span): Range {
  const [from, to] = [Number(params.get('from')), Number(params.get('to'))];
  if (from > 0 && to - from >= shortestMs && to < latest) return { from, to };
  // Before the first answer: now, by the browser's clock.
  const newest = span.newest || Date.now();
  return { from: newest - windowOf(params, span), to: newest };
}

/** What was asked for; else the shortest that shows all there is: a young agent does not draw an empty hour. */
export function windowOf(params: URLSearchParams, { oldest, newest }: Span): number {
  const asked = Number(params.get('window')) * 60_000;
  if (asked >= shortestMs && asked <= hourMs) return asked;
  if (oldest <= 0 || oldest >= newest) return hourMs;
  return windows.find(({ ms }) => ms >= newest - oldest)?.ms ?? hourMs;
}
