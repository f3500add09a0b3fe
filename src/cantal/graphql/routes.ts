import { explorerRoutes } from '../../http/graphql/explorer.ts';
import { graphqlRoute } from '../../http/graphql/routes.ts';
import type { GraphqlService } from '../../http/graphql/service.ts';
import { graphqlStream as stream } from '../../http/graphql/stream.ts';
import type { Route, Stream } from '../../http/route.ts';
import type { World } from './resolve.ts';

const path = '/graphql';
const example = `{
  status { hostname name processes fineValues numPeers }
  metrics(condition: ["Eq", "metric", "load_avg_1min"], extract: ["HistoryByNum", 5]) {
    series { key values timestamps }
  }
}`;

const loaded = (world: World) => async (): Promise<GraphqlService> => (await import('./service.ts')).serviceOf(world);

/** GraphQL over HTTP: spec cantal 7.3. */
export function graphqlRoutes(world: World): readonly Route[] {
  const summary =
    'GraphQL: {"query", "operationName"?, "variables"?} → {"data", "errors"?}; subscriptions over WebSocket';
  return [
    graphqlRoute(path, summary, loaded(world)),
    ...explorerRoutes({ path: '/graphiql', endpoint: path, query: example }),
  ];
}

/** GraphQL over WebSocket: spec cantal 7.3. */
export const graphqlStream = (world: World): Stream => stream(path, loaded(world));
