/** "hourly-20260102T03" → "2026-01-02, 03:00 to 04:00" */
export function periodWords(name: string): string {
  const [, year = '', month = '', day = '', hour = ''] = /-(\d{4})(\d{2})(\d{2})(?:T(\d{2}))?$/.exec(name) ?? [];
  if (hour !== '') return `${year}-${month}-${day}, ${hour}:00 to ${String(Number(hour) + 1).padStart(2, '0')}:00`;
  if (day !== '') return `${year}-${month}-${day}`;
  const [, weekYear = '', week = ''] = /-(\d{4})w(\d{2})$/.exec(name) ?? [];
  return week === '' ? name : `week ${Number(week)} of ${weekYear}`;
}
