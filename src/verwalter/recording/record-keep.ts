import { parseDuration } from '../../config/duration.ts';
import { parseInteger } from '../../config/number-text.ts';

/** The ring of recorded rounds: what is older goes, then the oldest until the rest is small enough. */
export interface RecordKeep {
  readonly ms: number;
  readonly bytes: number;
}

/** A day has all hours of load in it; what a thousand nodes record in one is less than a disk misses. */
export const defaultRecordKeep: RecordKeep = { ms: 86_400_000, bytes: 2 ** 30 };

/** Whatever the ring's size: a fault is looked into within the hour, and what was decided explains what is. */
const leastMs = 3_600_000;
const leastChanges = 100;

/** `24h,1GiB`: a duration, a size, or both. */
export const parseRecordKeep = (text: string): RecordKeep | { readonly problem: string } => {
  let keep = defaultRecordKeep;
  for (const part of text.split(',')) {
    const duration = parseDuration(part.trim());
    const size = parseInteger(part.trim().replace(/B$/, ''));
    if ('ms' in duration && duration.ms > 0) keep = { ...keep, ms: duration.ms };
    else if (size !== null && size > 0n && size <= Number.MAX_SAFE_INTEGER) keep = { ...keep, bytes: Number(size) };
    else return { problem: `${JSON.stringify(part)}: expected a duration, a size or both, such as 24h,1GiB` };
  }
  return keep;
};

export interface KeptSegment {
  readonly file: string;
  readonly bytes: number;
  /** Of its last round. */
  readonly newestMs: number;
  /** Rounds in it that changed the schedule. */
  readonly changes: number;
}

/** Which files go; `segments` from the oldest to the newest, the one being written last. */
export const outdatedRecordings = (
  segments: readonly KeptSegment[],
  keep: RecordKeep,
  nowMs: number,
): readonly string[] => {
  const gone: string[] = [];
  let held = 0;
  let changes = 0;
  for (const [index, { file, bytes, newestMs, changes: own }] of [...segments.entries()].reverse()) {
    const needed = index === segments.length - 1 || nowMs - newestMs < leastMs || (own > 0 && changes < leastChanges);
    if (!needed && (nowMs - newestMs > keep.ms || held + bytes > keep.bytes)) gone.push(file);
    else held += bytes;
    changes += own;
  }
  return gone;
};
