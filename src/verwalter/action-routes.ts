import { actionHeader } from '../http/answer.ts';
import { type HttpReply, type HttpRequest, problem, type Route } from '../http/route.ts';
import { defaultDeadlineMs, longestDeadlineMs } from './action-desk.ts';
import { isObject, type Json } from './canonical.ts';
import type { Verwalter } from './verwalter.ts';

const keyPattern = /^[\x21-\x7e]{1,255}$/;

/** What can be asked of the scheduler (spec/verwalter.md 6.4). */
export const actionRoutes = (verwalter: Pick<Verwalter, 'act'>): readonly Route[] => {
  const action = (path: string, summary: string, wait: boolean): Route => ({
    method: 'POST',
    path,
    access: 'act',
    byRole: true,
    summary,
    async handle(request) {
      const { body, principal, remoteAddress: address, idempotencyKey = null } = request;
      if (body === undefined) return problem(415, 'an action is JSON, sent as application/json');
      const refused = roleProblem(request);
      if (refused !== null) return problem(403, refused);
      const deadlineMs = deadlineOf(request);
      if (typeof deadlineMs === 'string') return problem(400, deadlineMs);
      if (idempotencyKey !== null && !keyPattern.test(idempotencyKey)) {
        return problem(400, 'Idempotency-Key: 1 to 255 visible ASCII characters');
      }
      const sender = { principal, address };
      const reply = await verwalter.act({ value: body as Json, wait, deadlineMs, sender, idempotencyKey });
      if ('leader' in reply) return { status: 307, location: `http://${reply.leader}${path}` };
      return replyOf(reply.status, reply.value, reply.id);
    },
  });
  const more = '?deadline=SECONDS, header Idempotency-Key';
  return [
    action('/v1/action', `queue an action for the scheduler; answers with its id; ${more}`, false),
    action('/v1/wait_action', `queue an action and wait for the scheduler’s answer; ${more}`, true),
  ];
};

const replyOf = (status: number, value: unknown, id: number | undefined): HttpReply => ({
  status,
  json: value,
  ...(id === undefined ? {} : { headers: { [actionHeader]: String(id) } }),
});

/** ms; how it is wrong. */
export const deadlineOf = ({ query, deadline }: Pick<HttpRequest, 'query' | 'deadline'>): number | string => {
  const text = query.get('deadline') ?? deadline;
  if (text === undefined) return defaultDeadlineMs;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Number.NaN;
  if (ms > 0 && ms <= longestDeadlineMs) return Math.ceil(ms);
  return `deadline: seconds, more than 0 and at most ${longestDeadlineMs / 1000}, not "${text}"`;
};

/** A token for some roles may send the buttons of these roles and nothing beside them. */
const roleProblem = ({ grant, body }: HttpRequest): string | null => {
  const allowed = grant?.schedulerRoles ?? null;
  if (allowed === null) return null;
  const may = `this token may act on ${allowed.join(', ')} only`;
  if (!isObject(body) || !isObject(body.button) || Object.keys(body).length !== 1) {
    return `${may}: {"button": {"role": …}} and nothing else`;
  }
  const { role } = body.button;
  return typeof role === 'string' && allowed.includes(role) ? null : may;
};
