const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short', year: 'numeric' });

/** A moment in the time of whoever looks; with its day where that is not today. */
export function clock(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  return day.format(at) === day.format(new Date(nowMs)) ? time.format(at) : `${day.format(at)}, ${time.format(at)}`;
}
