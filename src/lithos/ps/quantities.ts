const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Three digits at most, as `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would round to 1024 is one of the next unit.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 9.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

const secondsPer = { d: 86_400, h: 3600, min: 60 } as const;

/** The two largest parts, as `2 h 5 min`; below a minute `12 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    [Math.floor(seconds / secondsPer.d), 'd'],
    [Math.floor((seconds % secondsPer.d) / secondsPer.h), 'h'],
    [Math.floor((seconds % secondsPer.h) / secondsPer.min), 'min'],
    [seconds % secondsPer.min, 's'],
  ] as const;
  const largest = parts.findIndex(([count]) => count > 0);
  const first = largest === -1 ? parts.length - 1 : largest;
  const shown = parts.slice(first, first + 2).filter(([count], index) => index === 0 || count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}
