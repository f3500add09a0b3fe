import { type Connection, type ConnectionEvent, connecting, stepConnection } from './connection.ts';
import { hangUp } from './hang-up.ts';

export interface HeldSocket<Message> {
  /** On the own agent. */
  readonly path: string;
  /** Null: nothing that can be used, as half a message. */
  readonly parse: (data: unknown) => Message | null;
  readonly opened?: (socket: WebSocket) => void;
  /** Of each message, and of each change of the connection; while it waits, of each tick. */
  readonly told: (connection: Connection, message: Message | null, nowMs: number) => void;
}

const tickMs = 500;

/** A WebSocket that is opened again whenever it ends or falls silent. Returns how to let go of it. */
export function holdSocket<Message>({ path, parse, opened, told }: HeldSocket<Message>): () => void {
  let connection = connecting(Date.now());
  let socket: WebSocket | null = null;

  const dispatch = (event: ConnectionEvent, message: Message | null = null) => {
    const { state, effects } = stepConnection(connection, event);
    const changed = state !== connection;
    connection = state;
    for (const effect of effects) {
      if (effect === 'open') open();
      else close();
    }
    if (changed || connection.kind === 'waiting') told(connection, message, event.nowMs);
  };

  const open = () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const mine = new WebSocket(`${scheme}://${location.host}${path}`);
    socket = mine;
    mine.onopen = () => opened?.(mine);
    mine.onmessage = ({ data }) => {
      if (socket !== mine) return;
      const message = parse(data);
      if (message !== null) dispatch({ kind: 'message', nowMs: Date.now() }, message);
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
}
