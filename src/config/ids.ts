import { list } from './record.ts';
import { integer, type Schema, scalar } from './schema.ts';

/** 2^32 - 1 means "no id" to the kernel (setresuid(2)). */
export const greatestId = 2 ** 32 - 2;

export const idNumber = integer({ min: 0, max: greatestId }, 'an id');

export interface NumberRange {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

/** `N` or `A-B`. */
export function rangeOf(what: string, min: number, max: number): Schema<NumberRange> {
  return scalar(`${what} N or a range A-B from ${min} to ${max}`, (text) => {
    const [, from, to = from] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text) ?? [];
    if (from === undefined || to === undefined) return null;
    const range = { first: Number(from), last: Number(to) };
    return range.first >= min && range.last <= max && range.first <= range.last ? range : null;
  });
}

export const idRanges = list(rangeOf('an id', 0, greatestId));
