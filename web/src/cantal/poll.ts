import { useEffect, useState } from 'preact/hooks';

export interface Polled<T> {
  /** The last one that came. */
  readonly value: T | null;
  /** And the one before it, for rates. */
  readonly before: T | null;
  readonly problem: string | null;
  /** From the question to its answer, ms. */
  readonly latencyMs: number | null;
}

const requestTimeoutMs = 10_000;

/** Asks once more `everyMs` after each answer. A `body` makes it a POST. */
export function usePoll<T>(path: string, everyMs: number, body?: unknown): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ value: null, before: null, problem: null, latencyMs: null });
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
          ? { value: answer.value, before: held.value, problem: null, latencyMs }
          : { ...held, problem: answer.problem, latencyMs: null },
      );
      timer = setTimeout(poll, everyMs);
    };
    void poll();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, sent]);

  return polled;
}

type Asked<T> = { readonly kind: 'value'; readonly value: T } | { readonly kind: 'problem'; readonly problem: string };

async function ask<T>(path: string, body: string | null): Promise<Asked<T>> {
  try {
    const signal = AbortSignal.timeout(requestTimeoutMs);
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const reply = await fetch(path, body === null ? { signal } : { ...post, signal });
    const value: unknown = await reply.json();
    if (reply.ok) return { kind: 'value', value: value as T };
    const error = typeof value === 'object' && value !== null && 'error' in value ? String(value.error) : '';
    return { kind: 'problem', problem: `${path}: ${reply.status} ${error}` };
  } catch {
    return { kind: 'problem', problem: 'the agent is not reachable' };
  }
}
