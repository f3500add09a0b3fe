import type { TemplatedApp, WebSocket } from 'uWebSockets.js';
import type { AccessControl } from './access.ts';
import { addressText } from './address.ts';
import { proofHeaders } from './cluster-auth.ts';
import { type MessageAuth, macBytes, messageAuth } from './message-auth.ts';
import type { StreamClients } from './streams.ts';

/** A WebSocket of binary messages for other agents: opened by a request signed with the cluster key, then message-auth.ts. */
export interface PeerStream {
  readonly path: string;
  readonly summary: string;
  open(outlet: PeerOutlet): PeerStreamClient;
}

export interface PeerOutlet {
  /** Bytes handed over and not yet taken by the kernel. */
  backlog(): number;
  send(message: Uint8Array): void;
  close(reason: string): void;
}

export interface PeerStreamClient {
  receive(message: Uint8Array): void;
  /** The backlog shrank. */
  drained(): void;
  leave(): void;
}

export interface PeerStreamSettings {
  readonly access: AccessControl;
  readonly report: (what: string, error: unknown) => void;
  /** One of the library's compressors. */
  readonly compression: number;
}

/** Spec cantal 6.5: requests of 16 KiB; what waits for one peer is at most 1 MiB, and one message. */
const maxRequestBytes = 16 * 1024 + macBytes;
const maxBacklogBytes = 2 * 1024 * 1024;
/** Spec cantal 6.5: peers of a node. */
const maxPeers = 4096;
/** Peers answer the library's pings from their event loop: one that does not for so long has gone. */
const idleTimeoutS = 32;

interface Peer {
  readonly session: Parameters<typeof messageAuth>[0];
  auth: MessageAuth | null;
  client: PeerStreamClient | null;
}

export function servePeerStreams(
  app: TemplatedApp,
  streams: readonly PeerStream[],
  { access, report, compression }: PeerStreamSettings,
): StreamClients {
  const open = new Set<WebSocket<Peer>>();

  for (const stream of streams) {
    app.ws<Peer>(stream.path, {
      maxPayloadLength: maxRequestBytes,
      maxBackpressure: maxBacklogBytes,
      idleTimeout: idleTimeoutS,
      compression,
      sendPingsAutomatically: true,

      upgrade(res, req, context) {
        const host = req.getHeader('host');
        const asked = { host, origin: req.getHeader('origin') };
        const refuse = (status: string, error: string): void => {
          res.cork(() => {
            res.writeStatus(status).writeHeader('content-type', 'application/json').end(JSON.stringify({ error }));
          });
        };
        const problem = access.originProblem(asked, true);
        if (problem !== null) return refuse('403 Forbidden', problem);
        const mac = req.getHeader(proofHeaders.mac);
        const proof = {
          date: req.getHeader(proofHeaders.date),
          nonce: req.getHeader(proofHeaders.nonce),
          mac,
        };
        const decision = access.decide(
          {
            ...asked,
            access: 'cluster',
            remoteAddress: addressText(new Uint8Array(res.getRemoteAddress())),
            authorization: '',
            queryToken: null,
            proof: mac === '' ? null : proof,
            signed: { method: 'GET', target: stream.path, host, body: new Uint8Array() },
          },
          Date.now(),
        );
        if (decision.kind === 'refused') {
          return refuse(decision.status === 401 ? '401 Unauthorized' : '403 Forbidden', decision.error);
        }
        if (open.size >= maxPeers) return refuse('503 Service Unavailable', 'too many peers are connected');
        const session = decision.kind === 'proven' ? { key: decision.key, nonce: decision.nonce } : null;
        res.upgrade<Peer>(
          { session, auth: null, client: null },
          req.getHeader('sec-websocket-key'),
          req.getHeader('sec-websocket-protocol'),
          req.getHeader('sec-websocket-extensions'),
          context,
        );
      },

      open(socket) {
        const peer = socket.getUserData();
        const auth = messageAuth(peer.session, 'asked');
        peer.auth = auth;
        open.add(socket);
        const outlet: PeerOutlet = {
          backlog: () => (open.has(socket) ? socket.getBufferedAmount() : 0),
          send(message) {
            if (open.has(socket)) socket.send(auth.seal(message), true, true);
          },
          close(reason) {
            if (open.has(socket)) socket.end(1008, reason.slice(0, 100));
          },
        };
        try {
          const client = stream.open(outlet);
          if (open.has(socket)) peer.client = client;
          else client.leave();
        } catch (error) {
          report(`stream ${stream.path}`, error);
          if (open.has(socket)) socket.end(1011, 'internal error');
        }
      },

      message(socket, bytes, isBinary) {
        const { auth, client } = socket.getUserData();
        try {
          // The library takes its memory back after this call.
          const message = isBinary ? (auth?.open(new Uint8Array(bytes.slice(0))) ?? null) : null;
          if (message === null) socket.end(1008, 'not a message of this cluster');
          else client?.receive(message);
        } catch (error) {
          report(`message to stream ${stream.path}`, error);
          if (open.has(socket)) socket.end(1011, 'internal error');
        }
      },

      drain(socket) {
        try {
          socket.getUserData().client?.drained();
        } catch (error) {
          report(`stream ${stream.path}`, error);
        }
      },

      close(socket) {
        open.delete(socket);
        try {
          socket.getUserData().client?.leave();
        } catch (error) {
          report(`end of stream ${stream.path}`, error);
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
