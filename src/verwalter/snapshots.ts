/** Which snapshots of the schedule there are to be (spec/verwalter.md 2.4). Names are of periods in UTC. */

type Period = 'hourly' | 'daily' | 'weekly';

/** A day and a half, two weeks, a quarter of a year. */
const keptOf: Readonly<Record<Period, number>> = { hourly: 36, daily: 14, weekly: 12 };
const periods = Object.keys(keptOf) as readonly Period[];

export const snapshotPattern = /^(hourly-\d{8}T\d{2}|daily-\d{8}|weekly-\d{4}w\d{2})\.json\.gz$/;

const dayMs = 86_400_000;

/** "hourly-20260102T03.json.gz": the file of the period that a moment is in. */
export const snapshotName = (period: Period, atMs: number): string => {
  const [day = '', time = ''] = new Date(atMs).toISOString().split('T');
  const digits = day.replaceAll('-', '');
  switch (period) {
    case 'hourly':
      return `hourly-${digits}T${time.slice(0, 2)}.json.gz`;
    case 'daily':
      return `daily-${digits}.json.gz`;
    case 'weekly':
      return `weekly-${isoWeek(atMs)}.json.gz`;
    default:
      return period satisfies never;
  }
};

/** ISO 8601: a week belongs to the year that its Thursday is in. */
const isoWeek = (atMs: number): string => {
  const weekday = (new Date(atMs).getUTCDay() + 6) % 7;
  const thursday = new Date(atMs + (3 - weekday) * dayMs);
  const year = thursday.getUTCFullYear();
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * dayMs));
  return `${year}w${String(week).padStart(2, '0')}`;
};

export interface SnapshotPlan {
  /** For which periods one is due. */
  readonly make: readonly string[];
  /** The oldest of their kind, which then are too many. */
  readonly remove: readonly string[];
}

/** What to do now that something was rendered, where these files are there. Files of other names are left alone. */
export const planSnapshots = (present: readonly string[], nowMs: number): SnapshotPlan => {
  const make: string[] = [];
  const remove: string[] = [];
  for (const period of periods) {
    const name = snapshotName(period, nowMs);
    const old = present.filter((each) => each.startsWith(`${period}-`) && snapshotPattern.test(each));
    const newestFirst = [...new Set([...old, name])].sort().reverse();
    const kept = newestFirst.slice(0, keptOf[period]);
    // With a clock that was set far back even the newest may be older than all that are kept.
    if (kept.includes(name) && !old.includes(name)) make.push(name);
    remove.push(...old.filter((each) => !kept.includes(each)));
  }
  return { make, remove };
};
