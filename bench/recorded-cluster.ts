import type { Json, JsonObject } from '../src/verwalter/canonical.ts';
import { openRecorder, type Recorder } from '../src/verwalter/recording/recorder.ts';
import { runScheduler } from '../src/verwalter/scheduler/engine.ts';
import { sourcesOf } from '../src/verwalter/scheduler/sources.ts';
import type { Plan } from '../src/verwalter/simulate/plan.ts';
import { simulate } from '../src/verwalter/simulate/simulate.ts';
import mainLua from './scheduler.lua';

// A cluster with ten instances a node, of 8 roles; two rules a node, a day's load, a crash and a failing node an hour.

const roleCount = 8;

const hostOf = (index: number): string => `node${String(index + 1).padStart(3, '0')}`;

const runtimeOf = (nodes: number): JsonObject => ({
  rules: { errors: { condition: 'errors' }, requests: { condition: 'requests' } },
  nodes: Object.fromEntries(
    Array.from({ length: nodes }, (_, index): [string, Json] => [
      hostOf(index),
      { cpu: 8000, memory: 32_768, labels: { zone: `z${index % 3}`, disk: index % 2 === 0 ? 'ssd' : 'hdd' } },
    ]),
  ),
  roles: Object.fromEntries(
    Array.from({ length: roleCount }, (_, index): [string, Json] => [
      `role${index}`,
      {
        count: Math.round((nodes * 10) / roleCount),
        cpu: 100 + ((index * 37) % 300),
        memory: 256 + ((index * 91) % 1024),
        image: `app-v1.${index}`,
        labels: index % 4 === 0 ? { disk: 'ssd' } : {},
        max_per_node: 4,
      },
    ]),
  ),
});

const hour = 3_600_000;

/** Of each hour: a crash of half an hour, and a node whose errors rise for five minutes. */
const planOf = (nodes: number, hours: number): Plan => ({
  start: 1_799_971_200_000,
  metrics: new Map([
    ['errors', { tag: 'Constant', value: { value: 1, noise: 1 } }],
    ['requests', { tag: 'Load', value: { base: 1000, peak: 30_000, peakAt: 14 * hour, noise: 0.1 } }],
  ] as const),
  events: Array.from({ length: Math.ceil(hours) }, (_, index): Plan['events'] => [
    {
      tag: 'Crash',
      value: { at: index * hour + 600_000, for: hour / 2, node: hostOf((index * 7 + 3) % nodes) },
    },
    {
      tag: 'Metric',
      value: {
        at: index * hour + 120_000,
        for: 300_000,
        node: hostOf((index * 11 + 5) % nodes),
        rule: 'errors',
        value: 77,
      },
    },
  ]).flat(),
});

export const clusterSources = sourcesOf({ 'main.lua': mainLua });
/** The same, with one more instance of each role. */
export const changedSources = sourcesOf({
  'main.lua': mainLua.replace('count = role.count,', 'count = role.count + 1,'),
});

export const recorderIn = (dir: string, nowMs: () => number): Recorder =>
  openRecorder({
    dir,
    keep: { ms: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY },
    nowMs,
    setError(text) {
      if (text !== null) throw new Error(text);
    },
    log: () => {},
  });

/** Records so many hours as a leader does; returns the number of rounds. */
export const recordCluster = async (dir: string, nodes: number, hours: number): Promise<number> => {
  let clock = 0;
  const recorder = recorderIn(dir, () => clock);
  const story = simulate({
    plan: planOf(nodes, hours),
    nodes,
    durationMs: hours * hour,
    seed: 1,
    sources: clusterSources,
    runtime: runtimeOf(nodes),
    runner: { run: (request) => runScheduler(request) },
    async record(round) {
      clock = round.timestamp;
      recorder.record(round);
      await recorder.written();
    },
  });
  let step = await story.next();
  while (step.done !== true) step = await story.next();
  await recorder.stop();
  return step.value.rounds;
};
