import { useEffect, useState } from 'preact/hooks';
import { asText, member } from '../json.ts';

/** Shapes of /v1/recordings, as src/verwalter/recording/recording-routes.ts makes them. */
export interface RoundHead {
  readonly id: number;
  readonly timestamp: number;
  readonly epoch: number;
  readonly reason: string;
  readonly ok: boolean;
  readonly hash: string | null;
  readonly changed: boolean;
  readonly duration_ms: number;
  readonly scheduler_hash: string;
  readonly error?: string;
}

export interface Round extends RoundHead {
  readonly input: Readonly<Record<string, unknown>>;
  readonly output: unknown;
  readonly log: string;
  readonly warnings: readonly string[];
  readonly scheduler: Readonly<Record<string, string>> | null;
}

export interface Move {
  readonly role: string;
  readonly node: string;
  readonly daemon: string | null;
  readonly kind: 'started' | 'stopped' | 'moved' | 'changed';
  readonly before: number;
  readonly after: number;
  readonly fromNode?: string;
  readonly why?: string;
}

export interface DryRun {
  readonly rounds: number;
  readonly failed: readonly { readonly id: number; readonly timestamp: number; readonly error: string }[];
  readonly changed_rounds: number;
  readonly moves: readonly Move[];
  /** Of one round with a changed input only. */
  readonly log?: string;
  readonly output?: unknown;
}

const requestTimeoutMs = 30_000;

export type Answer<T> = { readonly value: T } | { readonly problem: string };

export async function ask<T>(path: string, token: string | null = null, body?: unknown): Promise<Answer<T>> {
  try {
    const reply = await fetch(path, {
      signal: AbortSignal.timeout(requestTimeoutMs),
      ...(body === undefined
        ? {}
        : {
            method: 'POST',
            body: JSON.stringify(body),
            headers: { 'content-type': 'application/json', authorization: `Bearer ${token ?? ''}` },
          }),
    });
    const answer: unknown = await reply.json().catch(() => null);
    if (reply.ok) return { value: answer as T };
    return { problem: asText(member(answer, 'error')) ?? `the agent answered ${reply.status}` };
  } catch {
    return { problem: 'the agent is not reachable' };
  }
}

const newRoundsMs = 5000;

/** The rounds of the last `spanMs`, and what is recorded from then on. */
export function useRounds(spanMs: number): {
  readonly rounds: readonly RoundHead[] | null;
  readonly problem: string | null;
} {
  const [rounds, setRounds] = useState<readonly RoundHead[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let held: readonly RoundHead[] = [];
    const poll = async () => {
      const last = held.at(-1)?.timestamp;
      const from = last === undefined ? Date.now() - spanMs : last + 1;
      const answer = await ask<{ readonly rounds: readonly RoundHead[] }>(`/v1/recordings?from=${from}`);
      if (gone) return;
      if ('value' in answer) {
        if (held.length === 0 || answer.value.rounds.length > 0) {
          held = [...held, ...answer.value.rounds];
          setRounds(held);
        }
        setProblem(null);
      } else setProblem(answer.problem);
      timer = setTimeout(poll, newRoundsMs);
    };
    setRounds(null);
    void poll();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [spanMs]);
  return { rounds, problem };
}

/** What is at `path`, asked once; null while it is on its way. */
export function useOnce<T>(path: string | null): Answer<T> | null {
  const [held, setHeld] = useState<{ readonly path: string; readonly answer: Answer<T> } | null>(null);
  useEffect(() => {
    if (path === null) return;
    let gone = false;
    // Who drags the slider means only where it stops.
    const timer = setTimeout(async () => {
      const answer = await ask<T>(path);
      if (!gone) setHeld({ path, answer });
    }, 120);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [path]);
  return held?.path === path ? held.answer : null;
}

/** What RFC 7396 makes `after` out of `before` with. */
export function mergePatch(before: unknown, after: unknown): unknown {
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRecord(before) || !isRecord(after)) return after;
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (JSON.stringify(old) !== JSON.stringify(value)) patch[key] = mergePatch(old, value);
  }
  return patch;
}

const clock = new Intl.DateTimeFormat('en-GB', {
  ...({ year: 'numeric', month: '2-digit', day: '2-digit' } as const),
  ...({ hour: '2-digit', minute: '2-digit', second: '2-digit' } as const),
});
export const timeText = (ms: number): string => clock.format(ms);
