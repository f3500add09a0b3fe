import type { Stream, StreamClient, StreamSocket } from '../route.ts';
import type { GraphqlService } from './service.ts';

/** Over WebSocket: what answers a client. */
type Open = (socket: StreamSocket) => StreamClient;

/** Of a client that speaks while the library is loaded. A page says two or three things. */
const mostWaiting = 100;

/**
 * GraphQL over WebSocket. The library is half a megabyte of code that most agents never need: the first
 * client loads it.
 */
export function graphqlStream(path: string, service: () => Promise<GraphqlService>): Stream {
  let open: Open | null = null;
  return {
    path,
    summary: 'WebSocket: GraphQL with subscriptions; subprotocols graphql-transport-ws and graphql-ws (the older one)',
    subprotocols: ['graphql-transport-ws', 'graphql-ws'],
    open(_query, _send, socket) {
      if (open !== null) return open(socket);
      const loaded = load(service).then((loadedOpen) => {
        open = loadedOpen;
        return loadedOpen;
      });
      return onceLoaded(loaded, socket);
    },
  };
}

async function load(loadService: () => Promise<GraphqlService>): Promise<Open> {
  const [{ realTimers, session }, { modernWords, olderWords }, service] = await Promise.all([
    import('./session.ts'),
    import('./protocol.ts'),
    loadService(),
  ]);
  return (socket) =>
    session(service, socket.subprotocol === 'graphql-transport-ws' ? modernWords : olderWords, socket, realTimers);
}

/** What the client says before is kept for it, in order. */
function onceLoaded(loaded: Promise<Open>, socket: StreamSocket): StreamClient {
  const said: string[] = [];
  let client: StreamClient | null = null;
  let gone = false;
  loaded.then(
    (open) => {
      if (gone) return;
      client = open(socket);
      for (const text of said.splice(0)) client.receive(text);
    },
    (error: Error) => {
      if (!gone) socket.close(1011, `GraphQL cannot be loaded: ${error.message}`.slice(0, 100));
    },
  );
  return {
    receive(text) {
      if (client !== null) client.receive(text);
      else if (said.length < mostWaiting) said.push(text);
      else socket.close(1008, 'too many messages before the first answer');
    },
    drained: () => client?.drained?.(),
    leave() {
      gone = true;
      client?.leave();
    },
  };
}
