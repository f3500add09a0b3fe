import type { Dataset, Labels } from '../query/dataset.ts';
import { resultsOf } from '../query/evaluate.ts';
import { appendable } from '../query/follow.ts';
import { type Checked, checkRules, type Rule } from '../query/rule.ts';
import type { SeriesSource } from '../query/source.ts';
import { checkFold, type FoldSpec, type Group, type Part, partOf, readPart } from './fold.ts';
import { checkHosts, type HostFacts, type HostSelector, selects } from './select.ts';

/** A query about sums over hosts: {"rules": {ID: rule}, "fold": {…}, "hosts": …}, checked. */
export interface ClusterQuery {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly fold: FoldSpec;
  readonly selector: HostSelector;
  /** Rule → the first bucket that is asked for; for peers. */
  readonly since: ReadonlyMap<string, number>;
  /** As it came, for the peers. */
  readonly raw: { readonly rules: unknown; readonly fold: unknown; readonly hosts: unknown };
}

export interface ClusterAnswer {
  readonly values: Readonly<Record<string, Dataset>>;
  /** Rule → how many hosts are in each bucket, newest first. */
  readonly hosts_per_bucket: Readonly<Record<string, readonly number[]>>;
  /** Ids of the hosts in it, and where their part is from. */
  readonly sources: Readonly<Record<string, { readonly from: 'own' | 'asked'; readonly age_ms: number | null }>>;
  /** Ids of hosts that are not dead, may be meant, and did not answer in time. */
  readonly missing: readonly string[];
  /** Host → why it cannot answer. */
  readonly refused: Readonly<Record<string, string>>;
  /** How many hosts the selection leaves out. */
  readonly left_out: number;
}

export function checkClusterQuery(body: unknown): Checked<ClusterQuery> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { kind: 'bad', path: 'body', reason: 'an object {"rules": {ID: rule}, "fold": {"step": MS}}' };
  }
  const {
    rules: rawRules,
    fold: rawFold,
    hosts: rawHosts,
    since: rawSince,
    ...others
  } = body as Record<string, unknown>;
  const strange = Object.keys(others)[0];
  if (strange !== undefined) {
    return { kind: 'bad', path: `body.${strange}`, reason: 'not known here; known: rules, fold, hosts' };
  }
  const rules = checkRules(rawRules);
  if (rules.kind === 'bad') return rules;
  const fold = checkFold(rawFold);
  if (fold.kind === 'bad') return fold;
  const hosts = checkHosts(rawHosts);
  if (hosts.kind === 'bad') return hosts;
  const since = new Map<string, number>();
  for (const [id, bucket] of typeof rawSince === 'object' && rawSince !== null ? Object.entries(rawSince) : []) {
    if (!Number.isSafeInteger(bucket)) return { kind: 'bad', path: `since.${id}`, reason: 'the number of a bucket' };
    since.set(id, bucket as number);
  }
  const raw = { rules: rawRules, fold: rawFold, hosts: rawHosts };
  return { kind: 'ok', value: { rules: rules.value, fold: fold.value, selector: hosts.value, since, raw } };
}

export type HostAnswer =
  | { readonly kind: 'parts'; readonly parts: ReadonlyMap<string, Part> }
  | { readonly kind: 'left-out' }
  | { readonly kind: 'refused'; readonly path: string; readonly reason: string };

/** Derivatives need the sample before the first bucket; scans are at most a minute apart. */
const marginMs = 120_000;

/** What one host has to say. */
export function answerPart(query: ClusterQuery, host: HostFacts, moment: SeriesSource): HostAnswer {
  if (!selects(query.selector, host)) return { kind: 'left-out' };
  const newest = moment.scanTimes[0] ?? 0;
  const rules = new Map(
    [...query.rules].map(([id, rule]): [string, Rule] => {
      const since = query.since.get(id);
      if (since === undefined || rule.extract.kind !== 'byTime' || !appendable(rule)) return [id, rule];
      const ms = Math.max(1, Math.min(rule.extract.ms, newest - since * query.fold.step + marginMs));
      return [id, { ...rule, extract: { kind: 'byTime', ms } }];
    }),
  );
  const evaluated = resultsOf(rules, moment);
  if (evaluated.kind === 'tooMuch')
    return { kind: 'refused', path: `rules.${evaluated.rule}`, reason: evaluated.reason };
  const labels: Labels = { ...host.labels, host: host.hostname };
  const parts = new Map<string, Part>();
  for (const [id, result] of evaluated.results) {
    const part = partOf(result, query.fold, labels);
    if (typeof part === 'string') return { kind: 'refused', path: `rules.${id}`, reason: part };
    const since = query.since.get(id);
    parts.set(id, since === undefined || part.kind !== 'series' ? part : cut(part, part.newest - since + 1));
  }
  return { kind: 'parts', parts };
}

type SeriesPart = Extract<Part, { readonly kind: 'series' }>;

/** The newest `rows` buckets of it. */
function cut(part: SeriesPart, rows: number): SeriesPart {
  const length = Math.max(0, rows);
  return {
    ...part,
    groups: part.groups.map(({ key, values, counts }) => ({
      key,
      values: values.slice(0, length),
      counts: counts?.slice(0, length) ?? null,
    })),
  };
}

/** The parts of a peer's reply; null where it is none. */
export function readParts(reply: unknown, rules: ReadonlyMap<string, Rule>): ReadonlyMap<string, Part> | null {
  if (typeof reply !== 'object' || reply === null) return null;
  const entries = Object.entries(reply).map(([id, part]) => [id, readPart(part)] as const);
  if (entries.length !== rules.size || entries.some(([id, part]) => part === null || !rules.has(id))) return null;
  return new Map(entries as [string, Part][]);
}

/** Rules whose closed buckets stay what they are, with how many buckets they reach back. */
export function windowOf(rule: Rule, { step }: FoldSpec): number | null {
  return rule.extract.kind === 'byTime' && appendable(rule) ? Math.ceil(rule.extract.ms / step) + 1 : null;
}

/** What is known of a host, and what it told of the buckets since `since`. */
export function continued(known: Part, told: Part, since: number, window: number): Part {
  if (known.kind !== 'series' || told.kind !== 'series') return told;
  const fresh = told.newest - since + 1;
  if (fresh < 0) return told;
  const length = Math.min(window, fresh + Math.max(0, since - (known.newest - longest(known) + 1)));
  const names = new Map<string, { key: Labels; told: Group | null; known: Group | null }>();
  for (const group of told.groups) names.set(JSON.stringify(group.key), { key: group.key, told: group, known: null });
  for (const group of known.groups) {
    const name = JSON.stringify(group.key);
    names.set(name, { key: group.key, told: names.get(name)?.told ?? null, known: group });
  }
  const groups = [...names.values()].map((each): Group => {
    const bucket = <T>(row: number, of: (group: Group) => readonly T[] | null): T | undefined => {
      const newer = row < fresh;
      const group = newer ? each.told : each.known;
      const at = newer ? row : known.newest - (told.newest - row);
      return group === null ? undefined : of(group)?.[at];
    };
    const counted = (each.told ?? each.known)?.counts !== null;
    return {
      key: each.key,
      values: Array.from({ length }, (_, row) => bucket(row, ({ values }) => values) ?? null),
      counts: counted ? Array.from({ length }, (_, row) => bucket(row, ({ counts }) => counts) ?? 0) : null,
    };
  });
  // A group that has nothing left in the window is gone.
  return {
    kind: 'series',
    newest: told.newest,
    groups: groups.filter(({ values }) => values.some((value) => value !== null)),
  };
}

const longest = ({ groups }: SeriesPart): number =>
  groups.reduce((most, { values }) => Math.max(most, values.length), 0);
