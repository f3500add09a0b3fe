/** Literals of PromQL; each reader gives null where the text is none. */

const units: readonly (readonly [unit: string, ms: number])[] = [
  ['y', 365 * 24 * 3_600_000],
  ['w', 7 * 24 * 3_600_000],
  ['d', 24 * 3_600_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];
const durationShape = new RegExp(`^${units.map(([unit]) => `(?:(\\d+)${unit})?`).join('')}$`);

/** "1h30m", or seconds as a plain number, in ms. */
export function durationOf(text: string): number | null {
  const found = durationShape.exec(text);
  if (found !== null && text !== '') {
    return units.reduce((sum, [, ms], index) => sum + ms * Number(found[index + 1] ?? 0), 0);
  }
  const seconds = numberOf(text);
  return seconds === null ? null : seconds * 1000;
}

/** As Go reads it: decimal, hexadecimal, with exponent, Inf, NaN. A sign may stand before. */
export function numberOf(text: string): number | null {
  const sign = text.startsWith('-') ? -1 : 1;
  const plain = text.replace(/^[+-]\s*/, '').toLowerCase();
  if (plain === 'inf') return sign * Number.POSITIVE_INFINITY;
  if (plain === 'nan') return Number.NaN;
  if (/^0x[0-9a-f]+$/.test(plain) || /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(plain)) return sign * Number(plain);
  return null;
}

const escapes: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '"': '"', "'": "'" },
};

/** In quotes of one of three kinds; those of backticks have no escapes. */
export function stringOf(text: string): string | null {
  const quote = text[0];
  if (text.length < 2 || quote === undefined || text.at(-1) !== quote) return null;
  const inner = text.slice(1, -1);
  if (quote === '`') return inner;
  let good = true;
  const read = inner.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S])|$)/g,
    (_all, x, u, big, octal, one) => {
      const code = x ?? u ?? big;
      if (code !== undefined && Number.parseInt(code, 16) <= 0x10_ffff) {
        return String.fromCodePoint(Number.parseInt(code, 16));
      }
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      const plain = one === undefined ? undefined : escapes[one];
      if (plain === undefined) good = false;
      return plain ?? '';
    },
  );
  return good ? read : null;
}
