const units = ['k', 'M', 'G', 'T'] as const;

/** `12B`, `3.4MB`: powers of 1000. */
export function sizeText(bytes: number): string {
  let [value, unit] = [bytes, ''];
  for (const next of units) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${unit === '' || value >= 100 ? Math.round(value) : value.toFixed(1)}${unit}B`;
}
