import { refusal } from '../../action.ts';
import { asText, member } from '../../json.ts';
import { isRecord, wordsOf } from './shape.ts';

/** What became of a pressed button. The requests are in press-store.ts. */
export type Outcome =
  /** The scheduler answered, or a round took the action without an answer. */
  | { readonly kind: 'done'; readonly words: string }
  /** By the agent, or by the scheduler: nothing was done. */
  | { readonly kind: 'refused'; readonly words: string }
  /** No round took it in time. */
  | { readonly kind: 'timed-out'; readonly words: string }
  /** The connection was lost while it waited. */
  | { readonly kind: 'unknown'; readonly words: string };

/** Of the answer to POST /v1/wait_action, /v1/guard or /v1/force_render_all; `body` is undefined where there is none. */
export function outcomeOf(status: number, body: unknown): Outcome {
  const error = asText(member(body, 'error'));
  if (status === 204) return { kind: 'done', words: 'taken by the round' };
  if (status >= 200 && status < 300) {
    // By convention an answer with `error` is the scheduler's no (docs/verwalter-scheduler.md).
    if (error !== null) return { kind: 'refused', words: error };
    if (body === null || body === undefined || body === 'ok') return { kind: 'done', words: 'done' };
    return { kind: 'done', words: answerWords(body) };
  }
  if (status === 504) return { kind: 'timed-out', words: error ?? 'no round took it in time' };
  if (status === 409 || status === 422 || status === 429)
    return { kind: 'refused', words: error ?? `the agent answered ${status}` };
  return { kind: 'refused', words: refusal(status, error) };
}

/** {"step": "canary", "nodes": {"a": "ok"}} → "step canary, nodes: a ok" */
function answerWords(body: unknown): string {
  if (!isRecord(body)) return wordsOf(body) || 'done';
  const parts = Object.entries(body).map(([key, value]) => {
    const name = key.replaceAll('_', ' ');
    if (!isRecord(value)) return `${name} ${wordsOf(value)}`;
    const inner = Object.entries(value).map(([each, word]) => `${each} ${wordsOf(word)}`);
    return `${name}: ${inner.join(', ')}`;
  });
  return parts.length === 0 ? 'done' : parts.join(', ');
}

/** One press, from the request on. */
export type Press = {
  readonly number: number;
  /** Of the button: while one waits, it is not pressed again. */
  readonly key: string;
  readonly title: string;
} & ({ readonly kind: 'waiting' } | (Outcome & { readonly tookMs: number }));

export const isWaiting = (presses: readonly Press[], key: string): boolean =>
  presses.some((press) => press.key === key && press.kind === 'waiting');

const shownAtMost = 5;

/** The newest first; those that wait are never pushed out. */
export function addPress(presses: readonly Press[], press: Press): readonly Press[] {
  const others = presses.filter(
    ({ number, kind, key }) => number !== press.number && (kind === 'waiting' || key !== press.key),
  );
  const all = [press, ...others];
  return all.filter((each, index) => each.kind === 'waiting' || index < shownAtMost);
}
