import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { emptyRecord, isObject, type Json } from '../canonical.ts';
import { type Body, decodeBody, decodeFrameHead, type FrameHead, magic } from './frame.ts';
import type { RecordedRound, RoundHead } from './recorded-round.ts';
import { segmentDecompressor } from './segment.ts';

/** Where a round lies in its file. */
export interface FrameAt extends FrameHead {
  readonly offset: number;
}

export interface SegmentIndex {
  readonly file: string;
  /** Up to the end of the last good round. */
  readonly bytes: number;
  readonly frames: readonly FrameAt[];
  /** What follows is cut off or damaged; null: nothing follows. */
  readonly tail: { readonly problem: string; readonly bytes: number } | null;
}

/** A head is some hundred bytes, but for one with a long error. */
const headPieceBytes = 2048;
const longestHeadBytes = 65 * 1024;

/** Reads the heads of a segment and checks its last body. A file that is no segment is a problem as a whole. */
export const scanSegment = (file: string): SegmentIndex | { readonly problem: string } => {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    return { problem: `${file}: ${(error as Error).message}` };
  }
  try {
    const size = fstatSync(fd).size;
    const start = Buffer.alloc(magic.length);
    if (readSync(fd, start, 0, start.length, 0) < start.length || !start.equals(magic))
      return { problem: `${file}: not a file of recorded rounds` };
    const frames: FrameAt[] = [];
    let at = magic.length;
    let problem: string | null = null;
    const piece = Buffer.alloc(longestHeadBytes);
    const frameAt = (offset: number, bytes: number) =>
      decodeFrameHead(piece.subarray(0, readSync(fd, piece, 0, bytes, offset)));
    while (at < size) {
      const first = frameAt(at, headPieceBytes);
      const frame = 'problem' in first && first.short ? frameAt(at, longestHeadBytes) : first;
      if ('problem' in frame) {
        problem = frame.problem;
        break;
      }
      const end = at + frame.bodyOffset + frame.bodyBytes;
      if (end > size) {
        problem = 'ends in the middle of a round';
        break;
      }
      frames.push({ ...frame, offset: at });
      at = end;
    }
    // A power cut may leave a hole in what was written last.
    const last = frames.at(-1);
    if (last !== undefined && !bodyIsSound(fd, last)) {
      frames.pop();
      at = last.offset;
      problem = 'the last round is damaged';
    }
    return { file, bytes: at, frames, tail: problem === null ? null : { problem, bytes: size - at } };
  } catch (error) {
    return { problem: `${file}: ${(error as Error).message}` };
  } finally {
    closeSync(fd);
  }
};

const bodyIsSound = (fd: number, frame: FrameAt): boolean => {
  const body = Buffer.alloc(frame.bodyBytes);
  return (
    readSync(fd, body, 0, body.length, frame.offset + frame.bodyOffset) === body.length && crc32(body) === frame.bodyCrc
  );
};

/** A round that cannot be read, and with it all after it in its segment. */
export class DamagedRecording extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DamagedRecording';
  }
}

/** Parsed values that come again: the schedule, the metadata, the scheduler. */
const keptValues = 8;

/** The wanted rounds of a segment, the oldest first. Throws DamagedRecording. */
export async function* readRounds(
  segment: Pick<SegmentIndex, 'file' | 'frames'>,
  wanted: (head: RoundHead) => boolean,
): AsyncGenerator<RecordedRound> {
  const last = segment.frames.findLastIndex(({ head }) => wanted(head));
  if (last < 0) return;
  const handle = await open(segment.file, 'r').catch((error: Error) => {
    throw new DamagedRecording(`${segment.file}: ${error.message}`);
  });
  const decompressor = segmentDecompressor();
  const blobs: Uint8Array[] = [];
  const values = new Map<number, Json>();
  const blobValue = (number: number): Json => {
    const bytes = blobs[number];
    if (bytes === undefined) throw new Error(`there is no blob ${number}`);
    const value =
      values.get(number) ?? (JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as Json);
    values.delete(number);
    values.set(number, value);
    const [oldest] = values.keys();
    if (values.size > keptValues && oldest !== undefined) values.delete(oldest);
    return value;
  };
  try {
    for (const frame of segment.frames.slice(0, last + 1)) {
      let round: RecordedRound | null;
      try {
        const body = decodeBody(await decompressor.next(await readBody(handle, frame), frame.rawBytes));
        if ('problem' in body) throw new Error(body.problem);
        blobs.push(...body.blobs);
        round = wanted(frame.head) ? roundOf(frame.head, body, blobValue) : null;
      } catch (error) {
        throw new DamagedRecording(`${segment.file}: round ${frame.head.id}: ${(error as Error).message}`);
      }
      if (round !== null) yield round;
    }
  } finally {
    decompressor.close();
    await handle.close();
  }
}

const readBody = async (handle: FileHandle, frame: FrameAt): Promise<Buffer> => {
  const body = Buffer.alloc(frame.bodyBytes);
  const { bytesRead } = await handle.read(body, 0, body.length, frame.offset + frame.bodyOffset);
  if (bytesRead < body.length) throw new Error('the file is shorter than it was');
  if (crc32(body) !== frame.bodyCrc) throw new Error('its checksum is wrong');
  return body;
};

const roundOf = (head: RoundHead, body: Body, blobValue: (blob: number) => Json): RecordedRound => {
  const input = emptyRecord<Json>();
  for (const part of body.input) {
    if ('text' in part) input[part.key] = JSON.parse(part.text) as Json;
    else input[part.key] = 'blob' in part ? blobValue(part.blob) : part.list.map(blobValue);
  }
  const output = body.output === null ? null : blobValue(body.output);
  if (output !== null && !isObject(output)) throw new Error('the schedule is not an object');
  const answers = JSON.parse(body.answers) as unknown;
  const scheduler = body.scheduler === null ? null : blobValue(body.scheduler);
  return {
    ...head,
    input,
    output,
    answers: isObject(answers) ? answers : {},
    warnings: body.warnings,
    log: body.log,
    scheduler: scheduler === null ? null : filesOf(scheduler),
  };
};

const filesOf = (value: Json): Readonly<Record<string, string>> => {
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== 'string'))
    throw new Error('the scheduler is not a tree of texts');
  return value as Readonly<Record<string, string>>;
};
