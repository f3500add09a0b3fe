import { canonicalJson, type Json, type JsonObject } from '../src/verwalter/canonical.ts';
import { schedulerInput } from '../src/verwalter/input.ts';
import type { Member } from '../src/verwalter/ports.ts';
import {
  defaultLimits,
  runScheduler,
  type SchedulerRequest,
  type SchedulerRun,
} from '../src/verwalter/scheduler/engine.ts';
import { checkOutput } from '../src/verwalter/scheduler/output.ts';
import { startRunner } from '../src/verwalter/scheduler/runner.ts';
import { nativeLua } from './native-lua.ts';
import { type BenchRow, benchRow, median } from './row.ts';
import mainLua from './scheduler.lua';

const nodeCount = 1000;
const roleCount = 50;
const instanceCount = 10_000;
const rounds = 7;
const now = 1_800_000_000_000;

/** Of this process, as os.clock() is for the peer: the machine may have other work. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const hex = (index: number): string => index.toString(16).padStart(32, '0');
const hostOf = (index: number): string => `node${String(index).padStart(4, '0')}`;

const members = Array.from(
  { length: nodeCount - 1 },
  (_, index): Member => ({
    id: hex(index + 1),
    addr: `10.0.${(index + 1) >> 8}.${(index + 1) & 255}:8379`,
    hostname: hostOf(index + 1),
    name: `${hostOf(index + 1)}.example.org`,
    knownSince: now - 86_400_000,
    lastReportDirect: now - 300 - index,
    liveness: 'alive',
    schedule: { timestamp: now - 5000, hash: 'a'.repeat(64), origin: hex(0) },
    errors: 0,
  }),
);

const runtime: JsonObject = {
  nodes: Object.fromEntries(
    Array.from({ length: nodeCount }, (_, index): [string, Json] => [
      hostOf(index),
      { cpu: 8000, memory: 32_768, labels: { zone: `z${index % 3}`, disk: index % 2 === 0 ? 'ssd' : 'hdd' } },
    ]),
  ),
  roles: Object.fromEntries(
    Array.from({ length: roleCount }, (_, index): [string, Json] => [
      `role${String(index).padStart(2, '0')}`,
      {
        count: instanceCount / roleCount,
        cpu: 100 + ((index * 37) % 300),
        memory: 256 + ((index * 91) % 1024),
        image: `app-v1.${index}`,
        labels: index % 5 === 0 ? { disk: 'ssd' } : {},
        max_per_node: 4,
      },
    ]),
  ),
};

/** Two rules a node, six points each, as cantal answers them. */
const metrics: JsonObject = Object.fromEntries(
  Array.from({ length: nodeCount }, (_, index): [string, Json] => {
    const series = (base: number): Json => [
      'SingleSeries',
      {},
      ['Float', [0, 1, 2, 3, 4, 5].map((age) => base + ((index * 7 + age) % 13) / 7)],
      [0, 1, 2, 3, 4, 5].map((age) => now - age * 2000),
    ];
    return [hex(index), { errors: series(0), requests: series(100) }];
  }),
);

interface Lap {
  readonly assemble: number;
  readonly engine: number;
  readonly run: Extract<SchedulerRun, { ok: true }>;
  readonly check: number;
  readonly diff: number;
  readonly total: number;
  readonly data: JsonObject;
  readonly input: JsonObject;
}

const hosts = new Set(Array.from({ length: nodeCount }, (_, index) => hostOf(index)));

/** What the leader does in a round, in one thread: the product does the engine's part in a worker (a row of its own). */
const lap = async (last: JsonObject, lastText: string): Promise<Lap> => {
  const started = cpuMs();
  const input = schedulerInput({
    nowMs: now,
    self: { id: hex(0), addr: '10.0.0.0:8379', hostname: hostOf(0), name: hostOf(0) },
    epoch: 7,
    reason: 'timer',
    members,
    parents: [{ timestamp: now - 5000, hash: 'a'.repeat(64), origin: hex(0), data: last }],
    parentsMeta: [],
    actions: [],
    runtime,
    metrics,
    metricsCollectedAtMs: now,
    metricsMissing: [],
    previous: { hash: 'a'.repeat(64), timestamp: now - 5000, durationMs: 300 },
  });
  const assembled = cpuMs();
  const run = await runScheduler(requestOf(input), defaultLimits, cpuMs);
  if (!run.ok) throw new Error(`${run.message}${run.traceback}`);
  const ran = cpuMs();
  const output = checkOutput(run.text ?? '', hosts);
  if (!output.ok) throw new Error(output.error);
  if (output.warnings.length > 0) throw new Error(output.warnings[0]);
  const checked = cpuMs();
  const changed = canonicalJson(output.data) !== lastText;
  const ended = cpuMs();
  if (changed && lastText !== '') throw new Error('a round that changes nothing gave another schedule');
  return {
    assemble: assembled - started,
    engine: ran - assembled,
    run,
    check: checked - ran,
    diff: ended - checked,
    total: ended - started,
    data: output.data,
    input,
  };
};

const requestOf = (input: JsonObject): SchedulerRequest => ({ sources: { 'main.lua': mainLua }, input, seed: 1 });

/**
 * A leader's round for 1 000 nodes with 10 000 instances of 50 roles: first the one that places everything, then rounds
 * in which nothing changes. Debian's lua5.4 runs the same main.lua and modules on the same tables, without a sandbox.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const first = await lap({}, '');
  const text = canonicalJson(first.data);
  const laps: Lap[] = [];
  await lap(first.data, text);
  for (let round = 0; round < rounds; round++) laps.push(await lap(first.data, text));
  const of = (value: (lap: Lap) => number): number => median(laps.map(value));
  const placing: number[] = [];
  for (let round = 0; round < rounds; round++) placing.push((await lap({}, '')).total);
  const thread = await throughWorker(laps.map(({ input }) => requestOf(input)));
  const transport = Math.max(0, thread - of(({ engine }) => engine));
  const lua = of(({ run }) => run.times.lua);
  const native = await nativeLua(
    [{ now, parents: [first.data], runtime, metrics, actions: {}, ...peersAsInput() }],
    rounds,
  );
  const row = (figure: string, value: number) => ({ bench: 'scheduler', figure, value, unit: 'ms' });
  const what = `${nodeCount} nodes, ${instanceCount} instances, ${roleCount} roles`;
  const mib = Math.max(first.run.memoryBytes, ...laps.map(({ run }) => run.memoryBytes)) / 1024 / 1024;
  return [
    benchRow(row(`CPU time of a round that changes nothing, ${what}`, of(({ total }) => total) + transport), {
      maxValue: 1000,
    }),
    benchRow(row('CPU time of a round that places everything', median(placing) + transport), { maxValue: 1000 }),
    benchRow(row('CPU time of the same as the first round of a process, compiling included', first.total), {
      maxValue: 1000,
    }),
    benchRow({ bench: 'scheduler', figure: 'memory of the VM', value: mib, unit: 'MiB' }, { maxValue: 256 }),
    benchRow({ ...row('of a round: main.lua itself', lua), ...native }),
    benchRow(
      row(
        'of a round: input assembled, with its seed',
        of(({ assemble }) => assemble),
      ),
    ),
    benchRow(
      row(
        'of a round: a VM made',
        of(({ run }) => run.times.vm),
      ),
    ),
    benchRow(
      {
        ...row(
          'of a round: input into Lua',
          of(({ run }) => run.times.input),
        ),
        peer: 'main.lua',
        peerValue: lua,
      },
      { maxRatio: 1 },
    ),
    benchRow(
      row(
        'of a round: output out of Lua',
        of(({ run }) => run.times.output),
      ),
    ),
    benchRow(
      row(
        'of a round: output checked and hashed',
        of(({ check }) => check),
      ),
    ),
    benchRow(row('of a round: to the thread of Lua and back', transport)),
    benchRow(
      row(
        'of a round: compared with the last',
        of(({ diff }) => diff),
      ),
    ),
  ];
}

/** Median of the same rounds in the worker of the product. */
async function throughWorker(requests: readonly SchedulerRequest[]): Promise<number> {
  const runner = startRunner();
  const times: number[] = [];
  try {
    for (const request of requests) {
      const from = cpuMs();
      const run = await runner.run(request);
      if (!run.ok) throw new Error(run.message);
      times.push(cpuMs() - from);
    }
  } finally {
    await runner.stop();
  }
  return median(times);
}

const peersAsInput = (): JsonObject => ({
  current_id: hex(0),
  current_host: hostOf(0),
  peers: Object.fromEntries(
    members.map(({ id, hostname, lastReportDirect }) => [id, { hostname, last_report_direct: lastReportDirect }]),
  ),
});
