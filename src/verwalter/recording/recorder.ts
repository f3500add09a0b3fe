import { mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobTable, bodyOfRound, emptyBlobTable, type RoundToRecord } from './body-of-round.ts';
import { decodeFrameHead, encodeBody, encodeFrame, magic, mostBodyBytes } from './frame.ts';
import { outdatedRecordings, type RecordKeep } from './record-keep.ts';
import type { RecordedRound, RoundHead } from './recorded-round.ts';
import { type SegmentCompressor, segmentCompressor } from './segment.ts';
import { type FrameAt, readRounds, type SegmentIndex, scanSegment } from './segment-file.ts';

export const segmentSuffix = '.rounds';

/** To read one round, all before it in its segment are decompressed: some tenths of a second at these sizes. */
const mostRounds = 256;
const mostSegmentBytes = 4 * 1024 * 1024;
const mostRawBytes = 32 * 1024 * 1024;
/** A compressor holds some MiB; a node that no longer leads gives them back. */
const restMs = 60_000;
/** A disk that hangs must not fill the memory: rounds beyond this are not recorded. */
const mostWaiting = 20;

export interface RecorderOptions {
  readonly dir: string;
  readonly keep: RecordKeep;
  readonly nowMs: () => number;
  /** What is wrong with the recordings; null: nothing any more. */
  readonly setError: (text: string | null) => void;
  /** One line for the operator. */
  readonly log: (line: string) => void;
}

export interface Recorder {
  /** Returns at once; the round is written soon. */
  record(round: RoundToRecord): void;
  /** The oldest first. */
  heads(): Promise<readonly RoundHead[]>;
  /** Null: there is none with this id. Throws DamagedRecording. */
  read(id: number): Promise<RecordedRound | null>;
  /** The wanted rounds, the newest first; those of one file are in memory at once. Throws DamagedRecording. */
  newestFirst(wanted: (head: RoundHead) => boolean): AsyncGenerator<RecordedRound>;
  /** The wanted rounds, the oldest first. Throws DamagedRecording. */
  rounds(wanted: (head: RoundHead) => boolean): AsyncGenerator<RecordedRound>;
  /** Resolves when all that was handed over so far is written. */
  written(): Promise<void>;
  /** Writes what was handed over, and ends. */
  stop(): Promise<void>;
}

interface Segment extends SegmentIndex {
  readonly frames: FrameAt[];
  bytes: number;
}

interface Writing {
  readonly segment: Segment;
  readonly handle: FileHandle;
  readonly compressor: SegmentCompressor;
  readonly blobs: BlobTable;
  rawBytes: number;
}

/** Records rounds of this node into a folder that nobody else writes to. */
export const openRecorder = ({ dir, keep, nowMs, setError, log }: RecorderOptions): Recorder => {
  let segments: Segment[] = [];
  let writing: Writing | null = null;
  let waiting = 0;
  let lost = 0;
  let lastId = 0;
  let resting: NodeJS.Timeout | undefined;

  const load = async (): Promise<void> => {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(dir).sort()) {
      const file = join(dir, name);
      if (name.endsWith(brokenSuffix) && nowMs() - statSync(file).mtimeMs > keep.ms) rmSync(file, { force: true });
      if (!name.endsWith(segmentSuffix)) continue;
      const segment = mended(file, log);
      if (segment !== null) segments.push({ ...segment, frames: [...segment.frames] });
      // Some milliseconds a file: the agent answers in between.
      await new Promise(setImmediate);
    }
    lastId = segments.at(-1)?.frames.at(-1)?.head.id ?? 0;
    prune();
  };

  const prune = (): void => {
    const kept = segments.map(({ file, bytes, frames }) => ({
      file,
      bytes,
      newestMs: frames.at(-1)?.head.id ?? 0,
      changes: frames.reduce((sum, { head }) => sum + (head.changed ? 1 : 0), 0),
    }));
    const gone = new Set(outdatedRecordings(kept, keep, nowMs()));
    for (const file of gone) rmSync(file, { force: true });
    if (gone.size > 0) segments = segments.filter(({ file }) => !gone.has(file));
  };

  const endSegment = async (): Promise<void> => {
    const old = writing;
    writing = null;
    old?.compressor.close();
    await old?.handle.close();
  };

  const beginSegment = async (id: number): Promise<Writing> => {
    prune();
    const file = join(dir, `${String(id).padStart(15, '0')}${segmentSuffix}`);
    const handle = await open(file, 'wx', 0o600);
    await handle.write(magic);
    const segment: Segment = { file, bytes: magic.length, frames: [], tail: null };
    segments.push(segment);
    return { segment, handle, compressor: segmentCompressor(), blobs: emptyBlobTable(), rawBytes: 0 };
  };

  const write = async (round: RoundToRecord): Promise<void> => {
    const id = Math.max(Math.floor(nowMs()), lastId + 1);
    const full =
      writing !== null &&
      (writing.segment.frames.length >= mostRounds ||
        writing.segment.bytes >= mostSegmentBytes ||
        writing.rawBytes >= mostRawBytes);
    if (full) await endSegment();
    writing ??= await beginSegment(id);
    const { segment, handle, compressor, blobs } = writing;
    const raw = encodeBody(bodyOfRound(round, blobs));
    if (raw.length > mostBodyBytes) throw new Error(`a round of ${raw.length} bytes is too large to be recorded`);
    const frame = encodeFrame({ ...round, id }, raw.length, await compressor.add(raw));
    await handle.write(frame, 0, frame.length, segment.bytes);
    const head = decodeFrameHead(frame);
    if ('problem' in head) throw new Error(head.problem);
    segment.frames.push({ ...head, offset: segment.bytes });
    segment.bytes += frame.length;
    writing.rawBytes += raw.length;
    lastId = id;
  };

  const take = async (round: RoundToRecord): Promise<void> => {
    try {
      await write(round);
      setError(lost === 0 ? null : `${lost} rounds were not recorded: the disk was too slow`);
      lost = 0;
    } catch (error) {
      const file = writing?.segment.file ?? dir;
      setError(`${file}: ${(error as Error).message}`);
      await abandon();
    } finally {
      waiting--;
    }
  };

  /** What was half written is cut off; the next round begins a segment of its own. */
  const abandon = async (): Promise<void> => {
    const segment = writing?.segment;
    await endSegment().catch(() => {});
    if (segment === undefined) return;
    try {
      if (segment.frames.length > 0) return truncateSync(segment.file, segment.bytes);
      rmSync(segment.file, { force: true });
      segments = segments.filter((other) => other !== segment);
    } catch {
      // The next start finds the torn tail and says so.
    }
  };

  let last: Promise<void> = load().catch((error: Error) => setError(`${dir}: ${error.message}`));
  const then = (work: () => Promise<void>): Promise<void> => {
    last = last.then(work);
    return last;
  };
  const loaded = last;

  /** As it is now: what is written meanwhile is no part of an answer. */
  const present = async (): Promise<readonly Pick<SegmentIndex, 'file' | 'frames'>[]> => {
    await loaded;
    return segments.map(({ file, frames }) => ({ file, frames: [...frames] }));
  };

  async function* rounds(wanted: (head: RoundHead) => boolean): AsyncGenerator<RecordedRound> {
    for (const segment of await present()) yield* readRounds(segment, wanted);
  }

  async function* newestFirst(wanted: (head: RoundHead) => boolean): AsyncGenerator<RecordedRound> {
    for (const segment of [...(await present())].reverse()) {
      const found: RecordedRound[] = [];
      for await (const round of readRounds(segment, wanted)) found.push(round);
      yield* found.reverse();
    }
  }

  return {
    record(round) {
      if (waiting >= mostWaiting) {
        lost++;
        return;
      }
      waiting++;
      clearTimeout(resting);
      void then(() => take(round));
      resting = setTimeout(() => void then(endSegment), restMs).unref();
    },
    async heads() {
      await loaded;
      return segments.flatMap(({ frames }) => frames.map(({ head }) => head));
    },
    async read(id) {
      for await (const round of rounds((head) => head.id === id)) return round;
      return null;
    },
    newestFirst,
    rounds,
    written: () => last,
    async stop() {
      clearTimeout(resting);
      await then(endSegment);
    },
  };
};

const brokenSuffix = '.broken';

/** A torn tail is cut off, a file that is no recording put aside; both are said. */
const mended = (file: string, log: (line: string) => void): SegmentIndex | null => {
  const segment = scanSegment(file);
  if ('problem' in segment) {
    renameSync(file, `${file}${brokenSuffix}`);
    log(`recordings: ${segment.problem}; it is put aside as ${file}${brokenSuffix}`);
    return null;
  }
  if (segment.tail !== null) {
    truncateSync(file, segment.bytes);
    const rounds = segment.frames.length;
    log(`recordings: ${file}: ${segment.tail.problem}: ${segment.tail.bytes} bytes cut off after ${rounds} rounds`);
  }
  if (segment.frames.length > 0) return segment;
  rmSync(file, { force: true });
  return null;
};
