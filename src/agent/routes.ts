import type { Remote } from '../cantal/remote/remote.ts';
import { json, problem, type Route } from '../http/route.ts';
import type { NodeReport, Overview } from './api.ts';
import { assemblePlots, longestPlotMs, plotRules } from './plots.ts';

export interface AgentRoutesOptions {
  readonly overview: () => Promise<Overview>;
  readonly report: () => Promise<NodeReport>;
  readonly remote: Remote;
  readonly nowMs: () => number;
}

/** Where agents ask each other for their reports. */
export const reportPath = '/v1/peer/node';
/** Hosts that have not answered by then are missing in the sums. */
const plotDeadlineMs = 2_000;

export function agentRoutes({ overview, report, remote, nowMs }: AgentRoutesOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/overview',
      access: 'read',
      summary: 'the cluster: nodes with their containers, who leads, the schedule',
      handle: async () => json(await overview()),
    },
    {
      method: 'GET',
      path: '/v1/plots',
      access: 'read',
      summary: 'request rate and instance counts since ?since=MS (default: an hour)',
      async handle({ query }) {
        const now = nowMs();
        const asked = query.get('since');
        const since = asked === null ? now - longestPlotMs : Number(asked);
        if (!Number.isFinite(since)) return problem(400, 'since is a time in milliseconds since 1970');
        const from = Math.min(Math.max(since, now - longestPlotMs), now);
        const { byHost } = await remote.queryByHost(plotRules(Math.ceil(now - from)), plotDeadlineMs);
        return json(assemblePlots(byHost, from, now));
      },
    },
    {
      method: 'GET',
      path: reportPath,
      access: 'cluster',
      summary: 'this node’s report, for other agents',
      handle: async () => json(await report()),
    },
  ];
}
