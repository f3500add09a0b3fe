import { isIP } from 'node:net';
import { greatestId, idNumber, type NumberRange, rangeOf } from '../../config/ids.ts';
import { list, record, required } from '../../config/record.ts';
import { checked, integer, matching, type Schema, scalar, type ValueOf } from '../../config/schema.ts';

/** Sandboxes and processes give names to folders and cgroups. */
export const namePattern = /^[\w-]+$/;
export const configName = matching(namePattern, 'a name of letters, digits, _ and -');

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

/** A literal IPv4 or IPv6 address. */
export const ipAddress: Schema<string> = scalar('an IP address', (text) => (isIP(text) === 0 ? null : text));

/** In a hosts(5) file blanks and `#` would begin something else. */
export const hostName = matching(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/, 'a host name');
