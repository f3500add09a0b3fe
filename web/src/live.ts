import { useEffect, useState } from 'preact/hooks';
import type { Overview } from './api.ts';
import { type Connection, type ConnectionEvent, connecting, stepConnection } from './connection.ts';
import { hangUp } from './hang-up.ts';

export interface Live {
  readonly connection: Connection;
  /** The last one received, kept while the agent is away. */
  readonly overview: Overview | null;
  /** Browser's clock when it came. */
  readonly receivedAtMs: number;
}

const tickMs = 500;

/** Holds the WebSocket to the own agent open for the page's life. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>(() => ({
    connection: connecting(Date.now()),
    overview: null,
    receivedAtMs: 0,
  }));

  useEffect(() => {
    let connection = connecting(Date.now());
    let socket: WebSocket | null = null;

    const dispatch = (event: ConnectionEvent, overview?: Overview) => {
      const { state, effects } = stepConnection(connection, event);
      const changed = state !== connection;
      connection = state;
      for (const effect of effects) {
        if (effect === 'open') open();
        else close();
      }
      if (overview) setLive({ connection, overview, receivedAtMs: event.nowMs });
      else if (changed || connection.kind === 'waiting') setLive((held) => ({ ...held, connection }));
    };

    const open = () => {
      const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
      const mine = new WebSocket(`${scheme}://${location.host}/v1/live`);
      socket = mine;
      mine.onmessage = ({ data }) => {
        if (socket !== mine) return;
        const overview = parseOverview(data);
        if (overview) dispatch({ kind: 'message', nowMs: Date.now() }, overview);
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

    open();
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
