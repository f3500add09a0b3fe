import { type NumberKind, type Sample, small } from '../query/sample.ts';

/**
 * The values of a filter's slots, scan by scan. In a row every slot is either compared with its value in the row before
 * (after a missing one: with 0), or is a run of slots that are alike. A token is a varint (LEB128) whose two low bits
 * say what the rest is:
 *
 *   0: so many slots have the value of the row before    2: one slot, the zigzag difference
 *   1: so many slots are missing                          3: one slot, 8 bytes follow (little-endian)
 *
 * Differences of floats are in thousandths, where that gives the very value back: figures like 0.37 are most of them.
 * Differences stay below 2^50; larger ones, and whole numbers beyond 2^53, are sent as their 8 bytes.
 */
const farthest = 2 ** 50;
const floatScale = 1000;

export interface Slots {
  readonly kinds: readonly NumberKind[];
  /** In the newest row; null = missing. Written by both directions; as long as `kinds`. */
  readonly last: Sample[];
}

/** `rows[i][slot]`; null = missing. */
export function encodeRows(rows: readonly (readonly Sample[])[], { kinds, last }: Slots): Uint8Array {
  const out = growing();
  for (const row of rows) {
    let run = 0;
    let runKind = 0;
    const endRun = (): void => {
      if (run > 0) out.varint(run * 4 + runKind);
      run = 0;
    };
    for (let slot = 0; slot < kinds.length; slot++) {
      const value = row[slot] ?? null;
      const before = last[slot] ?? null;
      last[slot] = value;
      const alike = value === null ? 1 : Object.is(value, before) ? 0 : null;
      if (alike !== null) {
        if (alike !== runKind) endRun();
        runKind = alike;
        run += 1;
        continue;
      }
      endRun();
      const difference = differenceOf(value, before, kinds[slot] ?? 'Float');
      if (difference === null) {
        out.varint(3);
        out.eight(value ?? 0, kinds[slot] ?? 'Float');
      } else out.varint((difference >= 0 ? difference * 2 : -difference * 2 - 1) * 4 + 2);
    }
    endRun();
  }
  return out.bytes();
}

export class DamagedRows extends Error {}

/** Throws DamagedRows where the bytes are not `count` rows of the slots, to the byte. */
export function decodeRows(bytes: Uint8Array, count: number, { kinds, last }: Slots): Sample[][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at];
      if (byte === undefined) throw new DamagedRows('the rows end too early');
      at += 1;
      value += (byte & 0x7f) * shift;
      if (value > Number.MAX_SAFE_INTEGER) throw new DamagedRows('a number is too large');
      if (byte < 0x80) return value;
    }
  };
  const rows: Sample[][] = [];
  for (let index = 0; index < count; index++) {
    const row: Sample[] = [];
    while (row.length < kinds.length) {
      const token = varint();
      const rest = Math.floor(token / 4);
      switch (token % 4) {
        case 0:
        case 1:
          if (rest === 0 || row.length + rest > kinds.length) throw new DamagedRows('a run is longer than its row');
          for (let end = row.length + rest; row.length < end; ) {
            row.push(token % 4 === 1 ? null : (last[row.length] ?? refuseRepeat()));
          }
          break;
        case 2: {
          const difference = rest % 2 === 0 ? rest / 2 : -(rest + 1) / 2;
          row.push(applied(difference, last[row.length] ?? null, kinds[row.length] ?? 'Float'));
          break;
        }
        default: {
          if (rest !== 0 || at + 8 > bytes.length) throw new DamagedRows('the rows end too early');
          row.push(eightOf(view, at, kinds[row.length] ?? 'Float'));
          at += 8;
        }
      }
    }
    for (let slot = 0; slot < row.length; slot++) last[slot] = row[slot] ?? null;
    rows.push(row);
  }
  if (at !== bytes.length) throw new DamagedRows('bytes are left over');
  return rows;
}

function refuseRepeat(): never {
  throw new DamagedRows('a missing value is repeated');
}

/** Null: send the value itself. */
function differenceOf(value: Sample, before: Sample, kind: NumberKind): number | null {
  if (typeof value !== 'number' || typeof before === 'bigint') return null;
  if (kind === 'Float') {
    const difference = Math.round(value * floatScale) - Math.round((before ?? 0) * floatScale);
    if (!(Math.abs(difference) < farthest)) return null;
    return Object.is(applied(difference, before, kind, false), value) ? difference : null;
  }
  const difference = value - (before ?? 0);
  return Number.isSafeInteger(value) && Math.abs(difference) < farthest && !Object.is(value, -0) ? difference : null;
}

function applied(difference: number, before: Sample, kind: NumberKind, check = true): number {
  const base = Number(before ?? 0);
  const value = kind === 'Float' ? (Math.round(base * floatScale) + difference) / floatScale : base + difference;
  if (check && (typeof before === 'bigint' || !Number.isFinite(value))) {
    throw new DamagedRows('a difference to something that has none');
  }
  if (check && kind !== 'Float' && !Number.isSafeInteger(value)) throw new DamagedRows('a difference leads too far');
  return value;
}

function eightOf(view: DataView, at: number, kind: NumberKind): Sample {
  if (kind === 'Float') {
    const value = view.getFloat64(at, true);
    // NaN is how a missing sample is written elsewhere.
    return Number.isNaN(value) ? null : value;
  }
  return small(kind === 'Counter' ? view.getBigUint64(at, true) : view.getBigInt64(at, true));
}

function growing() {
  let buffer = new Uint8Array(1024);
  let length = 0;
  const room = (more: number): void => {
    if (length + more <= buffer.length) return;
    const larger = new Uint8Array(Math.max(buffer.length * 2, length + more));
    larger.set(buffer);
    buffer = larger;
  };
  return {
    varint(value: number): void {
      room(8);
      let rest = value;
      while (rest >= 0x80) {
        buffer[length++] = (rest % 128) + 0x80;
        rest = Math.floor(rest / 128);
      }
      buffer[length++] = rest;
    },
    eight(value: number | bigint, kind: NumberKind): void {
      room(8);
      const view = new DataView(buffer.buffer, length, 8);
      if (kind === 'Float') view.setFloat64(0, Number(value), true);
      else view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
      length += 8;
    },
    bytes: (): Uint8Array => buffer.slice(0, length),
  };
}
