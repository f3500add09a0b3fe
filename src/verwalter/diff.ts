import { canonicalJson, isObject, type Json, type JsonObject } from './canonical.ts';
import { rolesOfNode } from './render/variables.ts';

/** What a schedule does to one daemon of a role on one node, as the node will see it. */
export interface Move {
  readonly role: string;
  readonly node: string;
  /** Null: the role itself, its variables or template. */
  readonly daemon: string | null;
  /** moved: all instances of `fromNode` go and `node` gets its first; changed: another number, image or variable. */
  readonly kind: 'started' | 'stopped' | 'moved' | 'changed';
  /** Instances; of a role itself 1 = it is there. `before` of a move is what `fromNode` had. */
  readonly before: number;
  readonly after: number;
  readonly fromNode?: string;
  /** From the new schedule's `explain`, or its `changes` that name the role. */
  readonly why?: string;
}

interface Placed {
  readonly role: string;
  readonly node: string;
  readonly daemon: string | null;
  readonly count: number;
  /** All but the number of instances. */
  readonly rest: string;
  /** A role with daemons: that it comes or goes is told by them. */
  readonly silent: boolean;
}

const keyOf = (role: string, daemon: string | null): string => JSON.stringify([role, daemon]);

/** Daemon by daemon, then node by node. */
const placesOf = (data: JsonObject): ReadonlyMap<string, ReadonlyMap<string, Placed>> => {
  const known = places.get(data);
  if (known !== undefined) return known;
  const all = new Map<string, Map<string, Placed>>();
  const add = (placed: Placed): void => {
    const key = keyOf(placed.role, placed.daemon);
    const nodes = all.get(key) ?? new Map<string, Placed>();
    all.set(key, nodes.set(placed.node, placed));
  };
  for (const node of Object.keys(isObject(data.nodes) ? data.nodes : {})) {
    for (const [role, { daemons, ...variables }] of rolesOfNode(data, node)) {
      const own = Object.entries(isObject(daemons) ? daemons : {});
      const silent = own.some(([, value]) => isObject(value));
      add({ role, node, daemon: null, count: 1, rest: canonicalJson(variables), silent });
      for (const [daemon, value] of own) {
        if (!isObject(value)) continue;
        const { instances, ...rest } = value;
        const count = typeof instances === 'number' && instances > 0 ? instances : 0;
        add({ role, node, daemon, count, rest: canonicalJson(rest), silent: false });
      }
    }
  }
  places.set(data, all);
  return all;
};

/** A schedule is compared with the one before and with the one after. */
const places = new WeakMap<JsonObject, ReadonlyMap<string, ReadonlyMap<string, Placed>>>();

/** What `after` changes in `before`; sorted by role, daemon and node. Two empty schedules, or one and itself: nothing. */
export const diffSchedules = (before: JsonObject, after: JsonObject): readonly Move[] => {
  if (before === after) return [];
  const old = placesOf(before);
  const now = placesOf(after);
  const moves: Move[] = [];
  for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    moves.push(...movesOf(old.get(key) ?? new Map(), now.get(key) ?? new Map(), after));
  }
  return moves;
};

const movesOf = (
  old: ReadonlyMap<string, Placed>,
  now: ReadonlyMap<string, Placed>,
  schedule: JsonObject,
): readonly Move[] => {
  const moves: Move[] = [];
  const gone: Placed[] = [];
  const come: Placed[] = [];
  for (const node of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const was = old.get(node);
    const is = now.get(node);
    const [before, after] = [was?.count ?? 0, is?.count ?? 0];
    const any = is ?? was;
    if (any === undefined) continue;
    if (before > 0 && after === 0 && was !== undefined) gone.push(...(was.silent ? [] : [was]));
    else if (before === 0 && after > 0 && is !== undefined) come.push(...(is.silent ? [] : [is]));
    else if (before !== after || (after > 0 && was?.rest !== is?.rest))
      moves.push(moved(schedule, any, 'changed', before, after));
  }
  // A role's variables do not travel; its instances do.
  const pairs = [...gone, ...come].some(({ daemon }) => daemon === null) ? 0 : Math.min(gone.length, come.length);
  for (const [index, placed] of come.entries()) {
    const from = index < pairs ? gone[index] : undefined;
    if (from === undefined) moves.push(moved(schedule, placed, 'started', 0, placed.count));
    else moves.push({ ...moved(schedule, placed, 'moved', from.count, placed.count), fromNode: from.node });
  }
  for (const placed of gone.slice(pairs)) moves.push(moved(schedule, placed, 'stopped', placed.count, 0));
  return moves.sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0));
};

const moved = (
  schedule: JsonObject,
  { role, node, daemon }: Placed,
  kind: Move['kind'],
  before: number,
  after: number,
): Move => {
  const why = reasonOf(schedule, role, node);
  return { role, node, daemon, kind, before, after, ...(why === null ? {} : { why }) };
};

const at = (value: Json | undefined, key: string): Json | undefined =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;

const textsOf = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((text: Json): text is string => typeof text === 'string') : [];

const reasonOf = (schedule: JsonObject, role: string, node: string): string | null => {
  const reasons = textsOf(at(at(at(schedule.explain, role), node), 'reasons'));
  if (reasons.length > 0) return reasons.join('; ');
  const sentences = textsOf(schedule.changes).filter((text) => mentions(text, role));
  const ofNode = sentences.filter((text) => mentions(text, node));
  const best = ofNode.length > 0 ? ofNode : sentences;
  return best.length === 0 ? null : best.slice(0, 3).join('; ');
};

/** As a word of its own: `web` is not in `web-cache`. */
const mentions = (text: string, word: string): boolean => {
  const isWord = (character: string | undefined): boolean => character !== undefined && /[\w-]/.test(character);
  for (let index = text.indexOf(word); index >= 0; index = text.indexOf(word, index + 1)) {
    if (!isWord(text[index - 1]) && !isWord(text[index + word.length])) return true;
  }
  return false;
};

export interface MoveCounts {
  readonly started: number;
  readonly stopped: number;
  readonly moved: number;
  readonly changed: number;
}

export const countMoves = (moves: readonly Move[]): MoveCounts => {
  const counts = { started: 0, stopped: 0, moved: 0, changed: 0 };
  for (const { kind } of moves) counts[kind]++;
  return counts;
};
