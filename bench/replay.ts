import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../src/verwalter/canonical.ts';
import type { RoundToRecord } from '../src/verwalter/recording/body-of-round.ts';
import { openRecordings, roundsOf } from '../src/verwalter/recording/recordings.ts';
import { replay } from '../src/verwalter/replay/replay.ts';
import { nativeLua } from './native-lua.ts';
import { changedSources, recordCluster, recorderIn } from './recorded-cluster.ts';
import { type BenchRow, benchRow } from './row.ts';

/** REPLAY_HOURS=24 measures a whole day, which takes as long to record as to replay. */
const hours = Number(process.env.REPLAY_HOURS ?? 0.75);
const nodes = Number(process.env.REPLAY_NODES ?? 100);
const roundsOfADay = 17_280;
const nativeRounds = 20;
const mostRecorded = 100;

/**
 * Recording and replaying of 100 nodes with 1000 instances. Row 50 of the acceptance behaviours: 17 280 rounds with
 * --diff in less than 5 min. The peer runs the same main.lua and modules, with tables ready in memory, in one process.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-replay-'));
  try {
    const recorded = await recordCluster(dir, nodes, hours);
    const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0) / recorded;
    const recordings = openRecordings([dir]);
    const readFrom = performance.now();
    let read = 0;
    for await (const _ of roundsOf(recordings, () => true)) read++;
    const readMs = (performance.now() - readFrom) / read;
    const from = performance.now();
    let failed = 0;
    await replay(
      {
        recordings,
        settings: { sources: changedSources.files, chain: false, diff: true },
        fromMs: Number.NEGATIVE_INFINITY,
        toMs: Number.POSITIVE_INFINITY,
      },
      {
        round(round) {
          if (round.error !== null) failed++;
        },
        problem(text) {
          throw new Error(text);
        },
      },
    );
    if (failed > 0) throw new Error(`${failed} rounds failed`);
    const replayMs = (performance.now() - from) / recorded;
    const native = await nativeLua(someInputs(dir));
    const row = (figure: string, value: number, unit: string) => ({ bench: 'replay', figure, value, unit });
    return [
      benchRow(row(`bytes recorded a round, ${nodes} nodes, ${nodes * 10} instances`, bytes, 'B'), {
        maxValue: 2 ** 30 / roundsOfADay,
      }),
      benchRow(row('processor time to record a round', await recordMs(dir), 'ms')),
      benchRow(row('a recorded round read', readMs, 'ms')),
      benchRow(
        { ...row(`a round replayed with --diff, of ${recorded}`, replayMs, 'ms'), ...native },
        { maxValue: 300_000 / roundsOfADay },
      ),
      benchRow(row('rounds replayed a second', 1000 / replayMs, '1/s')),
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Processor ms to record one of the first rounds, without the scheduler's own work beside it. */
async function recordMs(dir: string): Promise<number> {
  const rounds: RoundToRecord[] = [];
  let runtime: JsonObject['runtime'] | undefined;
  for await (const { input, ...round } of roundsOf(openRecordings([dir]), () => true)) {
    // A leader's metadata stays one object until a file changes.
    runtime ??= input.runtime;
    const parents = input.parents_meta as readonly { readonly hash: string }[];
    const own = { ...input, runtime: runtime ?? null };
    rounds.push({ ...round, input: own, parentHashes: parents.map(({ hash }) => hash) });
    if (rounds.length === mostRecorded) break;
  }
  const folder = mkdtempSync(join(tmpdir(), 'bench-record-'));
  try {
    let clock = 0;
    const recorder = recorderIn(folder, () => clock);
    await recorder.heads();
    const before = process.cpuUsage();
    for (const round of rounds) {
      clock = round.timestamp;
      recorder.record(round);
      await recorder.written();
    }
    const { user, system } = process.cpuUsage(before);
    await recorder.stop();
    return (user + system) / 1000 / rounds.length;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first of the recorded rounds. */
async function* someInputs(dir: string): AsyncGenerator<JsonObject> {
  let count = 0;
  for await (const { input } of roundsOf(openRecordings([dir]), () => true)) {
    if (count++ === nativeRounds) return;
    yield input;
  }
}
