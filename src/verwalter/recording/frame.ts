import { crc32 } from 'node:zlib';
import { Builder } from 'flatbuffers';
import { BoundedBuffer } from '../../cluster/wire/bounded-buffer.ts';
import { Body as WireBody } from './generated/body.ts';
import { Head as WireHead } from './generated/head.ts';
import { Part as WirePart } from './generated/part.ts';
import type { RoundHead } from './recorded-round.ts';

// How rounds lie in a segment file: schema/recording.fbs. Pure; segment.ts and reader.ts read and write files.

export const magic = Buffer.from('SWROUND1');
export const frameHeaderBytes = 16;
/** An error's text is cut to fit. */
const mostHeadBytes = 64 * 1024;
const mostErrorLength = 4096;
/** Schedules of 10 MiB, some parents of them and metrics of a thousand nodes; also what a damaged file may make us hold. */
export const mostBodyBytes = 128 * 1024 * 1024;

export interface FrameHead {
  readonly head: RoundHead;
  /** Before and after compression. */
  readonly rawBytes: number;
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  /** Of the compressed body, from the beginning of the frame. */
  readonly bodyOffset: number;
}

/** JSON text, or the numbers of the blobs that hold it. */
export type InputPart =
  | { readonly key: string; readonly text: string }
  | { readonly key: string; readonly blob: number }
  | { readonly key: string; readonly list: readonly number[] };

export interface Body {
  readonly input: readonly InputPart[];
  readonly output: number | null;
  readonly answers: string;
  readonly warnings: readonly string[];
  readonly log: string;
  readonly scheduler: number | null;
  /** New ones, numbered on from those before. */
  readonly blobs: readonly Uint8Array[];
}

export const encodeFrame = (head: RoundHead, rawBytes: number, body: Uint8Array): Buffer => {
  const builder = new Builder(1024);
  const reason = builder.createString(head.reason);
  const hash = builder.createString(head.hash ?? '');
  const error = builder.createString((head.error ?? '').slice(0, mostErrorLength));
  const schedulerHash = builder.createString(head.schedulerHash);
  WireHead.startHead(builder);
  WireHead.addId(builder, head.id);
  WireHead.addTimestamp(builder, head.timestamp);
  WireHead.addEpoch(builder, head.epoch);
  WireHead.addReason(builder, reason);
  WireHead.addOk(builder, head.ok);
  WireHead.addChanged(builder, head.changed);
  WireHead.addHash(builder, hash);
  WireHead.addError(builder, error);
  WireHead.addDuration(builder, head.durationMs);
  WireHead.addSchedulerHash(builder, schedulerHash);
  WireHead.addStrictScheduler(builder, head.strictScheduler);
  WireHead.addStrictSchedule(builder, head.strictSchedule);
  WireHead.addBodyLength(builder, rawBytes);
  builder.finish(WireHead.endHead(builder));
  const bytes = builder.asUint8Array();
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32LE(bytes.length, 0);
  header.writeUInt32LE(body.length, 4);
  header.writeUInt32LE(crc32(bytes, crc32(header.subarray(0, 8))), 8);
  header.writeUInt32LE(crc32(body), 12);
  return Buffer.concat([header, bytes, body]);
};

/**
 * The frame that begins here. `short`: there are fewer bytes than it needs (of its head; the body may still be cut off).
 * Never throws, whatever the bytes.
 */
export const decodeFrameHead = (
  bytes: Uint8Array,
): FrameHead | { readonly problem: string; readonly short: boolean } => {
  const broken = (problem: string, short = false) => ({ problem, short });
  if (bytes.length < frameHeaderBytes) return broken('ends in the head of a round', true);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headBytes = view.getUint32(0, true);
  const bodyBytes = view.getUint32(4, true);
  if (headBytes > mostHeadBytes || bodyBytes > mostBodyBytes) return broken('a round of an impossible length');
  const end = frameHeaderBytes + headBytes;
  if (bytes.length < end) return broken('ends in the head of a round', true);
  const wire = bytes.subarray(frameHeaderBytes, end);
  if (crc32(wire, crc32(bytes.subarray(0, 8))) !== view.getUint32(8, true))
    return broken('the head of a round is damaged');
  try {
    const head = WireHead.getRootAsHead(new BoundedBuffer(wire));
    const rawBytes = head.bodyLength();
    if (rawBytes > mostBodyBytes) return broken('a round of an impossible length');
    const textOr = (text: string | null): string | null => (text === null || text === '' ? null : text);
    return {
      head: {
        id: finite(head.id()),
        timestamp: finite(head.timestamp()),
        epoch: finite(head.epoch()),
        reason: head.reason() ?? '',
        ok: head.ok(),
        changed: head.changed(),
        hash: textOr(head.hash()),
        error: textOr(head.error()),
        durationMs: finite(head.duration()),
        schedulerHash: head.schedulerHash() ?? '',
        strictScheduler: head.strictScheduler(),
        strictSchedule: head.strictSchedule(),
      },
      rawBytes,
      bodyBytes,
      bodyCrc: view.getUint32(12, true),
      bodyOffset: end,
    };
  } catch (error) {
    return broken(`the head of a round: ${(error as Error).message}`);
  }
};

const finite = (value: number): number => {
  if (!Number.isFinite(value)) throw new Error('a number that is none');
  return value;
};

/** The body before compression. */
export const encodeBody = (body: Body): Buffer => {
  const builder = new Builder(1024 + body.log.length);
  const parts = body.input.map((part) => {
    const key = builder.createString(part.key);
    if ('text' in part) {
      const text = builder.createString(part.text);
      WirePart.startPart(builder);
      WirePart.addKey(builder, key);
      WirePart.addText(builder, text);
      return WirePart.endPart(builder);
    }
    const blobs = WirePart.createBlobsVector(builder, 'blob' in part ? [part.blob] : [...part.list]);
    WirePart.startPart(builder);
    WirePart.addKey(builder, key);
    WirePart.addBlobs(builder, blobs);
    WirePart.addList(builder, 'list' in part);
    return WirePart.endPart(builder);
  });
  const input = WireBody.createInputVector(builder, parts);
  const answers = builder.createString(body.answers);
  const warnings = WireBody.createWarningsVector(
    builder,
    body.warnings.map((warning) => builder.createString(warning)),
  );
  const log = builder.createString(body.log);
  const lengths = WireBody.createBlobLengthsVector(
    builder,
    body.blobs.map((blob) => blob.length),
  );
  WireBody.startBody(builder);
  WireBody.addInput(builder, input);
  WireBody.addOutput(builder, body.output ?? -1);
  WireBody.addAnswers(builder, answers);
  WireBody.addWarnings(builder, warnings);
  WireBody.addLog(builder, log);
  WireBody.addScheduler(builder, body.scheduler ?? -1);
  WireBody.addBlobLengths(builder, lengths);
  builder.finish(WireBody.endBody(builder));
  const bytes = builder.asUint8Array();
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes, ...body.blobs]);
};

/** Never throws, whatever the bytes. Blobs are parts of `bytes`, not copies. */
export const decodeBody = (bytes: Uint8Array): Body | { readonly problem: string } => {
  try {
    if (bytes.length < 4) throw new Error('too short');
    const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    if (length > bytes.length - 4) throw new Error('too short');
    const wire = WireBody.getRootAsBody(new BoundedBuffer(bytes.subarray(4, 4 + length)));
    let at = 4 + length;
    const blobs = items(wire.blobLengthsLength(), bytes.length, (index) => {
      const size = wire.blobLengths(index) ?? 0;
      at += size;
      if (at > bytes.length) throw new Error('a blob ends outside');
      return bytes.subarray(at - size, at);
    });
    if (at !== bytes.length) throw new Error('bytes after the last blob');
    return {
      input: items(wire.inputLength(), bytes.length, (index) => inputPart(wire.input(index), bytes.length)),
      output: wire.output() < 0 ? null : wire.output(),
      answers: wire.answers() ?? '{}',
      warnings: items(wire.warningsLength(), bytes.length, (index) => wire.warnings(index) ?? ''),
      log: wire.log() ?? '',
      scheduler: wire.scheduler() < 0 ? null : wire.scheduler(),
      blobs,
    };
  } catch (error) {
    return { problem: (error as Error).message };
  }
};

const inputPart = (part: WirePart | null, most: number): InputPart => {
  const key = part?.key() ?? null;
  if (part === null || key === null) throw new Error('a part of the input without a key');
  const text = part.text();
  if (text !== null) return { key, text };
  const blobs = items(part.blobsLength(), most, (index) => part.blobs(index) ?? 0);
  if (part.list()) return { key, list: blobs };
  const [blob] = blobs;
  if (blob === undefined) throw new Error(`${key}: no value`);
  return { key, blob };
};

/** A list cannot have more items than its file has bytes. */
const items = <T>(length: number, most: number, item: (index: number) => T): T[] => {
  if (length < 0 || length > most) throw new Error('a list of an impossible length');
  return Array.from({ length }, (_, index) => item(index));
};
