import { isIP } from 'node:net';
import { list, record, required } from '../../config/record.ts';
import { absolutePath, checked, integer, matching, type Schema, scalar, type ValueOf } from '../../config/schema.ts';

/** 2^32 - 1 means "no id" to the kernel (setresuid(2)). */
const greatestId = 2 ** 32 - 2;

export const idNumber = integer({ min: 0, max: greatestId }, 'an id');

/** Sandboxes and processes give names to folders and cgroups. */
export const namePattern = /^[\w-]+$/;
export const configName = matching(namePattern, 'a name of letters, digits, _ and -');

export interface NumberRange {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

/** `N` or `A-B`. */
export function rangeOf(what: string, min: number, max: number): Schema<NumberRange> {
  return scalar(`${what} N or a range A-B from ${min} to ${max}`, (text) => {
    const [, from, to = from] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text) ?? [];
    if (from === undefined || to === undefined) return null;
    const range = { first: Number(from), last: Number(to) };
    return range.first >= min && range.last <= max && range.first <= range.last ? range : null;
  });
}

export const idRanges = list(rangeOf('an id', 0, greatestId));
export const portRanges = list(rangeOf('a port', 1, 65_535));

export const inRanges = (ranges: readonly NumberRange[], number: number): boolean =>
  ranges.some(({ first, last }) => number >= first && number <= last);

const mapRow = checked(
  record('an id map row', {
    inside: required(idNumber),
    outside: required(idNumber),
    count: required(integer({ min: 1, max: greatestId })),
  }),
  (row) =>
    row.inside + row.count > greatestId + 1 || row.outside + row.count > greatestId + 1
      ? { problem: `the last id is above ${greatestId}` }
      : { value: row },
);

export type IdMapRow = ValueOf<typeof mapRow>;

const overlaps = (a: number, b: number, countA: number, countB: number): boolean => a < b + countB && b < a + countA;

/** Rows of uid_map and gid_map (user_namespaces(7)); at most 340 fit, and none may overlap another. */
export const idMap = checked(list(mapRow), (rows) => {
  if (rows.length > 340) return { problem: `${rows.length} rows; expected at most 340` };
  for (const [index, a] of rows.entries()) {
    for (const b of rows.slice(index + 1)) {
      if (overlaps(a.inside, b.inside, a.count, b.count)) return { problem: 'rows overlap inside the container' };
      if (overlaps(a.outside, b.outside, a.count, b.count)) return { problem: 'rows overlap outside the container' };
    }
  }
  return { value: rows };
});

/** The id outside for an id inside; half-open. Null where no row holds it. */
export function mapId(rows: readonly IdMapRow[], inside: number): number | null {
  for (const row of rows) {
    if (inside >= row.inside && inside < row.inside + row.count) return row.outside + (inside - row.inside);
  }
  return null;
}

/** Absolute, without `..`; repeated and closing slashes are gone. */
export const plainAbsolutePath = checked(absolutePath, (value) =>
  value.split('/').includes('..') ? { problem: `${value}: .. is refused` } : { value: normalPath(value) },
);

export function normalPath(path: string): string {
  return `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}

/** Whether `path` is `top` or lies below it, by whole components; both normal. */
export const isBelow = (path: string, top: string): boolean =>
  top === '/' || path === top || path.startsWith(`${top}/`);

/** A literal IPv4 or IPv6 address. */
export const ipAddress: Schema<string> = scalar('an IP address', (text) => (isIP(text) === 0 ? null : text));

/** In a hosts(5) file blanks and `#` would begin something else. */
export const hostName = matching(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/, 'a host name');
