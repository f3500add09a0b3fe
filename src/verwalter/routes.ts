import { type HttpReply, type HttpRequest, json, problem, type Route } from '../http/route.ts';
import { actionRoutes } from './action-routes.ts';
import { isObject } from './canonical.ts';
import { healthRoutes } from './health-routes.ts';
import { queryRoutes } from './query-routes.ts';
import { type StatusContext, type StatusViewer, statusViewer } from './status-view.ts';
import type { Verwalter } from './verwalter.ts';

/** What verwalter shows and takes over HTTP (spec/verwalter.md 6.2, 6.4). */
export const verwalterRoutes = (
  verwalter: Verwalter,
  context: StatusContext,
  viewer: StatusViewer = statusViewer(verwalter, context),
): Route[] => {
  const read = (path: string, summary: string, handle: (request: HttpRequest) => HttpReply): Route => ({
    method: 'GET',
    path,
    access: 'read',
    summary,
    handle,
  });
  return [
    read('/v1/status', 'state of scheduling and rendering on this node', () => json(viewer.view())),
    ...healthRoutes(verwalter, viewer, context),
    read('/v1/schedule', 'last known schedule', () => {
      const schedule = verwalter.schedule();
      return schedule === null ? problem(404, 'this node knows no schedule yet') : json(schedule);
    }),
    read('/v1/schedule/:hash', 'a schedule of the last eight, by its hash', ({ params }) => {
      const schedule = verwalter.scheduleByHash(params.hash ?? '');
      return schedule === null ? problem(404, 'this node does not hold that schedule') : json(schedule);
    }),
    read('/v1/scheduler_input', 'input of the last round (leader only)', () => {
      const input = verwalter.lastInput();
      return input === null ? problem(404, 'this node has not led a round') : json(input);
    }),
    read('/v1/scheduler_debug_info', 'debug log of the last round (leader only)', () => {
      const log = verwalter.lastLog();
      if (log === null) return problem(404, 'this node has not led a round');
      return { status: 200, text: log, contentType: 'text/plain; charset=utf-8' };
    }),
    ...queryRoutes(verwalter),
    read('/v1/render_logs', 'roles that have a render log', () => json(verwalter.renderLogNames())),
    read('/v1/render_log', 'newest lines of the render log of ?role=NAME', ({ query }) => {
      const role = query.get('role');
      if (role === null) return problem(400, 'role: the parameter is missing');
      return {
        status: 200,
        text: `${verwalter.renderLog(role).join('\n')}\n`,
        contentType: 'text/plain; charset=utf-8',
      };
    }),
    read('/v1/pending_actions', 'actions that no round has taken yet', () =>
      json(Object.fromEntries(verwalter.pendingActions().map(({ id, value }) => [String(id), value]))),
    ),
    read(
      '/v1/action_is_pending/:id',
      'whether an action still waits; 404: refused, or lost with a leader',
      ({ params }) => {
        const what = verwalter.actionState(Number(params.id));
        if (what === 'unknown')
          return problem(404, 'this node holds no such action: it was refused or lost with its leader');
        return json({ pending: what === 'pending' });
      },
    ),
    ...actionRoutes(verwalter),
    {
      method: 'POST',
      path: '/v1/guard',
      access: 'admin',
      summary:
        'decide about a schedule that would stop too much: {"decision": "apply" or "discard", "hash"} (leader only)',
      handle({ body }) {
        if (body === undefined) return problem(415, 'a decision is JSON, sent as application/json');
        const { decision, hash } = isObject(body) ? body : {};
        if ((decision !== 'apply' && decision !== 'discard') || typeof hash !== 'string')
          return problem(400, 'a decision is {"decision": "apply" or "discard", "hash": "…"}');
        const refused = verwalter.decideHeld(decision, hash);
        return refused === null ? json('ok') : problem(409, refused);
      },
    },
    {
      method: 'POST',
      path: '/v1/force_render_all',
      access: 'admin',
      summary: 'render all roles of this node again',
      handle() {
        verwalter.forceRender();
        return json('ok');
      },
    },
  ];
};
