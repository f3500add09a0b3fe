import type { TemplatedApp, WebSocket } from 'uWebSockets.js';
import type { AccessControl } from './access.ts';
import { addressText } from './address.ts';
import { type NewestOnly, newestOnly } from './newest-only.ts';
import type { Stream, StreamClient, StreamSocket } from './route.ts';

/** Spec cantal 7.3: a client that leaves so much unread is closed. */
const backlogLimitBytes = 1024 * 1024;
/** Rules of a query; spec cantal 7.1 bounds a body as well. */
const maxIncomingBytes = 64 * 1024;
/** A client that does not even answer pings is gone; the library pings in between. */
const idleTimeoutS = 32;

interface Client {
  readonly query: URLSearchParams;
  readonly subprotocol: string | null;
  readonly remoteAddress: string;
  newest: NewestOnly | null;
  own: StreamClient | null;
}

export interface StreamClients {
  count(): number;
  /** Says goodbye to all. */
  closeAll(): void;
}

export interface StreamSettings {
  readonly access: AccessControl;
  readonly maxClients: number;
  readonly report: (what: string, error: unknown) => void;
}

/** Serves streams over WebSocket: access `read`, checked before the upgrade. */
export function serveStreams(app: TemplatedApp, streams: readonly Stream[], settings: StreamSettings): StreamClients {
  const open = new Set<WebSocket<Client>>();
  const textOf = textCache();

  for (const stream of streams) {
    app.ws<Client>(stream.path, {
      maxPayloadLength: maxIncomingBytes,
      maxBackpressure: 2 * backlogLimitBytes,
      idleTimeout: idleTimeoutS,
      sendPingsAutomatically: true,

      upgrade(res, req, context) {
        const query = new URLSearchParams(req.getQuery() ?? '');
        const host = req.getHeader('host');
        const asked = { host, origin: req.getHeader('origin') };
        const refuse = (status: string, error: string): void => {
          res.cork(() => {
            res.writeStatus(status).writeHeader('content-type', 'application/json').end(JSON.stringify({ error }));
          });
        };
        const problem = settings.access.originProblem(asked, true);
        if (problem !== null) return refuse('403 Forbidden', problem);
        const remoteAddress = addressText(new Uint8Array(res.getRemoteAddress()));
        const decision = settings.access.decide(
          {
            ...asked,
            access: 'read',
            remoteAddress,
            authorization: req.getHeader('authorization'),
            queryToken: query.get('token'),
            proof: null,
            signed: { method: 'GET', target: stream.path, host, body: new Uint8Array() },
          },
          Date.now(),
        );
        if (decision.kind === 'refused') {
          return refuse(decision.status === 401 ? '401 Unauthorized' : '403 Forbidden', decision.error);
        }
        if (open.size >= settings.maxClients) return refuse('503 Service Unavailable', 'too many streams are open');
        const subprotocol = chooseSubprotocol(stream, req.getHeader('sec-websocket-protocol'));
        if (subprotocol === undefined) {
          return refuse('400 Bad Request', `the subprotocols of ${stream.path}: ${stream.subprotocols?.join(', ')}`);
        }
        // The stream has no business with the secret.
        query.delete('token');
        res.upgrade<Client>(
          { query, subprotocol, remoteAddress, newest: null, own: null },
          req.getHeader('sec-websocket-key'),
          subprotocol ?? '',
          req.getHeader('sec-websocket-extensions'),
          context,
        );
      },

      open(socket) {
        const client = socket.getUserData();
        open.add(socket);
        const newest = newestOnly(
          {
            backlog: () => (open.has(socket) ? socket.getBufferedAmount() : 0),
            send: (text) => {
              if (open.has(socket)) socket.send(text, false, false);
            },
            close: () => {
              if (open.has(socket)) socket.close();
            },
          },
          backlogLimitBytes,
        );
        client.newest = newest;
        try {
          const face = socketFace(socket, () => open.has(socket));
          const opened = stream.open(client.query, (message) => newest.offer(() => textOf(message)), face);
          const own = typeof opened === 'function' ? { receive: () => {}, leave: opened } : opened;
          if (open.has(socket)) client.own = own;
          else own.leave();
        } catch (error) {
          settings.report(`stream ${stream.path}`, error);
          if (open.has(socket)) socket.end(1011, 'internal error');
        }
      },

      message(socket, bytes) {
        try {
          socket.getUserData().own?.receive(Buffer.from(bytes).toString());
        } catch (error) {
          settings.report(`message to stream ${stream.path}`, error);
          if (open.has(socket)) socket.end(1011, 'internal error');
        }
      },

      drain(socket) {
        const client = socket.getUserData();
        client.newest?.drained();
        try {
          if (socket.getBufferedAmount() === 0) client.own?.drained?.();
        } catch (error) {
          settings.report(`stream ${stream.path}`, error);
          if (open.has(socket)) socket.end(1011, 'internal error');
        }
      },

      close(socket) {
        open.delete(socket);
        try {
          socket.getUserData().own?.leave();
        } catch (error) {
          settings.report(`end of stream ${stream.path}`, error);
        }
      },
    });
  }

  return {
    count: () => open.size,
    closeAll() {
      for (const socket of [...open]) socket.end(1001, 'the agent stops');
    },
  };
}

function socketFace(socket: WebSocket<Client>, isOpen: () => boolean): StreamSocket {
  const { subprotocol, remoteAddress } = socket.getUserData();
  return {
    subprotocol,
    remoteAddress,
    backlog: () => (isOpen() ? socket.getBufferedAmount() : 0),
    post(text) {
      if (!isOpen()) return;
      socket.send(text, false, false);
      if (socket.getBufferedAmount() > backlogLimitBytes) socket.close();
    },
    close(code, reason) {
      if (isOpen()) socket.end(code, reason);
    },
  };
}

/** RFC 6455, 4.2.2: one of those that the client offers, or none; undefined where none fits. */
function chooseSubprotocol({ subprotocols = [] }: Stream, offered: string): string | null | undefined {
  const offers = offered.split(',').flatMap((each) => (each.trim() === '' ? [] : [each.trim()]));
  const chosen = subprotocols.find((each) => offers.includes(each));
  if (chosen !== undefined) return chosen;
  return offers.length === 0 || subprotocols.length === 0 ? null : undefined;
}

/** The same message goes to every client of a stream: it is written down once. */
function textCache(): (message: unknown) => string | null {
  let last: { readonly message: unknown; readonly text: string } | null = null;
  return (message) => {
    if (typeof message === 'function') {
      const made: unknown = message();
      return made === null ? null : JSON.stringify(made);
    }
    if (last === null || last.message !== message || typeof message !== 'object') {
      last = { message, text: JSON.stringify(message) };
    }
    return last.text;
  };
}
