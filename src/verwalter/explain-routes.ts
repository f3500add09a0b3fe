import { json, problem, type Route } from '../http/route.ts';
import type { JsonObject } from './canonical.ts';
import { explainRole, rolesOf } from './explain.ts';
import type { Schedule } from './schedule.ts';

export interface ExplainRoutesOptions {
  readonly schedule: () => Schedule | null;
  readonly lastInput: () => JsonObject | null;
  readonly hosts: () => readonly string[];
}

export const explainRoutes = ({ schedule, lastInput, hosts }: ExplainRoutesOptions): Route[] => [
  {
    method: 'GET',
    path: '/v1/explain/:role',
    access: 'read',
    summary: 'why a role is on which node and not on others, with what the scheduler looked at (metrics: leader only)',
    handle({ params }) {
      const { role = '' } = params;
      const known = schedule();
      if (known === null) return problem(404, 'this node knows no schedule yet');
      const explained = explainRole(role, { schedule: known, input: lastInput(), hosts: hosts() });
      if (explained !== null) return json(explained);
      const roles = rolesOf(known.data);
      const others = roles.length === 0 ? 'it has none' : `it has ${listed(roles)}`;
      return problem(404, `the schedule has no role "${role}"; ${others}`);
    },
  },
];

const mostListed = 20;

const listed = (names: readonly string[]): string =>
  names.length > mostListed
    ? `${names.slice(0, mostListed).join(', ')} and ${names.length - mostListed} more`
    : names.join(', ');
