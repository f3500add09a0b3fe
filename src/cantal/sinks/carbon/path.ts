/**
 * Part of a metric's path, as carbon's plaintext protocol can carry it and whisper can name a file by it: blanks, slashes,
 * control characters and the signs of Graphite's patterns become `_`. Dots stay: they are levels.
 */
export function cleaned(part: string): string {
  const plain = part.replace(/[^\w.:@#%+=~-]/gu, '_').replace(/\.{2,}/g, '.');
  return plain.replace(/^\.+|\.+$/g, '') || '_';
}

/** As one level. */
export const level = (part: string): string => cleaned(part).replaceAll('.', '_');

/** A line of the plaintext protocol; null where the value is no number that carbon takes. */
export function line(path: string, value: number, seconds: number): string | null {
  return Number.isFinite(value) ? `${path} ${value} ${seconds}\n` : null;
}
