import { type HttpReply, type HttpRequest, json, type Route } from '../../http/route.ts';
import { tooMuchAsked } from '../query/cost.ts';
import { mostSamplesPerQuery } from '../query/extract.ts';
import { explorerRoutes } from './explorer.ts';
import type { World } from './resolve.ts';

/** GraphQL over HTTP: spec cantal 7.3. */
export function graphqlRoutes(world: World): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/graphql',
      access: 'read',
      summary: 'GraphQL: {"query", "operationName"?, "variables"?} → {"data", "errors"?}; subscriptions over WebSocket',
      handle: (request) => reply(world, request),
    },
    ...explorerRoutes(),
  ];
}

async function reply(world: World, { body, remoteAddress }: HttpRequest): Promise<HttpReply> {
  const fatal = (message: string) => json({ errors: [{ message }] }, 400);
  // Half a megabyte of code that most agents never need.
  const { askedOf, prepare } = await import('./operation.ts');
  const asked = askedOf(body);
  if (typeof asked === 'string') return fatal(asked);
  const wait = world.cost.refusal(remoteAddress);
  if (wait !== null) return tooMuchAsked(wait);
  const prepared = prepare(world, asked);
  if (prepared.kind === 'bad') return json({ errors: prepared.errors }, 400);
  if (prepared.type === 'subscription') return fatal('a subscription needs a WebSocket: connect to this same path');
  const budget = { samples: mostSamplesPerQuery };
  const result = await prepared.run(budget);
  world.cost.charge(remoteAddress, mostSamplesPerQuery - budget.samples);
  // Variables that do not fit: nothing was run.
  return json(result, result.data === undefined ? 400 : 200);
}
