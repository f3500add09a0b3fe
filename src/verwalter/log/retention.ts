/** One file of logs. `current` ones are being written to and never go. */
export interface LogSegment {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly current: boolean;
}

export interface LogKeep {
  readonly ms: number;
  readonly bytes: number;
}

/** A month is as long as somebody asks who changed what; a disk is not filled by logs. */
export const defaultLogKeep: LogKeep = { ms: 30 * 86_400_000, bytes: 2 ** 30 };

/** Which files go: those that are too old, then the oldest until the rest is small enough. */
export const outdatedSegments = (segments: readonly LogSegment[], keep: LogKeep, nowMs: number): readonly string[] => {
  const newestFirst = segments.toSorted((a, b) => b.modifiedMs - a.modifiedMs || (a.path < b.path ? 1 : -1));
  let held = segments.reduce((sum, { current, bytes }) => sum + (current ? bytes : 0), 0);
  const gone: string[] = [];
  for (const { path, bytes, modifiedMs, current } of newestFirst) {
    if (current) continue;
    if (nowMs - modifiedMs > keep.ms || held + bytes > keep.bytes) gone.push(path);
    else held += bytes;
  }
  return gone;
};
