import type { Stream } from '../../http/route.ts';
import { modernWords, olderWords, subprotocols } from './protocol.ts';
import type { World } from './resolve.ts';
import { realTimers, session } from './session.ts';

/** GraphQL over WebSocket: spec cantal 7.3. */
export function graphqlStream(world: World, timers = realTimers): Stream {
  return {
    path: '/graphql',
    summary: 'WebSocket: GraphQL with subscriptions; subprotocols graphql-transport-ws and graphql-ws (the older one)',
    subprotocols,
    open: (_query, _send, socket) =>
      session(world, socket.subprotocol === 'graphql-transport-ws' ? modernWords : olderWords, socket, timers),
  };
}
