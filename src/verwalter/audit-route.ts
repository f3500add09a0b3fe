import { json, problem, type Route } from '../http/route.ts';
import type { AuditLog } from './log/audit-log.ts';

const defaultLimit = 200;
const mostLimit = 10_000;

/** Who changed what: for admins, and for whoever sits at the machine. */
export const auditRoute = (audit: Pick<AuditLog, 'read' | 'problem'>): Route => ({
  method: 'GET',
  path: '/v1/audit',
  access: 'read',
  summary: 'who changed what on this node: ?from=MS&limit=N; from elsewhere with a token of an admin',
  handle({ query, grant, principal }) {
    const mayRead = grant === undefined ? principal === 'loopback' : grant.role === 'admin';
    if (!mayRead) return problem(403, 'the audit log is for admins, and for who asks on the machine itself');
    const from = Number(query.get('from') ?? 0);
    const limit = Number(query.get('limit') ?? defaultLimit);
    if (!Number.isFinite(from)) return problem(400, 'from: a time in milliseconds since 1970');
    if (!Number.isInteger(limit) || limit < 1 || limit > mostLimit) {
      return problem(400, `limit: a whole number from 1 to ${mostLimit}`);
    }
    return json({ entries: audit.read(from, limit), problem: audit.problem() });
  },
});
