import type { Cantal } from '../shell.ts';
import { type ClusterMember, type ClusterView, RefusedQuery } from './by-host.ts';
import { answerPart, type ClusterAnswer, type ClusterQuery, continued, readParts, windowOf } from './cluster-query.ts';
import { type Folded, foldParts, type Part } from './fold.ts';
import { type PeerPost, pull } from './pull.ts';
import { type HostFacts, selects } from './select.ts';
import type { Streams } from './streams.ts';

export interface AcrossHostsOptions {
  readonly cantal: Pick<Cantal, 'moment'>;
  readonly cluster: ClusterView;
  readonly http: PeerPost;
  /** Beacons bring labels. */
  readonly streams: Streams | null;
  readonly self: HostFacts;
}

/** Where peers ask each other for their parts. */
export const peerFoldPath = '/v1/peer/fold';
/** Labels change with a restart only; a host that got others is asked again after so long. */
const labelsKeptMs = 60_000;
/** Queries of open pages: the closed buckets of each are kept for as long as it is asked. */
const mostKeptQueries = 16;
const partsKeptMs = 180_000;

type Labels = HostFacts['labels'];
type PeerReply =
  | {
      readonly kind: 'parts';
      readonly parts: ReadonlyMap<string, Part>;
      readonly ageMs: number | null;
      readonly labels: Labels;
    }
  | { readonly kind: 'left-out'; readonly labels: Labels }
  | { readonly kind: 'refused'; readonly reason: string; readonly labels: Labels };

interface KeptQuery {
  usedMs: number;
  /** Host → rule → part. */
  readonly hosts: Map<string, ReadonlyMap<string, Part>>;
}

/**
 * Pushes the part of each host down to it, and folds the parts. A query that comes again is told only the buckets that
 * may have changed. Hosts whose labels are known not to be meant are not asked.
 */
export function acrossHosts({ cantal, cluster, http, streams, self }: AcrossHostsOptions) {
  const labels = new Map<string, { readonly labels: Labels; readonly atMs: number }>();
  const kept = new Map<string, KeptQuery>();

  const labelsOf = (id: string): Labels | null => {
    const known = labels.get(id);
    if (known !== undefined && performance.now() - known.atMs < labelsKeptMs) return known.labels;
    const peer = streams?.state().peers.get(id);
    return peer?.link.kind === 'open' ? (peer.beacon?.labels ?? null) : null;
  };
  const mayBeMeant = (query: ClusterQuery, { id, hostname, name }: ClusterMember): boolean => {
    const known = labelsOf(id);
    return known === null || selects(query.selector, { id, hostname, name, labels: known });
  };
  const keptOf = (query: ClusterQuery): KeptQuery => {
    const now = performance.now();
    for (const [key, { usedMs }] of kept) if (now - usedMs > partsKeptMs) kept.delete(key);
    const key = JSON.stringify([query.raw.rules, query.raw.fold]);
    const found = kept.get(key) ?? { usedMs: now, hosts: new Map() };
    found.usedMs = now;
    // Again at the end: the first is the one that was not used for longest.
    kept.delete(key);
    kept.set(key, found);
    const [oldest] = kept.keys();
    if (kept.size > mostKeptQueries && oldest !== undefined) kept.delete(oldest);
    return found;
  };

  return async (query: ClusterQuery, deadlineMs: number): Promise<ClusterAnswer> => {
    const moment = cantal.moment();
    const own = answerPart(query, self, moment);
    if (own.kind === 'refused') throw new RefusedQuery(own.path, own.reason);
    const alive = cluster.members().filter(({ liveness }) => liveness !== 'dead');
    const asked = alive.filter((member) => mayBeMeant(query, member));
    const known = keptOf(query);

    // Hosts of which the same is known are asked the same.
    const bodies = new Map<
      string,
      { readonly since: Readonly<Record<string, number>>; readonly hosts: ClusterMember[] }
    >();
    for (const member of asked) {
      const since = sinceOf(query, known.hosts.get(member.id));
      const key = JSON.stringify(since);
      const same = bodies.get(key) ?? { since, hosts: [] };
      same.hosts.push(member);
      bodies.set(key, same);
    }
    const replies = new Map<string, PeerReply>();
    const rounds = [...bodies.values()].map(async ({ since, hosts }) => {
      const body = { ...query.raw, since };
      const read = (reply: unknown) => replyOf(reply, query);
      const answers = await pull(hosts, { http, path: peerFoldPath, body, deadlineMs, read });
      for (const [id, reply] of answers) {
        labels.set(id, { labels: reply.labels, atMs: performance.now() });
        if (reply.kind !== 'parts') {
          replies.set(id, reply);
          continue;
        }
        const parts = new Map(
          [...reply.parts].map(([rule, part]): [string, Part] => {
            const before = known.hosts.get(id)?.get(rule);
            const checked = query.rules.get(rule);
            const window = checked === undefined ? null : windowOf(checked, query.fold);
            const from = since[rule];
            return before === undefined || window === null || from === undefined
              ? [rule, part]
              : [rule, continued(before, part, from, window)];
          }),
        );
        // A clock that was set back: what is known is of another time.
        if (isBehind(reply.parts, since)) known.hosts.delete(id);
        else known.hosts.set(id, parts);
        replies.set(id, { ...reply, parts });
      }
    });
    await Promise.all(rounds);
    for (const id of known.hosts.keys()) if (!alive.some((member) => member.id === id)) known.hosts.delete(id);

    const all = new Map<string, ReadonlyMap<string, Part>>();
    const sources: [string, ClusterAnswer['sources'][string]][] = [];
    if (own.kind === 'parts') {
      all.set(self.id, own.parts);
      sources.push([self.id, { from: 'own', age_ms: Math.max(0, Date.now() - (moment.scanTimes[0] ?? 0)) }]);
    }
    const refused: [string, string][] = [];
    for (const [id, reply] of replies) {
      if (reply.kind === 'parts') {
        all.set(id, reply.parts);
        sources.push([id, { from: 'asked', age_ms: reply.ageMs }]);
      } else if (reply.kind === 'refused') refused.push([id, reply.reason]);
    }
    const folded = [...query.rules.keys()].map((rule): [string, Folded] => [
      rule,
      foldParts(
        [...all.values()].flatMap((parts) => parts.get(rule) ?? []),
        query.fold,
        Date.now(),
      ),
    ]);
    const out = [...replies.values()].filter(({ kind }) => kind === 'left-out').length;
    return {
      values: Object.fromEntries(folded.map(([rule, { dataset }]) => [rule, dataset])),
      hosts_per_bucket: Object.fromEntries(folded.map(([rule, { hosts }]) => [rule, hosts])),
      sources: Object.fromEntries(sources),
      missing: asked.map(({ id }) => id).filter((id) => !replies.has(id)),
      refused: Object.fromEntries(refused),
      left_out: out + alive.length - asked.length + (own.kind === 'left-out' ? 1 : 0),
    };
  };
}

const isBehind = (parts: ReadonlyMap<string, Part>, since: Readonly<Record<string, number>>): boolean =>
  [...parts].some(([rule, part]) => part.kind === 'series' && part.newest < (since[rule] ?? 0));

/** The newest bucket may have been half full: it is told again. */
function sinceOf(query: ClusterQuery, known: ReadonlyMap<string, Part> | undefined): Readonly<Record<string, number>> {
  const since: [string, number][] = [];
  for (const [id, rule] of query.rules) {
    const part = known?.get(id);
    if (part?.kind === 'series' && part.groups.length > 0 && windowOf(rule, query.fold) !== null) {
      since.push([id, part.newest]);
    }
  }
  return Object.fromEntries(since);
}

function replyOf(reply: unknown, query: ClusterQuery): PeerReply | null {
  if (typeof reply !== 'object' || reply === null) return null;
  const fields = reply as Readonly<Record<string, unknown>>;
  const labels = labelsIn(fields.labels);
  if (fields.selected === false) return { kind: 'left-out', labels };
  if (typeof fields.refused === 'string') return { kind: 'refused', reason: fields.refused.slice(0, 500), labels };
  const parts = readParts(fields.parts, query.rules);
  if (parts === null) return null;
  const { scan_time: scan, current_time: current } = fields;
  const ageMs =
    typeof scan === 'number' && typeof current === 'number' ? Math.max(0, Math.round(current - scan)) : null;
  return { kind: 'parts', parts, ageMs, labels };
}

function labelsIn(value: unknown): Labels {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, text]) => typeof text === 'string')
      .slice(0, 64),
  );
}
