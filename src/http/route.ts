/** What a part offers over HTTP: plain data in, plain data out. The server (server.ts) owns sockets, limits and auth. */

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query: URLSearchParams;
  /** Values of `:name` segments of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Parsed JSON of a POST with content type application/json; undefined otherwise. */
  readonly body: unknown;
  /** The header Accept; empty where there is none. */
  readonly accept: string;
  readonly remoteAddress: string;
  /** Who: "loopback", "token", "cluster". */
  readonly principal: string;
}

export type HttpReply =
  | { readonly status: number; readonly json: unknown }
  | { readonly status: number; readonly text: string; readonly contentType: string }
  | { readonly status: 307 | 308; readonly location: string };

/** `read` is free on loopback; `act` changes state and always needs the token; `cluster` is for peers with the key. */
export type Access = 'read' | 'act' | 'cluster';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** "/v1/schedule/:hash" */
  readonly path: string;
  readonly access: Access;
  /** One line for the index at /v1. */
  readonly summary: string;
  handle(request: HttpRequest): HttpReply | Promise<HttpReply>;
}

/**
 * A WebSocket stream of JSON messages. `send` drops to the newest message where the client is slow; a message that is
 * made by a function is made when it is sent, so that it can tell what is new since the one that was sent before.
 */
export interface Stream {
  readonly path: string;
  readonly summary: string;
  /** Returns what to call when the client goes, or has said something. */
  open(query: URLSearchParams, send: (message: unknown) => void): (() => void) | StreamClient;
}

export interface StreamClient {
  receive(text: string): void;
  leave(): void;
}

export const json = (value: unknown, status = 200): HttpReply => ({ status, json: value });
export const problem = (status: number, error: string): HttpReply => ({ status, json: { error } });
