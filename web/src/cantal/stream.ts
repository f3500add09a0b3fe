import { useEffect, useRef, useState } from 'preact/hooks';
import { type Connection, connecting } from '../connection.ts';
import { holdSocket } from '../held-socket.ts';
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

  useEffect(
    () =>
      holdSocket<StreamMessage | { readonly error: unknown }>({
        path: '/v1/stream',
        parse: parseMessage,
        opened(socket) {
          open.current = socket;
          socket.send(newest.current);
        },
        told(connection, message) {
          setStreamed((held) => ({ ...changed(held, message), connection }));
        },
      }),
    [],
  );

  return streamed;
}

function parseMessage(data: unknown): StreamMessage | { readonly error: unknown } | null {
  const message: unknown = JSON.parse(String(data));
  return typeof message === 'object' && message !== null ? (message as StreamMessage) : null;
}

function changed(held: Streamed, message: StreamMessage | { readonly error: unknown } | null): Streamed {
  if (message === null) return held;
  return 'error' in message ? { ...held, answers: {}, error: String(message.error) } : taken(held, message);
}

/** A message without a past is the whole answer; whatever was held may be of other rules. */
function taken(held: Streamed, message: StreamMessage): Streamed {
  const answers = take(message.after === null ? {} : held.answers, message);
  return { ...held, answers, timestamp: message.timestamp, error: null };
}
