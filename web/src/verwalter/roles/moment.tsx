import { formatAge, unknown } from '../../format.ts';

/** How long ago, or in how long; the time itself when it is pointed at. */
export function Moment({ ms, now }: { ms: number | null; now: number }) {
  const date = ms === null ? null : new Date(ms);
  // A number that is no time.
  if (ms === null || date === null || Number.isNaN(date.getTime())) return <span>{unknown}</span>;
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {ms > now + 1000 ? `in ${formatAge(now, ms)}` : `${formatAge(ms, now)} ago`}
    </time>
  );
}
