/** The live stream's life as a pure machine: the socket is in held-socket.ts. */

export type Connection =
  | { readonly kind: 'connecting'; readonly attempt: number; readonly sinceMs: number }
  | { readonly kind: 'live'; readonly lastMessageAtMs: number }
  | { readonly kind: 'waiting'; readonly attempt: number; readonly retryAtMs: number; readonly reason: string };

export type ConnectionEvent =
  | { readonly kind: 'message'; readonly nowMs: number }
  | { readonly kind: 'closed'; readonly nowMs: number; readonly reason: string }
  /** The page became visible or the network came back: no use in waiting on. */
  | { readonly kind: 'wake'; readonly nowMs: number }
  | { readonly kind: 'tick'; readonly nowMs: number };

export type ConnectionEffect = 'open' | 'close';

export interface ConnectionStep {
  readonly state: Connection;
  readonly effects: readonly ConnectionEffect[];
}

/** Messages come every 2 s: four missed ones are a stalled agent, not a slow one. */
export const stalledAfterMs = 8_000;
/** A listening agent answers at once; a lost packet needs a second or three. */
export const connectTimeoutMs = 5_000;
const firstRetryMs = 500;
/** A restarted agent is shown again within this time. */
const longestRetryMs = 4_000;

export const retryDelayMs = (attempt: number) => Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(attempt, 10));

export function connecting(nowMs: number): Connection {
  return { kind: 'connecting', attempt: 0, sinceMs: nowMs };
}

export function stepConnection(state: Connection, event: ConnectionEvent): ConnectionStep {
  switch (event.kind) {
    case 'message':
      return { state: { kind: 'live', lastMessageAtMs: event.nowMs }, effects: [] };
    case 'closed':
      return state.kind === 'waiting' ? { state, effects: [] } : wait(state, event.nowMs, event.reason, []);
    case 'wake':
      return state.kind === 'waiting' ? retry(state.attempt, event.nowMs) : { state, effects: [] };
    case 'tick':
      return tick(state, event.nowMs);
    default:
      return event satisfies never;
  }
}

function tick(state: Connection, nowMs: number): ConnectionStep {
  switch (state.kind) {
    case 'live':
      if (nowMs - state.lastMessageAtMs < stalledAfterMs) return { state, effects: [] };
      return wait(state, nowMs, 'the agent has gone silent', ['close']);
    case 'connecting':
      if (nowMs - state.sinceMs < connectTimeoutMs) return { state, effects: [] };
      return wait(state, nowMs, 'the agent does not answer', ['close']);
    case 'waiting':
      return nowMs < state.retryAtMs ? { state, effects: [] } : retry(state.attempt, nowMs);
    default:
      return state satisfies never;
  }
}

function wait(state: Connection, nowMs: number, reason: string, effects: readonly ConnectionEffect[]): ConnectionStep {
  const attempt = state.kind === 'live' ? 0 : state.attempt;
  return { state: { kind: 'waiting', attempt, retryAtMs: nowMs + retryDelayMs(attempt), reason }, effects };
}

function retry(attempt: number, nowMs: number): ConnectionStep {
  return { state: { kind: 'connecting', attempt: attempt + 1, sinceMs: nowMs }, effects: ['open'] };
}
