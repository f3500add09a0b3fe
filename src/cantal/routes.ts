import { type HttpReply, type HttpRequest, json, problem, type Route } from '../http/route.ts';
import { type ProcessRow, readSockets } from '../native/scanner.ts';
import { type Budget, type CostLimit, clusterQueryCost, costLimit, tooMuchAsked } from './query/cost.ts';
import { byHostToCbor, datasetsToCbor, keyToCbor, valueToCbor } from './query/dataset-cbor.ts';
import { mostSamplesPerQuery } from './query/extract.ts';
import { compileRegex } from './query/regex.ts';
import { peerQueryPath, RefusedQuery, type Remote } from './remote.ts';
import type { Answer, Cantal } from './shell.ts';
import { socketTable } from './sockets.ts';

/** Spec verwalter 3.4: what is not there after 2 s is not worth waiting for. */
const defaultDeadlineMs = 2_000;
const longestDeadlineMs = 10_000;
/** Metrics of one reply of /v1/metrics; the pattern narrows. */
const mostMetrics = 20_000;
/** USER_HZ, see usage.ts. */
const msPerTick = 10;

/** Whose figures these are. */
export interface NodeName {
  /** 32 hex digits. */
  readonly id: string;
  readonly hostname: string;
  readonly name: string;
  readonly cluster: string;
}

/** What can be asked of cantal over HTTP. `remote` null: a node of no cluster, which answers for itself alone. */
export function cantalRoutes(
  cantal: Cantal,
  remote: Remote | null,
  node: NodeName | null = null,
  cost: CostLimit = costLimit(),
): readonly Route[] {
  const members = () => remote?.members() ?? [];

  const byHost = async ({ body, query, remoteAddress }: HttpRequest, whole: boolean): Promise<HttpReply> => {
    const deadline = query.get('deadline_ms');
    const deadlineMs = deadline === null ? defaultDeadlineMs : Number(deadline);
    if (!Number.isInteger(deadlineMs) || deadlineMs < 1 || deadlineMs > longestDeadlineMs) {
      return problem(400, `deadline_ms is a whole number from 1 to ${longestDeadlineMs}`);
    }
    const rules = rulesOf(body);
    if (rules === null) return problem(400, 'the body is {"rules": {ID: rule}}');
    if (remote === null) return problem(404, 'this node is in no cluster: ask /query');
    const wait = cost.refusal(remoteAddress);
    if (wait !== null) return tooMuchAsked(wait);
    try {
      cost.charge(remoteAddress, clusterQueryCost);
      const { byHost, missing } = await remote.queryByHost(rules, deadlineMs);
      return whole
        ? { status: 200, json: { by_host: byHost, missing }, cbor: () => ({ by_host: byHostToCbor(byHost), missing }) }
        : { status: 200, json: byHost, cbor: () => byHostToCbor(byHost) };
    } catch (error) {
      if (error instanceof RefusedQuery) return problem(400, error.message);
      throw error;
    }
  };

  return [
    {
      method: 'GET',
      path: '/status',
      access: 'read',
      summary: 'Version, times, duration of the scan, own use, health of the scanner',
      handle: () => {
        const all = members();
        const stale = all.filter(({ liveness }) => liveness !== 'alive').length;
        const named =
          node === null ? {} : { id: node.id, hostname: node.hostname, name: node.name, cluster_name: node.cluster };
        return json({ ...cantal.status(), ...named, num_peers: all.length, num_stale: stale });
      },
    },
    ...['/health', '/v1/health'].map(
      (path): Route => ({
        method: 'GET',
        path,
        access: 'read',
        summary: '200 while scans happen, 503 when the newest is three periods old',
        handle: () => (cantal.healthy() ? json({ ok: true }) : json({ ok: false, error: 'scans have stopped' }, 503)),
      }),
    ),
    {
      method: 'GET',
      path: '/ready',
      access: 'read',
      summary: '200 once there is something to answer with: a first scan, and scans still happen',
      handle: () => {
        if (cantal.status().scan_time === 0) return json({ ok: false, error: 'no scan has ended yet' }, 503);
        return cantal.healthy() ? json({ ok: true }) : json({ ok: false, error: 'scans have stopped' }, 503);
      },
    },
    {
      method: 'GET',
      path: '/all_processes',
      access: 'read',
      summary: 'The process table of the newest scan',
      handle: () => {
        const { boot_time, scan_time } = cantal.status();
        return json({ boot_time, timestamp: scan_time, all: cantal.processes().map(processJson) });
      },
    },
    {
      method: 'GET',
      path: '/all_sockets',
      access: 'read',
      summary: 'TCP and UDP sockets as they are now: statistics, those who serve and those who ask, by user and port',
      handle: async () => json(socketTable(await readSockets())),
    },
    {
      method: 'GET',
      path: '/all_metrics',
      access: 'read',
      summary: 'All values of the newest scan: [labels, time, [kind, value]]',
      handle: () => {
        const all = cantal.metrics(() => true);
        return {
          status: 200,
          json: { metrics: all.map(({ labels, timestamp, value }) => [labels, timestamp, value]) },
          cbor: () => ({
            metrics: all.map(({ labels, timestamp, value }) => [keyToCbor(labels), timestamp, valueToCbor(value)]),
          }),
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/metrics',
      access: 'read',
      summary: 'Newest values by name; ?pattern=REGEX narrows',
      handle: ({ query }) => metricsReply(cantal, query.get('pattern') ?? ''),
    },
    {
      method: 'GET',
      path: '/all_peers',
      access: 'read',
      summary: 'The other agents that this one knows',
      handle: () =>
        json({
          peers: members().map(({ id, addr, hostname, name, knownSince, lastReportDirect, liveness }) => ({
            id,
            primary_addr: addr,
            name,
            hostname,
            known_since: knownSince,
            last_report_direct: lastReportDirect,
            liveness,
          })),
        }),
    },
    {
      method: 'POST',
      path: '/query',
      access: 'read',
      summary: '{"rules": {ID: rule}} → {"values": {ID: dataset}} of this host',
      handle: ({ body, remoteAddress }) => {
        const wait = cost.refusal(remoteAddress);
        if (wait !== null) return tooMuchAsked(wait);
        const budget = { samples: mostSamplesPerQuery };
        const reply = queryReply(cantal, body, budget);
        cost.charge(remoteAddress, mostSamplesPerQuery - budget.samples);
        return reply;
      },
    },
    {
      method: 'POST',
      path: peerQueryPath,
      access: 'cluster',
      summary: '/query for other agents',
      handle: ({ body }) => queryReply(cantal, body),
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
      summary: 'The same as {"by_host": {HOST_ID: {ID: dataset}}, "missing": [HOST_ID]}',
      handle: (request) => byHost(request, true),
    },
  ];
}

function rulesOf(body: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof body !== 'object' || body === null || !('rules' in body)) return null;
  const { rules } = body;
  if (typeof rules !== 'object' || rules === null || Array.isArray(rules)) return null;
  return rules as Readonly<Record<string, unknown>>;
}

function queryReply(cantal: Cantal, body: unknown, budget: Budget = { samples: mostSamplesPerQuery }): HttpReply {
  const rules = rulesOf(body);
  if (rules === null) return problem(400, 'the body is {"rules": {ID: rule}}');
  const answer: Answer = cantal.query(rules, budget);
  if (answer.kind === 'refused') return problem(400, `${answer.path}: ${answer.reason}`);
  const { values } = answer;
  return { status: 200, json: { values }, cbor: () => ({ values: datasetsToCbor(values) }) };
}

function metricsReply(cantal: Cantal, pattern: string): HttpReply {
  const regex = compileRegex(pattern);
  if (regex.kind === 'bad') return problem(400, `pattern: ${regex.reason}`);
  const all = cantal.metrics(regex.test).map(({ labels, value: [kind, value], timestamp }) => ({
    name: labels.metric ?? labels.state ?? '',
    labels,
    kind,
    value,
    timestamp,
  }));
  return json({ metrics: all.slice(0, mostMetrics), left_out: Math.max(0, all.length - mostMetrics) });
}

/** Names as in spec cantal 4.2; start_time is milliseconds since boot, processor times are ticks. */
function processJson(row: ProcessRow): Readonly<Record<string, unknown>> {
  return {
    pid: row.pid,
    ppid: row.ppid,
    uid: row.uid,
    gid: row.gid,
    name: row.name,
    state: row.state,
    vsize: row.vsize,
    rss: row.rss,
    swap: row.swap,
    num_threads: row.threads,
    start_time: row.startTime * msPerTick,
    start_timestamp: row.startTimestamp,
    user_time: row.userTime,
    system_time: row.systemTime,
    child_user_time: row.childUserTime,
    child_system_time: row.childSystemTime,
    cmdline: row.cmdline,
    read_bytes: row.readBytes,
    write_bytes: row.writeBytes,
    cgroup: row.cgroup,
  };
}
