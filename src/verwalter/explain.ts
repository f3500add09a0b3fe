import { emptyRecord, isObject, type Json, type JsonObject } from './canonical.ts';
import type { Schedule } from './schedule.ts';

export interface ExplainedNode {
  /** Something of the role is to run there. */
  readonly placed: boolean;
  /** Daemon → wanted number. */
  readonly instances: Readonly<Record<string, number>>;
  /** What the scheduler said; empty: nothing. */
  readonly reasons: readonly string[];
  readonly scores: Readonly<Record<string, number>>;
}

/** Why a role is where it is: GET /v1/explain/ROLE. */
export interface Explained {
  readonly role: string;
  readonly hash: string;
  /** Of the schedule, ms. */
  readonly timestamp: number;
  /** By hostname. Where a scheduler put nodes with the same reasons together, "node7 and 12 more". */
  readonly nodes: Readonly<Record<string, ExplainedNode>>;
  /** Hostname → rule → dataset, as the last round saw them; null: this node has not led it. */
  readonly metrics: Readonly<Record<string, Readonly<Record<string, Json>>>> | null;
  /** Hostnames of which the last round had no metrics: unknown, not zero. */
  readonly missing: readonly string[];
  /** What the schedule says has changed with it, of all roles. */
  readonly changes: readonly string[];
}

export interface ExplainParts {
  readonly schedule: Schedule;
  /** Of the last round, of the leader; null elsewhere. */
  readonly input: JsonObject | null;
  /** Hostnames of the cluster: a node that no schedule speaks of is not placed. */
  readonly hosts: readonly string[];
}

/** Null: nothing in the schedule has a role of this name. */
export const explainRole = (role: string, { schedule, input, hosts }: ExplainParts): Explained | null => {
  const { data } = schedule;
  const nodes = objectIn(data, 'nodes');
  const said = objectIn(objectIn(data, 'explain'), role);
  const placedOn = (host: string): JsonObject | null => {
    const roles = objectIn(objectIn(nodes, host), 'roles');
    return Object.hasOwn(roles, role) ? objectIn(roles, role) : null;
  };
  const names = new Set([...Object.keys(nodes), ...Object.keys(said), ...hosts]);
  const known =
    ['roles', 'explain', 'state'].some((part) => Object.hasOwn(objectIn(data, part), role)) ||
    Object.keys(nodes).some((host) => placedOn(host) !== null);
  if (!known) return null;

  const explained = emptyRecord<ExplainedNode>();
  for (const host of [...names].sort()) explained[host] = explainedNode(placedOn(host), objectIn(said, host));
  const seen = input === null ? null : metricsSeen(role, data, input);
  return {
    role,
    hash: schedule.hash,
    timestamp: schedule.timestamp,
    nodes: explained,
    metrics: seen?.metrics ?? null,
    missing: seen?.missing ?? [],
    changes: textsIn(data, 'changes'),
  };
};

/** Roles of a schedule that can be asked about. */
export const rolesOf = (data: JsonObject): readonly string[] => {
  const names = new Set([...Object.keys(objectIn(data, 'roles')), ...Object.keys(objectIn(data, 'explain'))]);
  for (const node of Object.values(objectIn(data, 'nodes')))
    for (const role of Object.keys(objectIn(node, 'roles'))) names.add(role);
  return [...names].sort();
};

const explainedNode = (own: JsonObject | null, said: JsonObject): ExplainedNode => {
  const instances = emptyRecord<number>();
  for (const [daemon, wanted] of Object.entries(objectIn(own, 'daemons'))) {
    const count = isObject(wanted) ? wanted.instances : undefined;
    if (typeof count === 'number') instances[daemon] = count;
  }
  const counts = Object.values(instances);
  const scores = emptyRecord<number>();
  for (const [name, score] of Object.entries(objectIn(said, 'scores')))
    if (typeof score === 'number') scores[name] = score;
  // A role that is rendered with no instance is there only to stop them.
  const placed = own !== null && (counts.length === 0 || counts.some((count) => count > 0));
  return { placed, instances, reasons: textsIn(said, 'reasons'), scores };
};

/** Rules are named ROLE.NAME by convention; those that carry no role's name are for all. */
const metricsSeen = (role: string, data: JsonObject, input: JsonObject) => {
  const roles = rolesOf(data);
  // The same few rules come again for each host.
  const ours = new Map<string, boolean>();
  const isOurs = (rule: string): boolean => {
    const known = ours.get(rule);
    if (known !== undefined) return known;
    const owners = roles.filter((each) => rule.startsWith(`${each}.`));
    ours.set(rule, owners.length === 0 || owners.includes(role));
    return ours.get(rule) === true;
  };
  const hostOf = hostsById(input);
  const metrics = emptyRecord<Record<string, Json>>();
  for (const [id, values] of Object.entries(objectIn(input, 'metrics'))) {
    const rules = Object.entries(isObject(values) ? values : {}).filter(([rule]) => isOurs(rule));
    if (rules.length > 0) metrics[hostOf(id)] = Object.fromEntries(rules);
  }
  return { metrics, missing: textsIn(objectIn(input, 'metrics_meta'), 'missing').map(hostOf).sort() };
};

const hostsById = (input: JsonObject): ((id: string) => string) => {
  const peers = objectIn(input, 'peers');
  return (id) => {
    if (id === input.current_id && typeof input.current_host === 'string') return input.current_host;
    const { hostname } = objectIn(peers, id);
    return typeof hostname === 'string' ? hostname : id;
  };
};

/** Own members only: a key that is called as a member of Object's is a key like any other. */
const objectIn = (value: Json | null | undefined, key: string): JsonObject => {
  const member = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return isObject(member) ? member : {};
};

const textsIn = (value: JsonObject, key: string): readonly string[] => {
  const member = Object.hasOwn(value, key) ? value[key] : undefined;
  return Array.isArray(member) ? member.filter((each) => typeof each === 'string') : [];
};
