import { type HttpReply, json, problem, type Route } from '../http/route.ts';
import type { Json } from './canonical.ts';
import type { Verwalter } from './verwalter.ts';

/** What scheduler/v1/query.lua answers (spec/verwalter.md 3.8). */
export const queryRoutes = (verwalter: Pick<Verwalter, 'rolesData' | 'query'>): readonly Route[] => {
  const tried = (asked: Promise<HttpReply>): Promise<HttpReply> =>
    asked.catch((error: Error) => problem(500, error.message));
  return [
    {
      method: 'GET',
      path: '/v1/roles_data',
      access: 'read',
      summary: 'roles of this node with their variables',
      handle: () => tried(verwalter.rolesData().then((data) => json(data))),
    },
    {
      method: 'POST',
      path: '/v1/query/*path',
      access: 'read',
      summary: 'ask query.lua: its function query is called with {path, body}',
      handle: ({ params, body }) =>
        tried(
          verwalter
            .query(`/${params.path}`, (body ?? null) as Json)
            .then((answer) =>
              answer === null ? problem(404, 'scheduler/v1/query.lua has no function query') : json(answer.value),
            ),
        ),
    },
  ];
};
