import { useEffect, useState } from 'preact/hooks';
import type { Overview } from './api.ts';
import { type Connection, connecting } from './connection.ts';
import { holdSocket } from './held-socket.ts';

export interface Live {
  readonly connection: Connection;
  /** The last one received, kept while the agent is away. */
  readonly overview: Overview | null;
  /** Browser's clock when it came. */
  readonly receivedAtMs: number;
}

/** Holds the WebSocket to the own agent open for the page's life. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>(() => ({
    connection: connecting(Date.now()),
    overview: null,
    receivedAtMs: 0,
  }));

  useEffect(
    () =>
      holdSocket<Overview>({
        path: '/v1/live',
        parse: parseOverview,
        told(connection, overview, nowMs) {
          setLive((held) =>
            overview === null ? { ...held, connection } : { connection, overview, receivedAtMs: nowMs },
          );
        },
      }),
    [],
  );

  return live;
}

function parseOverview(data: unknown): Overview | null {
  if (typeof data !== 'string') return null;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null && 'nodes' in value ? (value as Overview) : null;
  } catch {
    // Half a message: the next whole one comes in 2 s, and a stream without any is given up as silent.
    return null;
  }
}
