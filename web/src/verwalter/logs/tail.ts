/** The piece of a file that is held: bytes first … first + bytes.length of a file that has `size` by now. */
export interface Tail {
  readonly first: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

/** What is asked for at once. */
export const pieceBytes = 16 * 1024;
/** Followed for hours a log must not fill the browser: its oldest part goes. */
export const heldBytes = 1024 * 1024;

export interface Span {
  readonly first: number;
  readonly last: number;
}

export const endOf = ({ first, bytes }: Tail): number => first + bytes.length;

/** The piece before what is held; null: it begins at the beginning. */
export const spanBefore = ({ first }: Tail): Span | null =>
  first === 0 ? null : { first: Math.max(0, first - pieceBytes), last: first - 1 };

/**
 * The piece after what is held. It begins with the last byte that is held: a question for bytes that are not there yet
 * would be an error.
 */
export function spanAfter(tail: Tail, most = pieceBytes): Span {
  const end = endOf(tail);
  return { first: Math.max(0, end - 1), last: end + most - 1 };
}

/** A piece that came for one of these spans. `cut`: the file is shorter than what is held of it: it is another one. */
export type Joined = { readonly kind: 'tail'; readonly tail: Tail } | { readonly kind: 'cut' };

export interface Piece {
  readonly first: number;
  readonly bytes: Uint8Array;
  /** Of the whole file. */
  readonly size: number;
}

/** Puts a piece before or after what is held, and keeps the rest of what is too much at the other side. */
export function join(tail: Tail, piece: Piece): Joined {
  const size = piece.size;
  if (size < endOf(tail)) return { kind: 'cut' };
  const pieceEnd = piece.first + piece.bytes.length;
  // What lies apart is not joined: something asked for twice came late.
  if (piece.first > endOf(tail) || pieceEnd < tail.first) return { kind: 'tail', tail: { ...tail, size } };
  const first = Math.min(tail.first, piece.first);
  const bytes = new Uint8Array(Math.max(endOf(tail), pieceEnd) - first);
  bytes.set(piece.bytes, piece.first - first);
  bytes.set(tail.bytes, tail.first - first);
  if (bytes.length <= heldBytes) return { kind: 'tail', tail: { first, bytes, size } };
  if (piece.first < tail.first) return { kind: 'tail', tail: { first, bytes: bytes.subarray(0, heldBytes), size } };
  const gone = bytes.length - heldBytes;
  return { kind: 'tail', tail: { first: first + gone, bytes: bytes.subarray(gone), size } };
}

const decoder = new TextDecoder();

/** As text: without the halves of characters at both ends, which belong to other pieces. */
export function textOf({ first, bytes, size }: Tail): string {
  let from = 0;
  if (first > 0) while (from < bytes.length && from < 3 && isContinuation(bytes[from])) from += 1;
  let to = bytes.length;
  if (first + bytes.length < size || isOpen(bytes)) to = wholeUntil(bytes);
  return decoder.decode(bytes.subarray(from, Math.max(from, to)));
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;
const lengthOf = (byte: number): number => (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1);

/** Whether a character has begun at the end and not ended: somebody is writing. */
const isOpen = (bytes: Uint8Array): boolean => wholeUntil(bytes) < bytes.length;

/** How many bytes are whole characters, as far as can be told from the last four. */
function wholeUntil(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at >= 0 && at > bytes.length - 4; at -= 1) {
    const byte = bytes[at] ?? 0;
    if (isContinuation(byte)) continue;
    return at + lengthOf(byte) > bytes.length ? at : bytes.length;
  }
  return bytes.length;
}
