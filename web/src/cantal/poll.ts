import { useEffect, useState } from 'preact/hooks';
import { asText, member } from '../json.ts';

export interface Polled<T> {
  /** The last one that came. */
  readonly value: T | null;
  /** And the one before it, for rates. */
  readonly before: T | null;
  readonly problem: string | null;
  /** The agent does not serve this path: it is of another version. */
  readonly missing: boolean;
  /** From the question to its answer, ms. */
  readonly latencyMs: number | null;
}

export const nothingPolled = { value: null, before: null, problem: null, missing: false, latencyMs: null } as const;

const requestTimeoutMs = 10_000;
/** What could not be had is asked for again sooner than what only gets older. */
const retryMs = 3_000;

/** Asks once more `everyMs` after each answer. A `body` makes it a POST. */
export function usePoll<T>(path: string, everyMs: number, body?: unknown): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>(nothingPolled);
  const sent = body === undefined ? null : JSON.stringify(body);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const poll = async () => {
      const start = performance.now();
      const answer = await ask<T>(path, sent);
      if (gone) return;
      const latencyMs = performance.now() - start;
      setPolled((held) =>
        answer.kind === 'value'
          ? { value: answer.value, before: held.value, problem: null, missing: false, latencyMs }
          : { ...held, problem: answer.problem, missing: answer.missing, latencyMs: null },
      );
      timer = setTimeout(poll, answer.kind === 'value' ? everyMs : Math.min(everyMs, retryMs));
    };
    void poll();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, sent]);

  return polled;
}

type Asked<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'problem'; readonly problem: string; readonly missing: boolean };

async function ask<T>(path: string, body: string | null): Promise<Asked<T>> {
  try {
    const signal = AbortSignal.timeout(requestTimeoutMs);
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const reply = await fetch(path, body === null ? { signal } : { ...post, signal });
    // For a path that it does not know the agent sends this very page.
    if (!isJson(reply)) return { kind: 'problem', problem: `this agent does not serve ${path}`, missing: true };
    const value: unknown = await reply.json();
    if (reply.ok) return { kind: 'value', value: value as T };
    const error = asText(member(value, 'error')) ?? '';
    return { kind: 'problem', problem: `${path}: ${reply.status} ${error}`, missing: reply.status === 404 };
  } catch {
    return { kind: 'problem', problem: 'the agent is not reachable', missing: false };
  }
}

export const isJson = (reply: Response): boolean =>
  (reply.headers.get('content-type') ?? '').includes('application/json');
