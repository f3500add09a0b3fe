const factors: Readonly<Record<string, bigint>> = {
  '': 1n,
  k: 1000n,
  M: 1000n ** 2n,
  G: 1000n ** 3n,
  T: 1000n ** 4n,
  ki: 1024n,
  Ki: 1024n,
  Mi: 1024n ** 2n,
  Gi: 1024n ** 3n,
  Ti: 1024n ** 4n,
};

const decimalInteger = /^([+-]?)(0|[1-9]\d*)(ki|[kMGT]|[KMGT]i)?$/;
const prefixedInteger = /^0(?:x[\da-fA-F]+|o[0-7]+|b[01]+)$/;
const decimalFraction = /^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?$/;
/** More digits than any limit of ours has; keeps BigInt's work small whatever the file holds. */
const mostDigits = 40;

/**
 * An integer as it stands in a configuration: decimal with an optional unit (k M G T are powers of 1000, ki Ki Mi Gi Ti
 * of 1024), or with the prefix 0x, 0o or 0b. Null where the text is none: a leading zero too, which YAML 1.1 read as octal
 * and YAML 1.2 reads as decimal.
 */
export function parseInteger(text: string): bigint | null {
  if (text.length > mostDigits) return null;
  if (prefixedInteger.test(text)) return BigInt(text);
  const [, sign, digits, unit = ''] = decimalInteger.exec(text) ?? [];
  if (digits === undefined) return null;
  const value = BigInt(digits) * (factors[unit] ?? 1n);
  return sign === '-' ? -value : value;
}

/** A decimal number with an optional fraction and exponent; null where the text is none. */
export function parseDecimal(text: string): number | null {
  if (text.length > mostDigits || !decimalFraction.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
