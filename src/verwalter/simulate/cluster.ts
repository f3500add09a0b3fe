import { isObject, type Json, type JsonObject } from '../canonical.ts';
import type { Member } from '../ports.ts';
import { rolesOfNode } from '../render/variables.ts';
import type { Schedule } from '../schedule.ts';
import type { MetricModel, Plan, PlanEvent } from './plan.ts';

// A virtual cluster at a moment, as its leader sees it. Pure: all is a function of the plan, the seed and the time.

export interface VirtualNode {
  readonly id: string;
  readonly hostname: string;
}

export interface ClusterView {
  readonly leader: VirtualNode;
  readonly members: readonly Member[];
  /** Hosts that answer the leader, itself included. */
  readonly reached: readonly VirtualNode[];
}

/** Gossip needs some seconds to tell a node dead. */
const noticedAfterMs = 5000;

export const virtualNodes = (count: number): readonly VirtualNode[] =>
  Array.from({ length: count }, (_, index) => ({
    id: (index + 1).toString(16).padStart(32, '0'),
    hostname: `node${String(index + 1).padStart(Math.max(3, String(count).length), '0')}`,
  }));

const during = (event: { readonly at: number; readonly for: number }, atMs: number): boolean =>
  atMs >= event.at && atMs < event.at + event.for;

/** When the node became unreachable for the rest; null: it is reached. Of a partition the smaller part is away. */
const awaySince = (node: VirtualNode, events: readonly PlanEvent[], atMs: number, count: number): number | null => {
  let since: number | null = null;
  for (const { tag, value } of events) {
    if (tag !== 'Crash' && tag !== 'Partition') continue;
    if (!during(value, atMs)) continue;
    const named = tag === 'Crash' ? value.node === node.hostname : value.nodes.includes(node.hostname);
    const away = tag === 'Crash' ? named : named !== value.nodes.length > count / 2;
    if (away) since = Math.max(since ?? 0, value.at);
  }
  return since;
};

/** Null: no node is left to lead. `lastLeader` leads on as long as it is reached. */
export const viewAt = (
  plan: Plan,
  nodes: readonly VirtualNode[],
  atMs: number,
  lastLeader: string | null,
  schedule: Schedule | null,
): ClusterView | null => {
  const away = new Map(nodes.map((node) => [node, awaySince(node, plan.events, atMs, nodes.length)]));
  const there = nodes.filter((node) => away.get(node) === null);
  const leader = there.find(({ hostname }) => hostname === lastLeader) ?? there[0];
  if (leader === undefined) return null;
  const now = plan.start + atMs;
  const members = nodes
    .filter((node) => node !== leader)
    .map((node, index): Member => {
      const since = away.get(node) ?? null;
      const known = schedule === null ? null : { ...stampOf(schedule) };
      return {
        id: node.id,
        addr: `${node.hostname}:8379`,
        hostname: node.hostname,
        name: `${node.hostname}.example.org`,
        knownSince: plan.start - 3_600_000,
        // Each is heard at a moment of its own.
        lastReportDirect: since === null ? now - 100 - ((index * 37 + atMs) % 400) : plan.start + since,
        liveness: since === null ? 'alive' : atMs - since < noticedAfterMs ? 'suspect' : 'dead',
        schedule: known,
        errors: 0,
      };
    });
  return { leader, members, reached: there };
};

const stampOf = ({ timestamp, hash, origin }: Schedule) => ({ timestamp, hash, origin });

export interface MetricsView {
  readonly plan: Plan;
  readonly seed: number;
  readonly atMs: number;
  readonly reached: readonly VirtualNode[];
  /** What runs: the schedules of the last minute, the newest first, with the time since when. */
  readonly history: readonly { readonly sinceMs: number; readonly data: JsonObject }[];
}

/** Datasets of the rules that the schedule asks for and the plan knows, by node. */
export const metricsAt = (view: MetricsView): JsonObject => {
  const newest = view.history[0];
  const known = (newest === undefined ? [] : rulesOf(newest.data)).flatMap((rule) => {
    const model = view.plan.metrics.get(rule);
    return model === undefined ? [] : [{ rule, model }];
  });
  if (known.length === 0) return {};
  return Object.fromEntries(
    view.reached.map((node): [string, Json] => [
      node.id,
      Object.fromEntries(known.map(({ rule, model }) => [rule, datasetOf(view, node, rule, model)])),
    ]),
  );
};

/** Ids of the metrics that a schedule asks for. */
export const rulesOf = ({ query_metrics: query }: JsonObject): readonly string[] =>
  isObject(query) && isObject(query.rules) ? Object.keys(query.rules) : [];

/** Samples every 2 s, as cantal scans. */
const points = 6;
const scanMs = 2000;

const datasetOf = (view: MetricsView, node: VirtualNode, rule: string, model: MetricModel): Json => {
  const { plan, atMs, seed, reached } = view;
  const forced = (at: number): number | null => {
    const event = plan.events.findLast(
      ({ tag, value }) => tag === 'Metric' && value.node === node.hostname && value.rule === rule && during(value, at),
    );
    return event?.tag === 'Metric' ? event.value.value : null;
  };
  if (model.tag === 'Instances')
    return containers(model.value.daemon, forced(atMs) ?? running(view, node, model.value));
  const times = Array.from({ length: points }, (_, index) => atMs - index * scanMs);
  const noise = (at: number): number => 1 + model.value.noise * (2 * noiseOf(`${seed} ${node.id} ${rule} ${at}`) - 1);
  const plain = (at: number): number =>
    model.tag === 'Constant' ? model.value.value : loadAt(plan, model.value, at) / reached.length;
  const values = times.map((at) => forced(at) ?? round(plain(at) * noise(at)));
  return ['SingleSeries', {}, ['Float', values], times.map((at) => plan.start + at)];
};

const round = (value: number): number => Math.round(value * 1000) / 1000;

/** Lowest twelve hours from the peak. */
const loadAt = (plan: Plan, load: { base: number; peak: number; peakAt: number }, atMs: number): number => {
  const dayMs = 86_400_000;
  const phase = (2 * Math.PI * ((plan.start + atMs - load.peakAt) % dayMs)) / dayMs;
  const curve = load.base + ((load.peak - load.base) * (1 + Math.cos(phase))) / 2;
  return plan.events.reduce(
    (value, { tag, value: event }) => (tag === 'Load' && during(event, atMs) ? value * event.factor : value),
    curve,
  );
};

const running = (
  { history, atMs }: MetricsView,
  node: VirtualNode,
  { role, daemon, delay }: { role: string; daemon: string; delay: number },
): number => {
  const old = history.find(({ sinceMs }) => atMs - sinceMs >= delay) ?? history.at(-1);
  const daemons = old === undefined ? undefined : rolesOfNode(old.data, node.hostname).get(role)?.daemons;
  const own = isObject(daemons) ? daemons[daemon] : undefined;
  const count = isObject(own) ? own.instances : undefined;
  return typeof count === 'number' ? count : 0;
};

/** What cantal counts by container. */
const containers = (daemon: string, count: number): Json => {
  const series = Array.from({ length: Math.round(count) }, (_, index): Json[] => [
    { cgroup: `${daemon}.${index}` },
    ['Integer', 1],
    [0, 0],
  ]);
  const [first] = series;
  if (first === undefined) return ['Empty'];
  return series.length === 1 ? ['SingleTip', ...first] : ['MultiTip', series];
};

/** In [0, 1), the same for the same text everywhere (FNV-1a and a final mix). */
const noiseOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
};
