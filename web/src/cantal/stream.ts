import { useEffect, useRef, useState } from 'preact/hooks';
import { type Connection, type ConnectionEvent, connecting, stepConnection } from '../connection.ts';
import { hangUp } from '../hang-up.ts';
import { type Answers, type StreamMessage, take } from './answer.ts';

export interface Streamed {
  readonly connection: Connection;
  readonly answers: Answers;
  /** Of the newest scan, on the host's clock; 0: none came yet. */
  readonly timestamp: number;
  /** Why the rules cannot be answered. */
  readonly error: string | null;
}

export type Rules = Readonly<Record<string, unknown>>;

const tickMs = 500;

/** Asks the rules over /v1/stream for as long as the page shows them; new rules go over the same connection. */
export function useStream(rules: Rules): Streamed {
  const [streamed, setStreamed] = useState<Streamed>(() => ({
    connection: connecting(Date.now()),
    answers: {},
    timestamp: 0,
    error: null,
  }));
  const text = JSON.stringify({ rules });
  const newest = useRef(text);
  newest.current = text;
  const open = useRef<WebSocket | null>(null);

  useEffect(() => {
    if (open.current?.readyState === WebSocket.OPEN) open.current.send(text);
  }, [text]);

  useEffect(() => {
    let connection = connecting(Date.now());
    let socket: WebSocket | null = null;

    const dispatch = (event: ConnectionEvent, change: (held: Streamed) => Streamed = (held) => held) => {
      const { state, effects } = stepConnection(connection, event);
      const changed = state !== connection;
      connection = state;
      for (const effect of effects) {
        if (effect === 'open') connect();
        else close();
      }
      if (changed || connection.kind === 'waiting') setStreamed((held) => ({ ...change(held), connection }));
    };

    const connect = () => {
      const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
      const mine = new WebSocket(`${scheme}://${location.host}/v1/stream`);
      socket = mine;
      open.current = mine;
      mine.onopen = () => mine.send(newest.current);
      mine.onmessage = ({ data }) => {
        if (socket !== mine) return;
        const message: unknown = JSON.parse(String(data));
        if (typeof message !== 'object' || message === null) return;
        dispatch({ kind: 'message', nowMs: Date.now() }, (held) =>
          'error' in message
            ? { ...held, answers: {}, error: String(message.error) }
            : taken(held, message as StreamMessage),
        );
      };
      mine.onclose = ({ code }) => {
        if (socket !== mine) return;
        socket = null;
        const reason = code === 1006 ? 'the agent is not reachable' : 'the agent closed the connection';
        dispatch({ kind: 'closed', nowMs: Date.now(), reason });
      };
    };

    const close = () => {
      const old = socket;
      socket = null;
      if (old) hangUp(old);
    };
    const wake = () => {
      if (document.visibilityState === 'visible') dispatch({ kind: 'wake', nowMs: Date.now() });
    };

    connect();
    const timer = setInterval(() => dispatch({ kind: 'tick', nowMs: Date.now() }), tickMs);
    addEventListener('online', wake);
    document.addEventListener('visibilitychange', wake);
    return () => {
      clearInterval(timer);
      removeEventListener('online', wake);
      document.removeEventListener('visibilitychange', wake);
      close();
    };
  }, []);

  return streamed;
}

/** A message without a past is the whole answer; whatever was held may be of other rules. */
function taken(held: Streamed, message: StreamMessage): Streamed {
  const answers = take(message.after === null ? {} : held.answers, message);
  return { ...held, answers, timestamp: message.timestamp, error: null };
}
