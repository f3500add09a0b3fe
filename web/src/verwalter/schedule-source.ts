import { useEffect, useState } from 'preact/hooks';
import { asNumber, asText, member } from '../json.ts';
import { scheduleUrl } from './schedule-url.ts';

/** A schedule that was asked for by name. */
export type Held =
  | { readonly kind: 'none' }
  | { readonly kind: 'loading' }
  | { readonly kind: 'problem'; readonly problem: string }
  | { readonly kind: 'schedule'; readonly hash: string; readonly timestampMs: number | null; readonly data: unknown };

const timeoutMs = 30_000;

export function useSchedule(name: string): Held {
  const [held, setHeld] = useState<Held>({ kind: 'none' });
  useEffect(() => {
    let gone = false;
    if (name === '') return setHeld({ kind: 'none' });
    setHeld({ kind: 'loading' });
    void load(name).then((next) => {
      if (!gone) setHeld(next);
    });
    return () => {
      gone = true;
    };
  }, [name]);
  return held;
}

async function load(name: string): Promise<Held> {
  try {
    const reply = await fetch(scheduleUrl(name), { signal: AbortSignal.timeout(timeoutMs) });
    const value: unknown = await reply.json().catch(() => null);
    const hash = asText(member(value, 'hash'));
    if (!reply.ok || hash === null) {
      const said = asText(member(value, 'error')) ?? `the agent answers ${reply.status}`;
      return { kind: 'problem', problem: `${name}: ${said}` };
    }
    return { kind: 'schedule', hash, timestampMs: asNumber(member(value, 'timestamp')), data: member(value, 'data') };
  } catch {
    return { kind: 'problem', problem: `${name}: the agent is not reachable` };
  }
}
