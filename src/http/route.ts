import type { OpenFile } from './open-file.ts';
import type { Grant } from './token.ts';

/** What a part offers over HTTP: plain data in, plain data out. The server (server.ts) owns sockets, limits and auth. */

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query: URLSearchParams;
  /** Values of `:name` and `*name` segments of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Of a POST, as its content type says (body.ts); undefined where there is none. */
  readonly body: unknown;
  /** The header Accept; empty where there is none. */
  readonly accept: string;
  readonly remoteAddress: string;
  /** Who: "loopback", "anyone", "cluster", "token", or the name of a token. */
  readonly principal: string;
  /** What the token is for; absent: there was none. */
  readonly grant?: Grant;
  /** Headers of the same names; absent: there was none. */
  readonly idempotencyKey?: string;
  readonly deadline?: string;
}

export type HttpReply =
  | {
      readonly status: number;
      readonly json: unknown;
      /** The same for CBOR, where that says it differently: bytes and bigints are welcome. */
      readonly cbor?: () => unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly status: number;
      readonly text: string;
      readonly contentType: string;
      /** A page of our own that brings scripts and styles of this origin. */
      readonly page?: boolean;
    }
  /** The file, or the range of it that the request names; the server closes it. */
  | { readonly status: 200; readonly file: OpenFile; readonly contentType: string }
  | { readonly status: 307 | 308; readonly location: string };

/**
 * `read` is free on loopback; `act` asks something of the scheduler and always needs a token that may; `admin` changes
 * what this agent does, and needs one of an admin; `cluster` is for peers with the key.
 */
export type Access = 'read' | 'act' | 'admin' | 'cluster';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** "/v1/schedule/:hash"; "/v1/log/global/*file" takes the whole rest, and no suffix of a format off it */
  readonly path: string;
  readonly access: Access;
  /** Of `act`: refuses itself what a token for some roles of the scheduler may not; others refuse such tokens whole. */
  readonly byRole?: boolean;
  /** One line for the index at /v1. */
  readonly summary: string;
  /** Takes its parameters from a body of application/x-www-form-urlencoded too: they are in `query` then. */
  readonly form?: boolean;
  /** Of a body that comes with the token; default: the server's 64 KiB, which hold for everybody else in any case. */
  readonly mostBodyBytes?: number;
  handle(request: HttpRequest): HttpReply | Promise<HttpReply>;
}

/**
 * A WebSocket stream of JSON messages. `send` drops to the newest message where the client is slow; a message that is
 * made by a function is made when it is sent, so that it can tell what is new since the one that was sent before.
 */
export interface Stream {
  readonly path: string;
  readonly summary: string;
  /** By preference; a client that offers none of them is refused, one that names none at all is let in. */
  readonly subprotocols?: readonly string[];
  /** Returns what to call when the client goes, or has said something. */
  open(query: URLSearchParams, send: (message: unknown) => void, socket: StreamSocket): (() => void) | StreamClient;
}

export interface StreamClient {
  receive(text: string): void;
  /** All that was sent is on its way. */
  drained?(): void;
  leave(): void;
}

/** For streams with a protocol of their own. */
export interface StreamSocket {
  /** What was agreed on; null: nothing. */
  readonly subprotocol: string | null;
  readonly remoteAddress: string;
  /** Bytes that the client has not taken. */
  backlog(): number;
  /** Sends in any case. A client that then leaves more lying than the server bears is let go. */
  post(text: string): void;
  /** Codes of RFC 6455, 7.4, and of the stream's protocol. */
  close(code: number, reason: string): void;
}

type JsonReply = Extract<HttpReply, { readonly json: unknown }>;
export const json = (value: unknown, status = 200): JsonReply => ({ status, json: value });
export const problem = (status: number, error: string): JsonReply => ({ status, json: { error } });
