import type { ExecutionResult, GraphQLError } from 'graphql';
import { type Asked, askedOf } from './operation.ts';

/** What a client says, in either of the protocols. */
export type Said =
  | { readonly kind: 'init' }
  | { readonly kind: 'start'; readonly id: string; readonly asked: Asked }
  /** An operation that cannot be read: its id is known. */
  | { readonly kind: 'unreadable'; readonly id: string; readonly reason: string }
  | { readonly kind: 'stop'; readonly id: string }
  | { readonly kind: 'ping'; readonly payload: unknown }
  | { readonly kind: 'pong' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'bad'; readonly reason: string };

/** What is said to it. */
export interface Words {
  /** Whether an operation may come before `init`. */
  readonly greetingNeeded: boolean;
  /** Before each operation's own errors: `error` ends it. */
  ack(): readonly string[];
  data(id: string, result: ExecutionResult): string;
  /** The operation could not be started. */
  failed(id: string, errors: readonly GraphQLError[]): string;
  complete(id: string): string;
  /** Null: the protocol has none. */
  keepAlive(): string | null;
  pong(payload: unknown): string;
  /** What is no message of the protocol: a word back, or the code to close with. */
  misunderstood(reason: string): { readonly text: string } | { readonly code: number };
}

const said = (message: Readonly<Record<string, unknown>>): string => JSON.stringify(message);

/** Of subscriptions-transport-ws, its PROTOCOL.md; called `graphql-ws` on the wire. */
export const olderWords: Words = {
  greetingNeeded: false,
  ack: () => [said({ type: 'connection_ack' }), said({ type: 'ka' })],
  data: (id, payload) => said({ type: 'data', id, payload }),
  failed: (id, [first]) => said({ type: 'error', id, payload: { message: first?.message ?? 'not readable' } }),
  complete: (id) => said({ type: 'complete', id }),
  keepAlive: () => said({ type: 'ka' }),
  pong: () => said({ type: 'ka' }),
  misunderstood: (reason) => ({ text: said({ type: 'connection_error', payload: { message: reason } }) }),
};

/** Of graphql-ws, its PROTOCOL.md; called `graphql-transport-ws` on the wire. */
export const modernWords: Words = {
  greetingNeeded: true,
  ack: () => [said({ type: 'connection_ack' })],
  data: (id, payload) => said({ type: 'next', id, payload }),
  failed: (id, payload) => said({ type: 'error', id, payload }),
  complete: (id) => said({ type: 'complete', id }),
  keepAlive: () => null,
  pong: (payload) => said(payload === undefined ? { type: 'pong' } : { type: 'pong', payload }),
  misunderstood: () => ({ code: 4400 }),
};

/** Any text becomes something that was said. */
export function hear(text: string, words: Words): Said {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (error) {
    return { kind: 'bad', reason: `not JSON: ${(error as Error).message}` };
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    return { kind: 'bad', reason: 'a message is {"type": NAME, …}' };
  }
  const { type, id, payload } = message as Readonly<Record<string, unknown>>;
  switch (words === modernWords ? type : olderNames.get(type)) {
    case 'connection_init':
      return { kind: 'init' };
    case 'subscribe': {
      if (typeof id !== 'string' || id === '') return { kind: 'bad', reason: 'an operation has an id' };
      const asked = askedOf(payload);
      return typeof asked === 'string' ? { kind: 'unreadable', id, reason: asked } : { kind: 'start', id, asked };
    }
    case 'complete':
      return typeof id === 'string' ? { kind: 'stop', id } : { kind: 'bad', reason: 'an operation has an id' };
    case 'ping':
      return { kind: 'ping', payload };
    case 'pong':
      return { kind: 'pong' };
    case 'connection_terminate':
      return words === modernWords ? { kind: 'bad', reason: 'no such message' } : { kind: 'terminate' };
    default:
      return { kind: 'bad', reason: `no message of the type ${JSON.stringify(type) ?? 'nothing'}` };
  }
}

/** The older names of the same things. */
const olderNames: ReadonlyMap<unknown, string> = new Map([
  ['connection_init', 'connection_init'],
  ['start', 'subscribe'],
  ['stop', 'complete'],
  ['connection_terminate', 'connection_terminate'],
]);
