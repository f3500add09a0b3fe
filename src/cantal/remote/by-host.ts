import type { Dataset } from '../query/dataset.ts';
import { isDataset } from '../query/dataset.ts';
import { evaluate } from '../query/evaluate.ts';
import { checkRules, type Rule } from '../query/rule.ts';
import type { Cantal } from '../shell.ts';
import { filtersOf, type WantedFilter } from './filter.ts';
import type { Mirror } from './mirror.ts';
import { type PeerPost, pull } from './pull.ts';
import type { PeerLink } from './state.ts';
import type { Streams } from './streams.ts';

/** What a cluster-wide query needs to know of the cluster; the agent brings it. */
export interface ClusterView {
  readonly self: { readonly id: string };
  /** Others only. */
  members(): readonly ClusterMember[];
}

export interface ClusterMember {
  /** 32 hex digits. */
  readonly id: string;
  /** "ip:port" of its agent. */
  readonly addr: string;
  readonly hostname: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly knownSince: number;
  readonly lastReportDirect: number | null;
  readonly liveness: 'alive' | 'suspect' | 'dead';
  /** It holds connections to the others for queries. */
  readonly hasRemote?: boolean;
}

type Values = Readonly<Record<string, Dataset>>;

/** Where a host's answer is from. */
export interface Source {
  /** This host, a stream that stands, the host itself just now, or what is left of a stream that broke. */
  readonly from: 'own' | 'stream' | 'asked' | 'mirror';
  /** Of the newest scan in it; null: the host did not say. */
  readonly age_ms: number | null;
}

export interface ByHost {
  /** Host id → rule id → dataset; this host is among them. */
  readonly byHost: Readonly<Record<string, Values>>;
  /** Ids of hosts that are not dead and did not answer in time. */
  readonly missing: readonly string[];
  /** What was known of hosts that do not answer now: null where time went by since. */
  readonly kept: Readonly<Record<string, Values>>;
  /** For each host in `byHost` and `kept`. */
  readonly sources: Readonly<Record<string, Source>>;
}

export interface ByHostOptions {
  readonly cantal: Pick<Cantal, 'query' | 'brief'>;
  readonly cluster: ClusterView;
  readonly http: PeerPost;
  /** Null: every query asks every host. */
  readonly streams: Streams | null;
  /** This node's scan period. */
  readonly intervalMs: number;
}

/** The rules are wrong, or ask for too much. */
export class RefusedQuery extends Error {
  readonly path: string;

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'RefusedQuery';
    this.path = path;
  }
}

/** Where peers ask each other. */
export const peerQueryPath = '/v1/peer/query';
/** A stream whose newest message is older, in scan periods, is asked instead. */
const freshPeriods = 3;
const leastFreshMs = 2_000;

/** Rejects with RefusedQuery where the rules cannot be answered at all; a host that fails is only missing. */
export async function queryByHost(
  { cantal, cluster, http, streams, intervalMs }: ByHostOptions,
  rules: Readonly<Record<string, unknown>>,
  deadlineMs: number,
): Promise<ByHost> {
  const own = cantal.query(rules);
  if (own.kind === 'refused') throw new RefusedQuery(own.path, own.reason);
  const checked = checkRules(rules);
  if (checked.kind === 'bad') throw new RefusedQuery(checked.path, checked.reason);
  const filters = streams === null ? null : filtersOf(rules, checked.value, intervalMs);
  if (filters !== null && filters.size > 0) streams?.ask(distinct(filters));

  const byHost = new Map<string, Values>([[cluster.self.id, own.values]]);
  const sources = new Map<string, Source>([
    [cluster.self.id, { from: 'own', age_ms: Math.max(0, Date.now() - cantal.brief().scan_time) }],
  ]);
  const members = cluster.members();
  const asked: ClusterMember[] = [];
  for (const member of members) {
    if (member.liveness === 'dead') continue;
    const answer = filters === null || streams === null ? null : fromStream(streams, member.id, checked.value, filters);
    if (answer === null) asked.push(member);
    else {
      byHost.set(member.id, answer.values);
      sources.set(member.id, answer.source);
    }
  }
  const read = (reply: unknown) => answerOf(reply, rules);
  const answers = await pull(asked, { http, path: peerQueryPath, body: { rules }, deadlineMs, read });
  for (const [id, { values, ageMs }] of answers) {
    byHost.set(id, values);
    sources.set(id, { from: 'asked', age_ms: ageMs });
  }
  const kept = new Map<string, Values>();
  for (const { id } of filters === null ? [] : members) {
    if (byHost.has(id)) continue;
    const answer = streams === null || filters === null ? null : fromMirror(streams, id, checked.value, filters);
    if (answer === null) continue;
    kept.set(id, answer.values);
    sources.set(id, answer.source);
  }
  return {
    byHost: Object.fromEntries(byHost),
    missing: asked.map(({ id }) => id).filter((id) => !byHost.has(id)),
    kept: Object.fromEntries(kept),
    sources: Object.fromEntries(sources),
  };
}

function distinct(filters: ReadonlyMap<string, WantedFilter>): readonly WantedFilter[] {
  const byId = new Map<string, WantedFilter>();
  for (const filter of filters.values()) {
    const known = byId.get(filter.id);
    if (known === undefined || known.samples < filter.samples) byId.set(filter.id, filter);
  }
  return [...byId.values()];
}

interface Answered {
  readonly values: Values;
  readonly source: Source;
}

type Filters = ReadonlyMap<string, WantedFilter>;
type Rules = ReadonlyMap<string, Rule>;

/** Null where the stream is not there, not fresh, or does not reach far enough back for all of the rules. */
function fromStream(streams: Streams, id: string, rules: Rules, filters: Filters): Answered | null {
  const peer = streams.state().peers.get(id);
  if (peer === undefined || peer.link.kind !== 'open' || peer.beacon === null || peer.beaconWallMs === null)
    return null;
  const { beacon, beaconWallMs } = peer;
  if (Date.now() - beaconWallMs > Math.max(leastFreshMs, freshPeriods * beacon.interval)) return null;
  const mirrorOf = (filter: string, rule: Rule): Mirror | null => {
    const mirror = streams.live(peer, filter);
    if (mirror === null || !mirror.covers(rule)) return null;
    // The beacon comes before the stats of its scan: one scan behind is on its way.
    const newest = mirror.newest();
    const late = newest !== null && beacon.scan_time - newest > freshPeriods * beacon.interval;
    return late ? null : mirror;
  };
  const values = valuesOf(rules, filters, mirrorOf, (mirror) => mirror.source(beacon.scan_time, null));
  return values === null ? null : { values, source: { from: 'stream', age_ms: ageOf(peer) } };
}

/** With nulls up to now, on the peer's clock as far as it is known. */
function fromMirror(streams: Streams, id: string, rules: Rules, filters: Filters): Answered | null {
  const peer = streams.state().peers.get(id);
  if (peer?.beacon === undefined || peer.beacon === null || peer.beaconWallMs === null) return null;
  const { beacon } = peer;
  const nowMs = beacon.current_time + (Date.now() - peer.beaconWallMs);
  const until = { nowMs, intervalMs: Math.max(1, beacon.interval) };
  const values = valuesOf(
    rules,
    filters,
    (filter) => streams.kept(id, filter),
    (mirror) => mirror.source(beacon.scan_time, until),
  );
  return values === null ? null : { values, source: { from: 'mirror', age_ms: ageOf(peer) } };
}

function valuesOf(
  rules: Rules,
  filters: Filters,
  mirrorOf: (filter: string, rule: Rule) => Mirror | null,
  sourceOf: (mirror: Mirror) => ReturnType<Mirror['source']>,
): Values | null {
  const values: [string, Dataset][] = [];
  for (const [id, rule] of rules) {
    const filter = filters.get(id);
    const mirror = filter === undefined ? null : mirrorOf(filter.id, rule);
    if (mirror === null) return null;
    const evaluated = evaluate(new Map([[id, rule]]), sourceOf(mirror));
    const dataset = evaluated.kind === 'values' ? evaluated.values[id] : undefined;
    if (dataset === undefined) return null;
    values.push([id, dataset]);
  }
  return Object.fromEntries(values);
}

/** Of the peer's newest scan: how old it was when told, and how long that is ago. */
function ageOf({ beacon, beaconWallMs }: PeerLink): number | null {
  if (beacon === null || beaconWallMs === null) return null;
  return Math.max(0, Math.round(Date.now() - beaconWallMs + beacon.current_time - beacon.scan_time));
}

/** A peer's answer, as far as it answers what was asked; null where it is none. */
function answerOf(
  reply: unknown,
  rules: Readonly<Record<string, unknown>>,
): { readonly values: Values; readonly ageMs: number | null } | null {
  if (typeof reply !== 'object' || reply === null || !('values' in reply)) return null;
  const { values } = reply;
  if (typeof values !== 'object' || values === null) return null;
  const entries = Object.entries(values);
  const fits = entries.every(([id, dataset]) => Object.hasOwn(rules, id) && isDataset(dataset));
  if (!fits || entries.length !== Object.keys(rules).length) return null;
  return { values: Object.fromEntries(entries) as Values, ageMs: ageIn(reply) };
}

/** Null where a peer of an older version does not say. */
function ageIn(reply: object): number | null {
  const { scan_time: scan, current_time: current } = reply as Readonly<Record<string, unknown>>;
  return typeof scan === 'number' && typeof current === 'number' ? Math.max(0, Math.round(current - scan)) : null;
}
