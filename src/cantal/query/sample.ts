/** A value of a number series: whole numbers beyond 2^53 as bigint, null = missing. */
export type Sample = number | bigint | null;

export type NumberKind = 'Counter' | 'Integer' | 'Float';

/** Exact for whole numbers of any size. */
export function add(a: number | bigint, b: number | bigint, kind: NumberKind): number | bigint {
  if (kind === 'Float') return Number(a) + Number(b);
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return small(BigInt(a) + BigInt(b));
}

export function subtract(a: number | bigint, b: number | bigint, kind: NumberKind): number | bigint {
  if (kind === 'Float') return Number(a) - Number(b);
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return small(BigInt(a) - BigInt(b));
}

/** As a number wherever a number is exact, so that equal values have one form. */
export function small(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? Number(value) : value;
}

/** JSON has neither large integers nor infinities: those are strings. */
export function sampleToJson(sample: Sample): number | string | null {
  if (sample === null) return null;
  if (typeof sample === 'bigint' || !Number.isFinite(sample)) return String(sample);
  return sample;
}

/** Time stamps of two series; most often one list. */
export function sameTimes(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((time, index) => time === b[index]));
}
