import { type HttpReply, type HttpRequest, json, type Route } from '../route.ts';
import type { GraphqlService } from './service.ts';

/** GraphQL over HTTP: {"query", "operationName"?, "variables"?} → {"data", "errors"?}; what cannot be run is a 400. */
export function graphqlRoute(path: string, summary: string, load: () => Promise<GraphqlService>): Route {
  return { method: 'POST', path, access: 'read', summary, handle: (request) => reply(load, request) };
}

async function reply(load: () => Promise<GraphqlService>, { body, remoteAddress }: HttpRequest): Promise<HttpReply> {
  const fatal = (message: string) => json({ errors: [{ message }] }, 400);
  // Half a megabyte of code that most agents never need.
  const [{ askedOf, prepare }, service] = await Promise.all([import('./operation.ts'), load()]);
  const asked = askedOf(body);
  if (typeof asked === 'string') return fatal(asked);
  const turn = service.begin(remoteAddress);
  if ('reply' in turn) return turn.reply;
  try {
    const prepared = prepare(service, asked);
    if (prepared.kind === 'bad') return json({ errors: prepared.errors }, 400);
    if (prepared.type === 'subscription') return fatal('a subscription needs a WebSocket: connect to this same path');
    const result = await prepared.run(turn.context);
    // Variables that do not fit: nothing was run.
    return json(result, result.data === undefined ? 400 : 200);
  } finally {
    turn.end();
  }
}
