import { asNumber, asRecord, type JsonRecord, member } from '../json.ts';

/** What another schedule means for one daemon of a role on one node. */
export interface Move {
  readonly role: string;
  readonly node: string;
  /** Empty: the role itself, which has no daemons or whose variables changed. */
  readonly daemon: string;
  readonly kind: 'started' | 'stopped' | 'moved' | 'changed';
  /** Instances there before and after; both the same where only what is run has changed. */
  readonly before: number;
  readonly after: number;
  /** How many start, stop, or come from elsewhere. */
  readonly count: number;
  /** Of what was moved. */
  readonly fromNode?: string;
  /** Keys whose values differ, of what was changed. */
  readonly keys?: readonly string[];
}

interface Placed {
  readonly instances: number;
  /** Whatever else is said of it. */
  readonly rest: JsonRecord;
}

type ByNode = Map<string, Placed>;

/** Differences between two schedules' data, in order of role, daemon and node. */
export function scheduleMoves(before: unknown, after: unknown): readonly Move[] {
  const served = new Set([...rolesWithDaemons(before), ...rolesWithDaemons(after)]);
  const [old, fresh] = [placements(before, served), placements(after, served)];
  const moves: Move[] = [];
  for (const key of [...new Set([...old.keys(), ...fresh.keys()])].sort()) {
    const [role = '', daemon = ''] = JSON.parse(key) as readonly string[];
    moves.push(...movesOf(role, daemon, old.get(key) ?? new Map(), fresh.get(key) ?? new Map()));
  }
  return moves;
}

function movesOf(role: string, daemon: string, old: ByNode, fresh: ByNode): readonly Move[] {
  const nodes = [...new Set([...old.keys(), ...fresh.keys()])].sort();
  const count = (side: ByNode, node: string): number => side.get(node)?.instances ?? 0;
  const surplus = nodes
    .map((node) => ({ node, left: count(old, node) - count(fresh, node) }))
    .filter(({ left }) => left > 0);
  const moves: Move[] = [];
  for (const node of nodes) {
    const [was, is] = [count(old, node), count(fresh, node)];
    const at = { role, node, daemon, before: was, after: is };
    let wanted = is - was;
    // What stops elsewhere comes here: to the scheduler it is the same instance.
    for (const from of surplus) {
      const taken = Math.min(from.left, wanted);
      if (taken <= 0) continue;
      from.left -= taken;
      wanted -= taken;
      moves.push({ ...at, kind: 'moved', count: taken, fromNode: from.node });
    }
    if (wanted > 0) moves.push({ ...at, kind: 'started', count: wanted });
    const [saidOld, saidNew] = [old.get(node)?.rest, fresh.get(node)?.rest];
    const keys = saidOld === undefined || saidNew === undefined ? [] : differing(saidOld, saidNew);
    // What does not run may change as it likes.
    if (keys.length === 0 || (daemon !== '' && Math.min(was, is) === 0)) continue;
    moves.push({ ...at, kind: 'changed', count: Math.max(1, Math.min(was, is)), keys });
  }
  for (const { node, left } of surplus) {
    const at = { role, node, daemon, before: count(old, node), after: count(fresh, node) };
    if (left > 0) moves.push({ ...at, kind: 'stopped', count: left });
  }
  return moves;
}

const rolesOfNodes = (data: unknown): readonly (readonly [node: string, role: string, said: JsonRecord])[] =>
  Object.entries(asRecord(member(data, 'nodes'))).flatMap(([node, ofNode]) =>
    Object.entries(asRecord(member(ofNode, 'roles'))).map(([role, said]) => [node, role, asRecord(said)] as const),
  );

const rolesWithDaemons = (data: unknown): readonly string[] =>
  rolesOfNodes(data).flatMap(([, role, said]) => (Object.keys(asRecord(said.daemons)).length > 0 ? [role] : []));

/** "[role, daemon]" → node → what is there. */
function placements(data: unknown, served: ReadonlySet<string>): ReadonlyMap<string, ByNode> {
  const found = new Map<string, ByNode>();
  const put = (role: string, daemon: string, node: string, placed: Placed): void => {
    const key = JSON.stringify([role, daemon]);
    const nodes = found.get(key) ?? new Map<string, Placed>();
    nodes.set(node, placed);
    found.set(key, nodes);
  };
  for (const [node, role, { daemons, ...rest }] of rolesOfNodes(data)) {
    for (const [daemon, said] of Object.entries(asRecord(daemons))) {
      const { instances, ...own } = asRecord(said);
      put(role, daemon, node, { instances: Math.max(0, asNumber(instances) ?? 0), rest: own });
    }
    // A role that is only rendered counts as one; of others their daemons tell.
    put(role, '', node, { instances: served.has(role) ? 0 : 1, rest });
  }
  return found;
}

const differing = (a: JsonRecord, b: JsonRecord): readonly string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => sorted(member(a, key)) !== sorted(member(b, key)))
    .sort();

/** The same text for the same value, in whatever order its keys come. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  ) ?? '';

/** What differs beside nodes: "vars", "state.web" …, two levels deep. */
export function otherDifferences(before: unknown, after: unknown): readonly string[] {
  const paths: string[] = [];
  for (const part of differing(asRecord(before), asRecord(after))) {
    if (part === 'nodes') continue;
    const [a, b] = [member(before, part), member(after, part)];
    const inner = isRecord(a) && isRecord(b) ? differing(a, b) : [];
    paths.push(...(inner.length === 0 ? [part] : inner.map((key) => `${part}.${key}`)));
  }
  return paths;
}

const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
