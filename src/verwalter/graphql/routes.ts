import { explorerRoutes } from '../../http/graphql/explorer.ts';
import { graphqlRoute } from '../../http/graphql/routes.ts';
import type { GraphqlService } from '../../http/graphql/service.ts';
import { graphqlStream } from '../../http/graphql/stream.ts';
import type { Route, Stream } from '../../http/route.ts';
import type { GraphqlWorld } from './service.ts';

const path = '/v1/graphql';
const example = `subscription {
  status {
    hostname scheduleStatus numErrors
    leader { hostname addr }
    peers { number errorneous { hostname } }
    election { isLeader epoch }
    schedule { timestamp hash }
  }
}`;

/** Spec verwalter 6.3: the same path for requests and, with subscriptions, for WebSockets. */
export const graphqlOf = (world: GraphqlWorld): { readonly routes: readonly Route[]; readonly stream: Stream } => {
  const load = async (): Promise<GraphqlService> => (await import('./service.ts')).serviceOf(world);
  return {
    routes: [
      graphqlRoute(path, 'GraphQL: the status of this node; subscriptions over WebSocket', load),
      ...explorerRoutes({ path: '/v1/graphiql', endpoint: path, query: example }),
    ],
    stream: graphqlStream(path, load),
  };
};
