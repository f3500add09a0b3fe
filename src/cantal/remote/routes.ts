import { type HttpReply, type HttpRequest, json, problem, type Route } from '../../http/route.ts';
import { type CostLimit, clusterQueryCost, tooMuchAsked } from '../query/cost.ts';
import { byHostToCbor } from '../query/dataset-cbor.ts';
import type { Cantal } from '../shell.ts';
import { peerFoldPath } from './across-hosts.ts';
import { peerQueryPath, RefusedQuery } from './by-host.ts';
import { checkClusterQuery } from './cluster-query.ts';
import type { Remote } from './remote.ts';

/** Spec verwalter 3.4: what is not there after 2 s is not worth waiting for. */
const defaultDeadlineMs = 2_000;
const longestDeadlineMs = 10_000;

/** Queries about the whole cluster. `remote` null: a node of no cluster. */
export function remoteRoutes(
  cantal: Pick<Cantal, 'query' | 'brief'>,
  remote: Remote | null,
  cost: CostLimit,
): readonly Route[] {
  const byHost = ({ body, query, remoteAddress }: HttpRequest, whole: boolean): Promise<HttpReply> =>
    answered(remote, query.get('deadline_ms'), async (there, deadlineMs) => {
      const rules = rulesOf(body);
      if (rules === null) return problem(400, 'the body is {"rules": {ID: rule}}');
      const wait = cost.refusal(remoteAddress);
      if (wait !== null) return tooMuchAsked(wait);
      cost.charge(remoteAddress, clusterQueryCost);
      const { byHost: answers, kept, missing, sources } = await there.queryByHost(rules, deadlineMs);
      const all = { ...kept, ...answers };
      const inCbor = () => byHostToCbor(all);
      if (!whole) return { status: 200, json: all, cbor: inCbor };
      const json = { by_host: all, missing, sources };
      return { status: 200, json, cbor: () => ({ ...json, by_host: inCbor() }) };
    });

  return [
    {
      method: 'POST',
      path: peerQueryPath,
      access: 'cluster',
      summary: '/query for other agents',
      handle: ({ body }) => peerReply(cantal, body),
    },
    {
      method: 'POST',
      path: '/remote/query_by_host',
      access: 'read',
      summary: '{"rules": {ID: rule}} → {HOST_ID: {ID: dataset}} of all hosts that answer within ?deadline_ms=2000',
      handle: (request) => byHost(request, false),
    },
    {
      method: 'POST',
      path: '/v1/query_by_host',
      access: 'read',
      summary:
        'The same as {"by_host": {HOST_ID: {ID: dataset}}, "missing": [HOST_ID], "sources": {HOST_ID: {from, age_ms}}}',
      handle: (request) => byHost(request, true),
    },
    {
      method: 'POST',
      path: '/v1/query_cluster',
      access: 'read',
      summary:
        '{"rules": {ID: rule}, "fold": {step, across, by}, "hosts": condition} → {"values": {ID: dataset}, …}: sums over hosts',
      handle: ({ body, query, remoteAddress }) =>
        answered(remote, query.get('deadline_ms'), async (there, deadlineMs) => {
          const checked = checkClusterQuery(body);
          if (checked.kind === 'bad') return problem(400, `${checked.path}: ${checked.reason}`);
          const wait = cost.refusal(remoteAddress);
          if (wait !== null) return tooMuchAsked(wait);
          cost.charge(remoteAddress, clusterQueryCost);
          return json(await there.queryCluster({ ...checked.value, since: new Map() }, deadlineMs));
        }),
    },
    {
      method: 'POST',
      path: peerFoldPath,
      access: 'cluster',
      summary: 'This host’s part of /v1/query_cluster, for other agents',
      handle({ body }) {
        const checked = checkClusterQuery(body);
        if (checked.kind === 'bad') return problem(400, `${checked.path}: ${checked.reason}`);
        return remote === null ? problem(404, noCluster) : json(remote.part(checked.value));
      },
    },
    {
      method: 'POST',
      path: '/start_remote',
      access: 'admin',
      summary: 'Connects to all agents before the first query; they are let go 3 min after the last one',
      handle() {
        if (remote === null) return problem(404, noCluster);
        remote.start();
        return json({ ok: true });
      },
    },
    {
      method: 'GET',
      path: '/remote_stats',
      access: 'read',
      summary: 'Connections to the other agents, what is subscribed, their newest beacons',
      handle: () => json(remote?.stats() ?? { peers: [] }),
    },
    {
      method: 'GET',
      path: '/remote/mem_info',
      access: 'read',
      summary: 'What the mirrors of other hosts hold; null while there are none',
      handle: () => json(remote?.memInfo() ?? null),
    },
  ];
}

const noCluster = 'this node is in no cluster: ask /query';

async function answered(
  remote: Remote | null,
  deadline: string | null,
  answer: (remote: Remote, deadlineMs: number) => Promise<HttpReply>,
): Promise<HttpReply> {
  const deadlineMs = deadline === null ? defaultDeadlineMs : Number(deadline);
  if (!Number.isInteger(deadlineMs) || deadlineMs < 1 || deadlineMs > longestDeadlineMs) {
    return problem(400, `deadline_ms is a whole number from 1 to ${longestDeadlineMs}`);
  }
  if (remote === null) return problem(404, noCluster);
  try {
    return await answer(remote, deadlineMs);
  } catch (error) {
    if (error instanceof RefusedQuery) return problem(400, error.message);
    throw error;
  }
}

export function rulesOf(body: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof body !== 'object' || body === null || !('rules' in body)) return null;
  const { rules } = body;
  if (typeof rules !== 'object' || rules === null || Array.isArray(rules)) return null;
  return rules as Readonly<Record<string, unknown>>;
}

function peerReply(cantal: Pick<Cantal, 'query' | 'brief'>, body: unknown): HttpReply {
  const rules = rulesOf(body);
  if (rules === null) return problem(400, 'the body is {"rules": {ID: rule}}');
  const answer = cantal.query(rules);
  if (answer.kind === 'refused') return problem(400, `${answer.path}: ${answer.reason}`);
  return json({ values: answer.values, scan_time: cantal.brief().scan_time, current_time: Date.now() });
}
