import { graphqlRoute } from '../../http/graphql/routes.ts';
import type { GraphqlService } from '../../http/graphql/service.ts';
import { graphqlStream } from '../../http/graphql/stream.ts';
import type { Route, Stream } from '../../http/route.ts';
import type { GraphqlWorld } from './service.ts';

const path = '/v1/graphql';

/** Spec verwalter 6.3: the same path for requests and, with subscriptions, for WebSockets. */
export const graphqlOf = (world: GraphqlWorld): { readonly route: Route; readonly stream: Stream } => {
  const load = async (): Promise<GraphqlService> => (await import('./service.ts')).serviceOf(world);
  return {
    route: graphqlRoute(path, 'GraphQL: the status of this node; subscriptions over WebSocket', load),
    stream: graphqlStream(path, load),
  };
};
