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
