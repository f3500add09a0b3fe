import { useState } from 'preact/hooks';
import { type ActionState, isUnderWay, type LoadAction, refusal } from './action.ts';
import { asText, member } from './json.ts';

const pollMs = 400;
/** The agent drops an action that no round took up within this time (spec verwalter 6.4). */
const deadlineMs = 60_000;
const requestTimeoutMs = 10_000;

/** The state of the last press and the function that makes one. */
export function useLoadAction(token: string | null): [ActionState, (action: LoadAction) => void] {
  const [state, setState] = useState<ActionState>({ kind: 'idle' });
  const press = async (action: LoadAction) => {
    if (token === null || isUnderWay(state)) return;
    const sinceMs = Date.now();
    setState({ kind: 'sending', action, sinceMs });
    const registered = await register(action, token);
    if (registered.kind === 'refused') {
      setState({ kind: 'failed', action, reason: registered.reason });
      return;
    }
    setState({ kind: 'pending', action, sinceMs, id: registered.id });
    const taken = await takenUp(registered.id, token, sinceMs + deadlineMs);
    setState(
      taken
        ? { kind: 'acknowledged', action, tookMs: Date.now() - sinceMs }
        : { kind: 'failed', action, reason: `no round of the scheduler took it up within ${deadlineMs / 1000} s` },
    );
  };
  return [state, press];
}

type Registered =
  | { readonly kind: 'registered'; readonly id: string }
  | { readonly kind: 'refused'; readonly reason: string };

async function register(action: LoadAction, token: string): Promise<Registered> {
  try {
    const reply = await fetch('/v1/action', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ button: { role: 'load', action } }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const body: unknown = await reply.json().catch(() => null);
    const id = member(body, 'registered');
    if (reply.ok && (typeof id === 'number' || typeof id === 'string')) return { kind: 'registered', id: String(id) };
    return { kind: 'refused', reason: refusal(reply.status, asText(member(body, 'error'))) };
  } catch {
    return { kind: 'refused', reason: 'the agent is not reachable' };
  }
}

/** An agent that restarts in between is asked again: only the deadline ends the wait. */
async function takenUp(id: string, token: string, untilMs: number): Promise<boolean> {
  while (Date.now() < untilMs) {
    try {
      const reply = await fetch(`/v1/action_is_pending/${encodeURIComponent(id)}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(requestTimeoutMs),
      });
      if (reply.ok && member(await reply.json(), 'pending') === false) return true;
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return false;
}
