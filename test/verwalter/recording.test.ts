import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import { bodyOfRound, emptyBlobTable, type RoundToRecord } from '../../src/verwalter/recording/body-of-round.ts';
import {
  decodeBody,
  decodeFrameHead,
  encodeBody,
  encodeFrame,
  frameHeaderBytes,
} from '../../src/verwalter/recording/frame.ts';
import { defaultRecordKeep, outdatedRecordings, parseRecordKeep } from '../../src/verwalter/recording/record-keep.ts';
import type { RecordedRound } from '../../src/verwalter/recording/recorded-round.ts';
import { openRecorder, type Recorder } from '../../src/verwalter/recording/recorder.ts';
import { openRecordings, roundsOf } from '../../src/verwalter/recording/recordings.ts';
import { scanSegment } from '../../src/verwalter/recording/segment-file.ts';

const t0 = 1_800_000_000_000;
const runtime = { app: { v1: { image: 'app-v1', text: 'x'.repeat(2000) } } };
const scheduler = { 'main.lua': `-- ${'a comment '.repeat(100)}` };

/** Round n of a leader whose schedule changes at every tenth round. */
const round = (n: number, more: Partial<RoundToRecord> = {}): RoundToRecord => {
  const data = (k: number): JsonObject => ({
    state: { count: k },
    nodes: { a: { roles: { web: { text: 'y'.repeat(3000) } } } },
  });
  const [parent, own] = [data(Math.floor((n - 1) / 10)), data(Math.floor(n / 10))];
  return {
    timestamp: t0 + n * 5000,
    epoch: 3,
    reason: 'timer',
    ok: true,
    changed: n % 10 === 0,
    hash: hashJson(own),
    error: null,
    durationMs: 12.5,
    schedulerHash: 's'.repeat(64),
    strictScheduler: false,
    strictSchedule: true,
    input: {
      now: t0 + n * 5000,
      current_host: 'a',
      parents: [parent],
      actions: n % 7 === 0 ? { 1: { button: { role: 'web' } } } : {},
      runtime,
      peers: Object.fromEntries(
        Array.from({ length: 20 }, (_, i) => [`${i}`.padStart(32, '0'), { hostname: `n${i}`, last: n * 5000 + i }]),
      ),
      __proto__safe: null,
    },
    output: own,
    answers: n % 7 === 0 ? { 1: 'done' } : {},
    warnings: n % 3 === 0 ? ['nodes.a: no template'] : [],
    log: `round ${n}\nein Gruß 👋`,
    scheduler,
    parentHashes: [hashJson(parent)],
    ...more,
  };
};

let dir: string;
let said: string[];
let errors: (string | null)[];
let clock: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verwalter-recording-'));
  said = [];
  errors = [];
  clock = t0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (keep = defaultRecordKeep): Recorder =>
  openRecorder({
    dir,
    keep,
    nowMs: () => clock,
    setError: (text) => errors.push(text),
    log: (line) => said.push(line),
  });

const record = async (recorder: Recorder, from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n++) {
    clock = t0 + n * 5000;
    recorder.record(round(n));
    await recorder.written();
  }
};
const files = (): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.rounds'))
    .sort()
    .map((name) => join(dir, name));
const all = async (): Promise<RecordedRound[]> => {
  const found: RecordedRound[] = [];
  for await (const each of roundsOf(openRecordings([dir]), () => true)) found.push(each);
  return found;
};
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const expected = (n: number): unknown => {
  const { parentHashes: _, ...rest } = round(n);
  return plain({ ...rest, id: t0 + n * 5000 });
};

describe('recordings', () => {
  it('give back every round as it was handed over', async () => {
    const recorder = open();
    await record(recorder, 0, 30);
    await recorder.stop();
    expect(errors.filter((text) => text !== null)).toEqual([]);
    expect(plain(await all())).toEqual(Array.from({ length: 30 }, (_, n) => expected(n)));
  });

  it('are read while they are written, by id too', async () => {
    const recorder = open();
    await record(recorder, 0, 12);
    expect((await recorder.heads()).map(({ id }) => id)).toEqual(Array.from({ length: 12 }, (_, n) => t0 + n * 5000));
    expect(plain(await recorder.read(t0 + 7 * 5000))).toEqual(expected(7));
    expect(await recorder.read(5)).toBeNull();
    await recorder.stop();
  });

  it('hold the metadata, the scheduler and an unchanged schedule once', async () => {
    const recorder = open();
    await record(recorder, 0, 1);
    const first = statSync(files()[0] ?? '').size;
    const random = (n: number) => round(n, { input: { ...round(1).input, now: n } });
    for (let n = 1; n < 10; n++) recorder.record({ ...random(n), output: round(1).output, hash: round(1).hash });
    await recorder.stop();
    // A head, and a number or two.
    expect((statSync(files()[0] ?? '').size - first) / 9).toBeLessThan(500);
  });

  it('go on after a restart, and an id never comes twice though the clock went back', async () => {
    const first = open();
    await record(first, 10, 12);
    await first.stop();
    clock = t0;
    const second = open();
    second.record(round(12));
    await second.stop();
    expect((await all()).map(({ id }) => id)).toEqual([t0 + 50_000, t0 + 55_000, t0 + 55_001]);
  });

  it('lose only the round that a crash cut off, wherever it was cut', async () => {
    const recorder = open();
    await record(recorder, 0, 5);
    await recorder.stop();
    const [file = ''] = files();
    const bytes = readFileSync(file);
    const index = scanSegment(file);
    if ('problem' in index) throw new Error(index.problem);
    const last = index.frames.at(-1);
    for (let length = bytes.length - 1; length > (last?.offset ?? 0); length -= 7) {
      writeFileSync(file, bytes.subarray(0, length));
      const cut = open();
      expect((await cut.heads()).length).toBe(4);
      await cut.stop();
      expect(said.pop()).toContain('cut off after 4 rounds');
      expect(plain(await all())).toEqual([0, 1, 2, 3].map(expected));
    }
  });

  it('put a file that is none of theirs aside and say so', async () => {
    const recorder = open();
    await record(recorder, 0, 3);
    await recorder.stop();
    const foreign = join(dir, '000000000000001.rounds');
    writeFileSync(foreign, 'not this');
    const again = open();
    expect((await again.heads()).length).toBe(3);
    await again.stop();
    expect(said).toEqual([
      `recordings: ${foreign}: not a file of recorded rounds; it is put aside as ${foreign}.broken`,
    ]);
  });

  it('name the round whose bytes a disk has changed, and give those before it', async () => {
    const recorder = open();
    await record(recorder, 0, 6);
    await recorder.stop();
    const [file = ''] = files();
    const index = scanSegment(file);
    if ('problem' in index) throw new Error(index.problem);
    const third = index.frames[3];
    const bytes = readFileSync(file);
    const at = (third?.offset ?? 0) + (third?.bodyOffset ?? 0) + 5;
    bytes[at] = (bytes[at] ?? 0) ^ 255;
    writeFileSync(file, bytes);
    const found: number[] = [];
    const reading = async (): Promise<void> => {
      for await (const { id } of roundsOf(openRecordings([dir]), () => true)) found.push(id);
    };
    await expect(reading()).rejects.toThrow(`${file}: round ${t0 + 15_000}: its checksum is wrong`);
    expect(found).toEqual([0, 1, 2].map((n) => t0 + n * 5000));
  });

  it('say that the disk failed, lose that round only, and go on when it is well again', async () => {
    const recorder = open();
    await record(recorder, 0, 2);
    await recorder.stop();
    rmSync(dir, { recursive: true });
    recorder.record(round(2));
    await recorder.written();
    expect(errors.at(-1)).toContain('ENOENT');
    const again = open();
    await record(again, 3, 5);
    await again.stop();
    expect(errors.at(-1)).toBeNull();
    expect((await all()).length).toBe(2);
  });

  it('begin a new file after 256 rounds, each of which can be read alone', async () => {
    const recorder = open();
    await record(recorder, 0, 260);
    await recorder.stop();
    expect(files().length).toBe(2);
    expect(
      plain(
        await (async () => {
          for await (const each of roundsOf(openRecordings([files()[1] ?? '']), ({ id }) => id === t0 + 258 * 5000))
            return each;
          return null;
        })(),
      ),
    ).toEqual(expected(258));
  });
});

describe('the ring', () => {
  const day = 86_400_000;
  const segment = (index: number, changes = 0) => ({
    file: `${index}`,
    bytes: 100,
    newestMs: index * 1_200_000,
    changes,
  });
  const segments = Array.from({ length: 100 }, (_, index) => segment(index));
  const now = 99 * 1_200_000;

  it('drops what is older than its time', () => {
    const gone = outdatedRecordings(segments, { ms: 10 * 3_600_000, bytes: 1e9 }, now);
    expect(gone.length).toBe(69);
    expect(Math.max(...gone.map(Number))).toBe(68);
  });
  it('drops the oldest beyond its size', () => {
    const gone = outdatedRecordings(segments, { ms: 10 * day, bytes: 2000 }, now);
    expect(gone.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, index) => index));
  });
  it('keeps the last hour and the last hundred changes, however small it is', () => {
    const some = segments.map((each, index) => ({
      ...each,
      changes: index === 5 ? 99 : index === 3 || index === 50 ? 1 : 0,
    }));
    const kept = new Set(some.map(({ file }) => file));
    for (const file of outdatedRecordings(some, { ms: 1, bytes: 1 }, now)) kept.delete(file);
    expect([...kept].map(Number)).toEqual([5, 50, 97, 98, 99]);
  });
  it('is given as a duration, a size or both', () => {
    expect(parseRecordKeep('24h,1GiB')).toEqual({ ms: day, bytes: 2 ** 30 });
    expect(parseRecordKeep('2d')).toEqual({ ms: 2 * day, bytes: 2 ** 30 });
    expect(parseRecordKeep('500MB')).toEqual({ ms: day, bytes: 500_000_000 });
    expect(parseRecordKeep('a lot')).toEqual({
      problem: '"a lot": expected a duration, a size or both, such as 24h,1GiB',
    });
  });
});

describe('bytes of a recording', () => {
  const frame = (): Buffer => {
    const raw = encodeBody(bodyOfRound(round(7), emptyBlobTable()));
    return encodeFrame({ ...round(7), id: 5 }, raw.length, raw);
  };

  it('are told whole from cut and damaged: no byte of a head can change unseen', () => {
    const bytes = frame();
    const head = decodeFrameHead(bytes);
    if ('problem' in head) throw new Error(head.problem);
    fc.assert(
      fc.property(fc.nat(head.bodyOffset - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] ?? 0) ^ flip;
        const read = decodeFrameHead(copy);
        // The checksum of the body is checked with the body.
        expect('problem' in read || (at >= 12 && at < frameHeaderBytes)).toBe(true);
      }),
    );
  });
  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeFrameHead(bytes);
        decodeBody(bytes);
      }),
    );
  });
  it('never throw and end soon where some of a body are changed', () => {
    const raw = encodeBody(bodyOfRound(round(7), emptyBlobTable()));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(raw.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (changes) => {
          const copy = Buffer.from(raw);
          for (const [at, value] of changes) copy[at] = value;
          const body = decodeBody(copy);
          if (!('problem' in body)) for (const blob of body.blobs) expect(blob.length).toBeLessThanOrEqual(raw.length);
        },
      ),
      { numRuns: 500 },
    );
  });
  it('of a whole file, changed or cut anywhere, give rounds as they were or an error', async () => {
    const recorder = open();
    await record(recorder, 0, 4);
    await recorder.stop();
    const [file = ''] = files();
    const bytes = readFileSync(file);
    const right = [0, 1, 2, 3].map(expected);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), async (at, value, cut) => {
        const copy = Buffer.from(bytes);
        copy[at] = value;
        writeFileSync(file, copy);
        if (cut) truncateSync(file, at);
        else appendFileSync(file, copy.subarray(0, value));
        const found: unknown[] = [];
        try {
          for await (const each of roundsOf(openRecordings([dir]), () => true)) found.push(plain(each));
        } catch (error) {
          expect((error as Error).name).toBe('DamagedRecording');
        }
        expect(found).toEqual(right.slice(0, found.length));
      }),
      { numRuns: 60 },
    );
  });
});

describe('a round taken apart', () => {
  it('is put together again whatever JSON its input is', async () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    let n = 0;
    const recorder = open();
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), json, { maxKeys: 6 }),
        fc.array(json, { maxLength: 3 }),
        async (more, parents) => {
          const input = {
            now: 1,
            ...(plain(more) as JsonObject),
            parents: plain(parents) as JsonObject[],
          } as JsonObject;
          recorder.record(
            round(n++, { input, parentHashes: parents.map((each) => hashJson(plain(each) as JsonObject)) }),
          );
          await recorder.written();
          const id = (await recorder.heads()).at(-1)?.id ?? 0;
          expect(plain((await recorder.read(id))?.input)).toEqual(plain(input));
        },
      ),
      { numRuns: 40 },
    );
    await recorder.stop();
  });
});
