import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/load.ts';
import { openRecordings, roundsOf } from '../../src/verwalter/recording/recordings.ts';
import { replay } from '../../src/verwalter/replay/replay.ts';
import { type ReplayCommandOptions, replayCommand } from '../../src/verwalter/replay/replay-command.ts';
import type { ReplayedRound } from '../../src/verwalter/replay/replay-rounds.ts';
import { planSchema } from '../../src/verwalter/simulate/plan.ts';
import { simulateCommand } from '../../src/verwalter/simulate/simulate-command.ts';
import { bundleEntry, bundleWorker } from './worker-bundle.ts';

// A quarter of an hour of a virtual cluster, recorded as a leader does it, and run again in the processes of the product.

const main = `return { scheduler = function(input)
  local metrics = require 'stellwerk/metrics'
  local nodes = require 'stellwerk/nodes'
  local alive = nodes.alive(input)
  local load = 0
  for _, node in ipairs(alive) do
    load = load + (metrics.average(metrics.of(input, node.id, 'load')) or 0)
  end
  local count = math.ceil(load / PER_INSTANCE)
  print(string.format('load %.1f on %d nodes', load, #alive))
  local schedule = { nodes = {}, query_metrics = { rules = { load = { series = 'x' } } }, state = { count = count },
    changes = { 'web: ' .. count .. ' instances' } }
  for i, node in ipairs(alive) do
    local own = count // #alive + (i <= count % #alive and 1 or 0)
    schedule.nodes[node.host] = { roles = { web = { template = 't', daemons = { main = { instances = own } } } } }
  end
  return { schedule = schedule }
end }`;
const plan = `
metrics:
  load: !Load { base: 30, peak: 300, peak-at: 10m, noise: 0.05 }
events:
- !Crash { at: 5m, for: 3m, node: node002 }
`;

let worker: Awaited<ReturnType<typeof bundleEntry>>;
let schedulerWorker: Awaited<ReturnType<typeof bundleWorker>>;
let root: string;
let recordings: string;
let story: { code: number; text: string };

const withTerminal = async (run: (terminal: Parameters<typeof simulateCommand>[1]) => Promise<number>) => {
  const said: string[] = [];
  const code = await run({ print: (text) => said.push(text), complain: (text) => said.push(text), progress: null });
  return { code, text: said.join('') };
};
const putScheduler = (name: string, text: string): string => {
  mkdirSync(join(root, name, 'scheduler/v1'), { recursive: true });
  writeFileSync(join(root, name, 'scheduler/v1/main.lua'), text);
  return join(root, name);
};
const simulated = { nodes: 4, hours: 0.25, seed: 7, json: false };

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'verwalter-replay-'));
  recordings = join(root, 'recordings');
  worker = await bundleEntry('src/verwalter/replay/replay-process.ts');
  schedulerWorker = await bundleWorker();
  writeFileSync(join(root, 'plan.yaml'), plan);
  const configDir = putScheduler('live', main.replace('PER_INSTANCE', '10'));
  const options = { ...simulated, configDir, plan: join(root, 'plan.yaml'), record: recordings };
  story = await withTerminal((terminal) => simulateCommand(options, terminal, schedulerWorker.url));
}, 120_000);
afterAll(() => {
  worker?.remove();
  schedulerWorker?.remove();
  rmSync(root, { recursive: true, force: true });
});

const run = (options: Partial<ReplayCommandOptions>, paths = [recordings]) =>
  withTerminal((terminal) =>
    replayCommand(
      paths,
      { diff: false, verify: false, chain: false, json: false, ...options },
      terminal,
      pathToFileURL(worker.path),
    ),
  );

describe('verwalter simulate', () => {
  it('tells what happened to the cluster and what the scheduler did about it', () => {
    expect(story.code).toBe(0);
    expect(story.text).toContain('+00:00:00  node001 leads\n');
    expect(story.text).toContain('+00:05:00  node002 crashes\n');
    expect(story.text).toMatch(/\+00:05:05 {2}round 62: .*1 stopped/);
    expect(story.text).toMatch(/\n {4}stopped {2}web\/main {2}node002 {2}\d+ → 0 {3}web: \d+ instances\n/);
    expect(story.text).toContain('+00:08:00  node002 is back\n');
    expect(story.text).toMatch(/180 rounds, 0 failed, \d+ gave another schedule: .*; 1 leader\(s\); /);
  });

  it('tells the same story for the same seed, and another for another', async () => {
    const options = {
      ...simulated,
      hours: 0.05,
      configDir: join(root, 'live'),
      plan: join(root, 'plan.yaml'),
      json: true,
    };
    const stories = [];
    for (const seed of [1, 1, 2]) {
      const { text } = await withTerminal((terminal) =>
        simulateCommand({ ...options, seed }, terminal, schedulerWorker.url),
      );
      const { schedulerMs: _, ...rest } = JSON.parse(text);
      stories.push(JSON.stringify(rest));
    }
    expect(stories[0]).toBe(stories[1]);
    expect(stories[0]).not.toBe(stories[2]);
  });

  it('says which metrics of the plan nobody asked for, and which were asked for in vain', async () => {
    writeFileSync(join(root, 'other.yaml'), 'metrics: { lord: !Constant { value: 1 } }\n');
    const options = { ...simulated, hours: 0.01, configDir: join(root, 'live'), plan: join(root, 'other.yaml') };
    const { text } = await withTerminal((terminal) => simulateCommand(options, terminal, schedulerWorker.url));
    expect(text).toContain('warning: the plan has metrics of lord, but no schedule asked for such a rule\n');
    expect(text).toContain('warning: the plan has no metrics of load: the scheduler got none\n');
  });

  it('names file, line and key of what is wrong in a plan', async () => {
    writeFileSync(
      join(root, 'wrong.yaml'),
      'events:\n- !Crash { at: soon, for: 5m, node: node002 }\n- !Crush { at: 1m }\n',
    );
    const options = { ...simulated, configDir: join(root, 'live'), plan: join(root, 'wrong.yaml') };
    const { code, text } = await withTerminal((terminal) => simulateCommand(options, terminal));
    expect(code).toBe(2);
    expect(text).toContain('wrong.yaml:2:16: events[0].at: "soon"; expected a duration');
    expect(text).toMatch(/wrong.yaml:3:\d+: events\[1\]: tag !Crush; expected one of .*!Crash/);
  });
});

describe('the plan in the documentation', () => {
  it('is one', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/verwalter-time-travel.md'), 'utf8');
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(docs) ?? [];
    const read = readConfig('plan.yaml', Buffer.from(yaml), planSchema);
    expect(read.kind === 'refused' ? read.problems : [...read.value.metrics.keys()]).toEqual([
      'rpm',
      'errors',
      'running',
    ]);
  });
});

describe('verwalter replay', () => {
  it('gives byte for byte what was recorded', async () => {
    expect(await run({ verify: true })).toEqual({
      code: 0,
      text: '180 rounds replayed: 0 failed, 0 with another schedule, all byte for byte as recorded\n',
    });
  });

  it('finds the rounds that another scheduler decides otherwise, with what moves in them', async () => {
    const scheduler = putScheduler('other', main.replace('PER_INSTANCE', '(#alive < 4 and 20 or 10)'));
    const { code, text } = await run({ scheduler, diff: true, from: '10m' });
    expect(code).toBe(0);
    expect(text).toMatch(
      /^rounds? .*2027-01-15 00:05:05Z.*: 3 changed\n {2}changed {2}web\/main {2}node001 {2}\d+ → \d+ {2}web: \d+ instances\n/,
    );
    expect(text).toMatch(
      /\n121 rounds replayed: 0 failed, 35 with another schedule \(\d+ changed, each way counted once\)\n$/,
    );
    const json = JSON.parse((await run({ scheduler, json: true })).text);
    expect(json).toMatchObject({ rounds: 180, failed: [], changed_rounds: 35 });
    expect(json.stretches[0].moves[0]).toMatchObject({ role: 'web', daemon: 'main', kind: 'changed' });
    expect((await run({ scheduler, verify: true })).code).toBe(1);
  });

  it('lists the rounds in which a scheduler fails or returns nonsense, and exits 1', async () => {
    const failing = putScheduler('failing', main.replace('PER_INSTANCE', "(#alive < 4 and error('too few') or 10)"));
    const { code, text } = await run({ scheduler: failing });
    expect(code).toBe(1);
    expect(text).toMatch(
      /^failed in 35 round\(s\):\n {2}round \d+ \(2027-01-15 00:05:05Z\): scheduler\/v1\/main.lua:\d+: too few\n/,
    );
    expect(text).toContain('… and 15 more');
    const nonsense = putScheduler('nonsense', "return { scheduler = function() return '[]', '' end }");
    expect(await run({ scheduler: nonsense, to: '14m' })).toMatchObject({
      code: 1,
      text: expect.stringContaining('a list, not an object'),
    });
  });

  it('goes on after a round that holds its process for good', async () => {
    const stuck = "if input.now == NOW then string.rep('a', 30):find(string.rep('a*', 30) .. 'b') end return '{}', ''";
    const opened = openRecordings([recordings]);
    const [, , third] = opened.segments[0]?.frames ?? [];
    const files = {
      'main.lua': `return { scheduler = function(input) ${stuck.replace('NOW', String(third?.head.timestamp))} end }`,
    };
    const found: ReplayedRound[] = [];
    const firstMs = opened.segments[0]?.frames[0]?.head.timestamp ?? 0;
    await replay(
      {
        recordings: opened,
        settings: { sources: files, chain: false, diff: false },
        fromMs: firstMs,
        toMs: firstMs + 25_000,
        limits: { timeLimitMs: 500, memoryLimitBytes: 64 * 1024 * 1024 },
        processUrl: pathToFileURL(worker.path),
        processes: 1,
      },
      { round: (round) => found.push(round), problem: (text) => expect.unreachable(text) },
    );
    expect(found.map(({ error }) => error === null)).toEqual([true, true, false, true, true, true]);
    expect(found[2]?.error).toContain('time limit of 500 ms exceeded');
  }, 60_000);

  it('chains: each round gets what the replay gave before', async () => {
    const counting = `return { scheduler = function(input)
      local last = input.parents[1]
      return { schedule = { state = { count = (last and last.state.chained and last.state.count or 0) + 1, chained = true } } }
    end }`;
    const scheduler = putScheduler('counting', counting);
    const firstMs = openRecordings([recordings]).segments[0]?.frames[0]?.head.timestamp ?? 0;
    const last = async (chain: boolean): Promise<unknown> => {
      const found: ReplayedRound[] = [];
      await replay(
        {
          recordings: openRecordings([recordings]),
          settings: { sources: { 'main.lua': counting }, chain, diff: false },
          fromMs: Number.NEGATIVE_INFINITY,
          toMs: firstMs + 39 * 5000,
          processUrl: pathToFileURL(worker.path),
        },
        { round: (round) => found.push(round), problem: (text) => expect.unreachable(text) },
      );
      return new Set(found.map(({ hash }) => hash)).size;
    };
    expect([await last(false), await last(true)]).toEqual([1, 40]);
    expect((await run({ scheduler, chain: true, from: '1m' })).code).toBe(0);
  });

  it('takes the JSON of an input, and says what is none', async () => {
    for await (const { input } of roundsOf(openRecordings([recordings]), ({ id }) => id > 0)) {
      writeFileSync(join(root, 'input.json'), JSON.stringify(input));
      break;
    }
    const scheduler = join(root, 'live');
    expect(await run({ scheduler }, [join(root, 'input.json')])).toMatchObject({
      code: 0,
      text: expect.stringContaining('1 rounds replayed'),
    });
    expect(await run({}, [join(root, 'plan.yaml')])).toMatchObject({
      code: 2,
      text: expect.stringContaining('plan.yaml: '),
    });
    expect(await run({ scheduler: join(root, 'nowhere') })).toMatchObject({
      code: 2,
      text: expect.stringContaining('nowhere'),
    });
    expect(await run({ from: 'yesterday' })).toMatchObject({
      code: 2,
      text: expect.stringContaining('yesterday: expected'),
    });
  });
});
