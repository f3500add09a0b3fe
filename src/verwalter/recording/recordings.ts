import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, type Json } from '../canonical.ts';
import type { RecordedRound, RoundHead } from './recorded-round.ts';
import { segmentSuffix } from './recorder.ts';
import { readRounds, type SegmentIndex, scanSegment } from './segment-file.ts';

/** Recordings to be read and never written, a running agent's folder too. */
export interface Recordings {
  readonly segments: readonly SegmentIndex[];
  /** The inputs that were named as JSON files. */
  readonly inputs: readonly RecordedRound[];
  /** Where those are. */
  readonly inputFiles: readonly string[];
  /** Of files that could not be read, or not to their end. */
  readonly problems: readonly string[];
}

/** `paths`: folders of recordings, single files of them, or JSON of one input. */
export const openRecordings = (paths: readonly string[]): Recordings => {
  const segments: SegmentIndex[] = [];
  const inputs: RecordedRound[] = [];
  const inputFiles: string[] = [];
  const problems: string[] = [];
  const addSegment = (file: string): void => {
    const segment = scanSegment(file);
    if ('problem' in segment) {
      problems.push(segment.problem);
      return;
    }
    if (segment.tail !== null)
      problems.push(`${file}: ${segment.tail.problem}; ${segment.tail.bytes} bytes are not read`);
    segments.push(segment);
  };
  for (const path of paths) {
    try {
      if (statSync(path).isDirectory()) {
        const names = readdirSync(path).filter((name) => name.endsWith(segmentSuffix));
        if (names.length === 0) problems.push(`${path}: there are no recordings in it (files NAME${segmentSuffix})`);
        for (const name of names.sort()) addSegment(join(path, name));
      } else if (path.endsWith(segmentSuffix)) addSegment(path);
      else {
        inputs.push(inputOf(path, (inputs.at(-1)?.id ?? 0) + 1));
        inputFiles.push(path);
      }
    } catch (error) {
      const { message } = error as Error;
      problems.push(message.includes(path) ? message : `${path}: ${message}`);
    }
  }
  return { segments, inputs, inputFiles, problems };
};

/** An input as /v1/scheduler_input shows it, or a round as /v1/recordings/ID does. */
const inputOf = (file: string, leastId: number): RecordedRound => {
  const value = JSON.parse(readFileSync(file, 'utf8')) as Json;
  if (!isObject(value)) throw new Error('not an object');
  const input = isObject(value.input) ? value.input : value;
  if (typeof input.now !== 'number' || typeof input.current_host !== 'string')
    throw new Error('not the input of a round: it has no `now` and no `current_host`');
  const output = isObject(value.output) ? value.output : null;
  return {
    id: Math.max(typeof value.id === 'number' ? value.id : 0, leastId),
    timestamp: input.now,
    epoch: typeof input.epoch === 'number' ? input.epoch : 0,
    reason: typeof input.reason === 'string' ? input.reason : '',
    ok: true,
    changed: false,
    hash: output !== null && typeof value.hash === 'string' ? value.hash : null,
    error: null,
    durationMs: 0,
    schedulerHash: typeof value.scheduler_hash === 'string' ? value.scheduler_hash : '',
    strictScheduler: false,
    strictSchedule: false,
    input,
    output,
    answers: {},
    warnings: [],
    log: '',
    scheduler: null,
  };
};

/** All of them, segment by segment. Throws DamagedRecording. */
export async function* roundsOf(
  { segments, inputs }: Recordings,
  wanted: (head: RoundHead) => boolean,
): AsyncGenerator<RecordedRound> {
  for (const segment of segments) yield* readRounds(segment, wanted);
  yield* inputs.filter(wanted);
}
