import type { NumberRange } from '../../config/ids.ts';
import type { IdMapping } from '../../native/container.ts';

// Which ids of the host stand behind those of a container: user_namespaces(7), subuid(5), newuidmap(1); vagga 6.

export type IdKind = 'uid' | 'gid';

/** Ids of the host, `count` of them from `first` on. */
export interface IdSpan {
  readonly first: number;
  readonly count: number;
}

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export type Outcome<T> = { readonly value: T; readonly warnings: readonly string[] } | { readonly problem: string };

const greatestId = 2 ** 32 - 2;
/** Below it are the accounts of people and services: files of theirs would be writable in containers. */
const leastExpected = 65_536;

/**
 * The spans that /etc/subuid or /etc/subgid (`text` of the file at `path`) grants: lines `NAME:FIRST:COUNT`, where the
 * number of the account may stand for its name. `#` begins a comment.
 */
export function subordinateIds(text: string, path: string, user: User, own: number): Outcome<readonly IdSpan[]> {
  const spans: IdSpan[] = [];
  const warnings: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const plain = line.replace(/#.*/, '').trim();
    if (plain === '') continue;
    const [, account, from, amount] = /^([^:\s]+):(\d{1,10}):(\d{1,10})$/.exec(plain) ?? [];
    const span = { first: Number(from), count: Number(amount) };
    if (account === undefined || span.first > greatestId || span.first + span.count - 1 > greatestId) {
      return { problem: `${path}:${index + 1}: Bad syntax: "${line}"` };
    }
    if ((account !== user.name && account !== String(user.uid)) || span.count === 0) continue;
    const last = span.first + span.count - 1;
    if (own !== 0 && own >= span.first && own <= last) {
      return { problem: `${path}:${index + 1}: the range ${span.first}-${last} includes original id ${own}` };
    }
    if (span.first < leastExpected) {
      warnings.push(`${path}:${index + 1}: the range starts at ${span.first}; ids below ${leastExpected} are in use`);
    }
    spans.push(span);
  }
  return { value: spans, warnings };
}

/** `0 own 1`, then the ids that the container wants, filled from those granted in their order. */
export function requestedMap(
  wanted: readonly NumberRange[],
  granted: readonly IdSpan[],
  own: number,
  kind: IdKind,
): Outcome<readonly IdMapping[]> {
  const map: IdMapping[] = [{ inside: 0, outside: own, count: 1 }];
  const inside = distinct(wanted.map(({ first, last }) => ({ first, count: last - first + 1 })));
  const outside = distinct(granted);
  const required = total(inside);
  const found = total(outside);
  if (required > found) {
    return { problem: `Number of allowed sub${kind}s is too small (required: ${required}, found: ${found})` };
  }
  let place = 0;
  let used = 0;
  for (const span of inside) {
    for (let done = 0; done < span.count; ) {
      const from = outside[place]!;
      const count = Math.min(span.count - done, from.count - used);
      map.push({ inside: span.first + done, outside: from.first + used, count });
      done += count;
      used += count;
      if (used === from.count) {
        place += 1;
        used = 0;
      }
    }
  }
  return { value: map, warnings: [] };
}

/** All that is granted: for work on files of any container. */
export function maximumMap(granted: readonly IdSpan[], own: number): readonly IdMapping[] {
  const map: IdMapping[] = [{ inside: 0, outside: own, count: 1 }];
  let next = 1;
  for (const { first, count } of distinct(granted)) {
    map.push({ inside: next, outside: first, count });
    next += count;
  }
  return map;
}

/** Of a user to whom nothing is granted: root inside is the user, other ids do not exist. */
export function singleMap(own: number): readonly IdMapping[] {
  return [{ inside: 0, outside: own, count: 1 }];
}

/** Every id that is there, under its own number. `text`: /proc/self/uid_map or gid_map. */
export function identityMap(text: string): readonly IdMapping[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((row) => row.length === 3)
    .map(([inside = 0, , count = 0]) => ({ inside, outside: inside, count }));
}

/** As in /proc/PID/uid_map: `INSIDE OUTSIDE COUNT` a line. */
export function mapText(map: readonly IdMapping[]): string {
  return map.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('');
}

/** The host's id behind an id inside; undefined where the map has none. */
export function outsideId(map: readonly IdMapping[], id: number): number | undefined {
  const row = map.find(({ inside, count }) => id >= inside && id < inside + count);
  return row && row.outside + id - row.inside;
}

/**
 * The same map for a user namespace within another: what is an id of the host in `map` is an id inside `outer`. Null where
 * `outer` lacks one.
 */
export function mapWithin(outer: readonly IdMapping[], map: readonly IdMapping[]): readonly IdMapping[] | null {
  const within: IdMapping[] = [];
  for (const { inside, outside, count } of map) {
    for (let done = 0; done < count; ) {
      const id = outside + done;
      const row = outer.find((each) => id >= each.outside && id < each.outside + each.count);
      if (row === undefined) return null;
      const part = Math.min(count - done, row.outside + row.count - id);
      within.push({ inside: inside + done, outside: row.inside + id - row.outside, count: part });
      done += part;
    }
  }
  return within;
}

/** The other way round: what is an id inside `outer` in `map` becomes the id of the host behind it. */
export function mapThrough(outer: readonly IdMapping[], map: readonly IdMapping[]): readonly IdMapping[] | null {
  return mapWithin(
    outer.map(({ inside, outside, count }) => ({ inside: outside, outside: inside, count })),
    map,
  );
}

const total = (spans: readonly IdSpan[]): number => spans.reduce((sum, { count }) => sum + count, 0);

/** Without id 0 and without what an earlier span has: the kernel refuses maps that overlap. */
function distinct(spans: readonly IdSpan[]): readonly IdSpan[] {
  const kept: IdSpan[] = [];
  for (const span of spans) {
    let pieces: readonly IdSpan[] = [span];
    for (const taken of [{ first: 0, count: 1 }, ...kept]) pieces = pieces.flatMap((piece) => without(piece, taken));
    kept.push(...pieces);
  }
  return kept;
}

function without(span: IdSpan, taken: IdSpan): readonly IdSpan[] {
  const end = span.first + span.count;
  const takenEnd = taken.first + taken.count;
  if (takenEnd <= span.first || taken.first >= end) return [span];
  const before = { first: span.first, count: Math.max(0, taken.first - span.first) };
  const after = { first: takenEnd, count: Math.max(0, end - takenEnd) };
  return [before, after].filter(({ count }) => count > 0);
}
