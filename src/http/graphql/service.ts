import type { GraphQLSchema } from 'graphql';
import type { HttpReply } from '../route.ts';
import type { Weights } from './limits.ts';

/** What can be asked by GraphQL at one path. */
export interface GraphqlService {
  readonly schema: GraphQLSchema;
  /** The fields of all root types: what is a function is called with its arguments when it is asked for. */
  readonly root: object;
  readonly weights: Weights;
  /** Before a client's operation runs: what the fields get as context and whom to tell of the end, or how long to wait. */
  begin(remoteAddress: string): Turn | { readonly waitSeconds: number; readonly reply: HttpReply };
  /**
   * Tells what happened by a function that knows whether an operation with these fields at its top is about it. Returns the
   * way to unsubscribe.
   */
  onEvent(happened: (touches: (roots: ReadonlySet<string>) => boolean) => void): () => void;
  /** Told of bugs. */
  report(what: string, error: unknown): void;
}

export interface Turn {
  readonly context: object;
  end(): void;
}
