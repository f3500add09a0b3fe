import { isJson } from '../../cantal/poll.ts';
import { addPress, isWaiting, type Outcome, outcomeOf, type Press } from './press.ts';
import { store } from './store.ts';

const presses = store<readonly Press[]>([]);
let last = 0;

/** The agent answers a waiting action after 60 s at the latest, or the leader is asked for 65 s. */
const requestTimeoutMs = 70_000;
/** Good news is read by then; bad news stays until it is put away. */
const shownMs = 10_000;

export const usePresses = (): readonly Press[] => presses.use();

export function putAway(number: number): void {
  presses.set(presses.get().filter((press) => press.number !== number));
}

export interface Request {
  readonly key: string;
  readonly title: string;
  readonly path: '/v1/wait_action' | '/v1/guard' | '/v1/force_render_all' | '/v1/force_render_all?nodes=all';
  readonly body: unknown;
}

export async function press({ key, title, path, body }: Request, token: string): Promise<Outcome | null> {
  if (isWaiting(presses.get(), key)) return null;
  last += 1;
  const mine = { number: last, key, title };
  const startMs = performance.now();
  presses.set(addPress(presses.get(), { ...mine, kind: 'waiting' }));
  const outcome = await send(path, body, token);
  presses.set(addPress(presses.get(), { ...mine, ...outcome, tookMs: performance.now() - startMs }));
  if (outcome.kind === 'done') setTimeout(() => putAway(mine.number), shownMs);
  return outcome;
}

async function send(path: string, body: unknown, token: string): Promise<Outcome> {
  try {
    const reply = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    return outcomeOf(reply.status, isJson(reply) && reply.status !== 204 ? await reply.json() : undefined);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError')
      return { kind: 'timed-out', words: `no answer within ${requestTimeoutMs / 1000} s` };
    return {
      kind: 'unknown',
      words: 'the agent could not be reached, or went away: whether a round took it is not known',
    };
  }
}
