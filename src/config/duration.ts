const durationPattern = /^(?:(?<d>\d+)d)?(?:(?<h>\d+)h)?(?:(?<m>\d+)m)?(?:(?<s>\d+)s)?$/;
const msPerUnit = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 } as const;

/** `7d`, `12h`, `30m`, `90s`, or several of them from long to short as `1d12h`. */
export function parseDuration(text: string): { readonly ms: number } | { readonly problem: string } {
  const groups = durationPattern.exec(text)?.groups;
  if (text === '' || groups === undefined) {
    return { problem: `${JSON.stringify(text)}: expected a duration such as 7d, 12h, 30m or 1d12h` };
  }
  const units = ['d', 'h', 'm', 's'] as const;
  const ms = units.reduce((sum, unit) => sum + Number(groups[unit] ?? 0) * msPerUnit[unit], 0);
  return Number.isSafeInteger(ms) ? { ms } : { problem: `${text}: too long` };
}

const units: Readonly<Record<string, number>> = {
  ...{ ms: 1, msec: 1, millisecond: 1 },
  ...{ s: 1000, sec: 1000, second: 1000 },
  ...{ m: 60_000, min: 60_000, minute: 60_000 },
  ...{ h: 3_600_000, hr: 3_600_000, hour: 3_600_000 },
  ...{ d: 86_400_000, day: 86_400_000 },
  ...{ w: 604_800_000, week: 604_800_000 },
};

/** What people type at a prompt: `1h`, `1 hour`, `90min`, `1 day 12 hours`. */
export function parseHumanDuration(text: string): { readonly ms: number } | { readonly problem: string } {
  const parts = [...text.matchAll(/(\d{1,12})\s*([a-z]+)\s*/gy)];
  const ms = parts.map(
    ([, count, unit = '']) => Number(count) * (units[unit] ?? units[unit.replace(/s$/, '')] ?? Number.NaN),
  );
  const sum = ms.reduce((all, each) => all + each, 0);
  const read = parts.reduce((all, [part]) => all + part.length, 0);
  if (parts.length > 0 && read === text.length && Number.isSafeInteger(sum)) return { ms: sum };
  return { problem: `${JSON.stringify(text)}: expected a duration such as "1 hour", "90 min" or "1d 12h"` };
}
