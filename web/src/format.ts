/** Figures in words. Every function takes null for "not known" and answers with a dash. */

export const unknown = '–';

const groups = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** 12345 → "12 345", with the narrow no-break space that SI asks for. */
export function formatCount(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return unknown;
  return groups.format(value).replaceAll(',', '\u202f');
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Three significant digits in binary units. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null || !Number.isFinite(bytes)) return unknown;
  let value = Math.max(0, bytes);
  let unit = 0;
  // 1023.5 would be written as "1024 KiB".
  while (value >= 1023.5 && unit < byteUnits.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${byteUnits[unit]}`;
}

function threeDigits(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  if (value < 99.95) return value.toFixed(1);
  return value.toFixed(0);
}

/** A share of one core as percent: 0.034 → "3.4 %", 1.5 → "150 %". */
export function formatCpu(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return unknown;
  const percent = Math.max(0, share) * 100;
  return `${percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** The two largest units: "3 s", "4 min 05 s", "2 h 11 min", "5 d 3 h". */
export function formatDuration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return unknown;
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Time since `atMs`; a clock slightly ahead of ours counts as now. */
export function formatAge(atMs: number | null, now: number): string {
  return atMs === null ? unknown : formatDuration(now - atMs);
}

/** As many digits of a hash as tell two schedules apart by eye. */
export function shortHash(hash: string | null): string {
  return hash === null ? unknown : hash.slice(0, 8);
}

export function formatMs(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return unknown;
  return `${ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
