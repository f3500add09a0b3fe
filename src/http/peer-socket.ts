import { WebSocket } from 'ws';
import { proofHeaders, prove } from './cluster-auth.ts';
import { messageAuth } from './message-auth.ts';

export interface PeerSocketOptions {
  /** "ip:port" */
  readonly addr: string;
  readonly path: string;
  /** The first signs. Empty: unsigned, for a cluster on one machine. */
  readonly keys: readonly Uint8Array[];
  readonly maxMessageBytes: number;
}

/** Why a connection is no more: nobody answered, somebody would not have us, or it broke. */
export type Loss = 'timeout' | 'refused' | 'reset';

export interface PeerSocketEvents {
  opened(): void;
  message(body: Uint8Array): void;
  /** Once, and nothing after it; not where we closed it. */
  lost(why: Loss, reason: string): void;
}

export interface PeerSocket {
  send(body: Uint8Array): void;
  /** At once, and silently: no event follows. */
  close(): void;
}

/** Opens a stream of another agent (peer-streams.ts). Timeouts are the caller's. */
export function openPeerSocket(
  { addr, path, keys, maxMessageBytes }: PeerSocketOptions,
  events: PeerSocketEvents,
): PeerSocket {
  const key = keys[0];
  const proof =
    key === undefined
      ? null
      : prove(key, { method: 'GET', target: path, host: addr, body: new Uint8Array() }, Date.now());
  const auth = messageAuth(key === undefined || proof === null ? null : { key, nonce: proof.nonce }, 'asking');
  let over = false;
  let socket: WebSocket | null = null;
  const lost = (why: Loss, reason: string): void => {
    if (over) return;
    over = true;
    socket?.terminate();
    events.lost(why, reason);
  };

  try {
    socket = new WebSocket(`ws://${addr}${path}`, {
      maxPayload: maxMessageBytes,
      perMessageDeflate: true,
      followRedirects: false,
      headers: {
        host: addr,
        ...(proof === null
          ? {}
          : {
              [proofHeaders.date]: proof.date,
              [proofHeaders.nonce]: proof.nonce,
              [proofHeaders.mac]: proof.mac,
            }),
      },
    });
  } catch (error) {
    // Not an address; told later, as every other loss.
    setImmediate(() => lost('refused', messageOf(error)));
    return {
      send() {},
      close() {
        over = true;
      },
    };
  }
  socket.on('open', () => {
    if (!over) events.opened();
  });
  socket.on('message', (data, isBinary) => {
    if (over) return;
    const body = isBinary && Buffer.isBuffer(data) ? auth.open(data) : null;
    if (body === null) lost('refused', 'its messages are not signed with a key of this cluster');
    else events.message(body);
  });
  socket.on('unexpected-response', (_request, reply) => {
    reply.resume();
    lost('refused', `${reply.statusCode} ${reply.statusMessage}`);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => lost(lossOf(error), error.message));
  socket.on('close', (code, reason) => lost('reset', `closed: ${code} ${reason.toString('utf8')}`.trim()));

  return {
    send(body) {
      if (!over && socket?.readyState === WebSocket.OPEN) socket.send(auth.seal(body), { binary: true });
    },
    close() {
      over = true;
      socket?.terminate();
    },
  };
}

function lossOf({ code }: NodeJS.ErrnoException): Loss {
  if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'refused';
  return code === 'ETIMEDOUT' ? 'timeout' : 'reset';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
