import type { Json } from '../canonical.ts';
import { hashText } from '../canonical.ts';
import type { Body, InputPart } from './frame.ts';
import type { RecordedRound } from './recorded-round.ts';

/** What a round hands over; its objects are not changed any more. */
export interface RoundToRecord extends Omit<RecordedRound, 'id'> {
  /** Of the parents in the input, in its order: what a schedule is stored by. */
  readonly parentHashes: readonly string[];
}

/** Blobs of a segment that is being written: what is there once is not written again. */
export interface BlobTable {
  /** Numbers by content: a hash, or an object that stays itself from round to round. */
  readonly numbers: Map<string | object, number>;
  count: number;
}

export const emptyBlobTable = (): BlobTable => ({ numbers: new Map(), count: 0 });

/** A number and a comma are no blob's worth. */
const inlineLength = 256;

/** Takes a round apart; the table knows its blobs afterwards. */
export const bodyOfRound = (round: RoundToRecord, table: BlobTable): Body => {
  const blobs: Uint8Array[] = [];
  const numberOf = (key: string | object, text: () => string): number => {
    const known = table.numbers.get(key);
    if (known !== undefined) return known;
    const number = table.count++;
    table.numbers.set(key, number);
    blobs.push(Buffer.from(text()));
    return number;
  };
  const schedule = (hash: string, data: Json): number => numberOf(`schedule ${hash}`, () => JSON.stringify(data));
  const parentsFit = Array.isArray(round.input.parents) && round.input.parents.length === round.parentHashes.length;

  const input: InputPart[] = [];
  for (const [key, value] of Object.entries(round.input)) {
    if (key === 'parents' && parentsFit) {
      const parents = value as readonly Json[];
      input.push({ key, list: parents.map((data, index) => schedule(round.parentHashes[index] ?? '', data)) });
      continue;
    }
    // The runtime metadata is the same object until a file changes.
    if (key === 'runtime' && typeof value === 'object' && value !== null) {
      input.push({ key, blob: numberOf(value, () => JSON.stringify(value)) });
      continue;
    }
    const text = JSON.stringify(value);
    if (text === undefined) continue;
    if (text.length < inlineLength) input.push({ key, text });
    else input.push({ key, blob: numberOf(hashText(text), () => text) });
  }
  return {
    input,
    output: round.output === null || round.hash === null ? null : schedule(round.hash, round.output),
    answers: JSON.stringify(round.answers),
    warnings: round.warnings,
    log: round.log,
    scheduler:
      round.scheduler === null
        ? null
        : numberOf(`scheduler ${round.schedulerHash}`, () => JSON.stringify(round.scheduler)),
    blobs,
  };
};
