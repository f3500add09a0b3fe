export const currentName = 'current';

/** "current", a hash, or the name of a snapshot → where it is had. */
export function scheduleUrl(name: string): string {
  if (name === currentName) return '/v1/schedule';
  if (/^[0-9a-f]{64}$/.test(name)) return `/v1/schedule/${name}`;
  return `/v1/backup/${encodeURIComponent(name.replace(/\.json\.gz$/, ''))}`;
}
