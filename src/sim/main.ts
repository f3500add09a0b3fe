import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Command, InvalidArgumentError } from 'commander';
import { describeFailure, type RunOptions, type RunResult, replayCommand, runSeed } from './runs.ts';
import { leastNodes, mostNodes, type Sizes } from './sizes.ts';
import { summaryOf } from './summary.ts';

interface SimOptions {
  readonly seeds: number;
  readonly from: number;
  readonly nodes: Sizes;
  readonly minutes: number;
  readonly jobs: number;
  readonly withSchedules: boolean;
  readonly replay?: number;
}

/** Every `step`th seed from `from` to below `end`. */
interface Share {
  readonly from: number;
  readonly end: number;
  readonly step: number;
  readonly run: RunOptions;
}

/** Failures beyond it are counted, not told. */
const mostTold = 5;
const terminalEveryMs = 1_000;
const linesEveryMs = 30_000;
/** A cluster of more is possible, and takes minutes a seed. */
const largestCluster = 1_000;

const whole =
  (least: number, most: number) =>
  (text: string): number => {
    if (/^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(`A whole number from ${least} to ${most}.`);
  };

function sizes(text: string): Sizes {
  const [, first, last] = /^(\d{1,4})(?:(?:-|\.\.)(\d{1,4}))?$/.exec(text) ?? [];
  const from = Number(first);
  const to = Number(last ?? first);
  if (from >= 2 && from <= to && to <= largestCluster) return { from, to };
  throw new InvalidArgumentError(`A number of nodes or a range as 3-101, from 2 to ${largestCluster}.`);
}

function command(): Command {
  return new Command('npm run sim --')
    .description(
      'Clusters that exist in memory only, each through a plan of faults drawn from its seed, with every promise of ' +
        'the election looked at after every step. Exit code: 0, or 1 where a promise was broken, which is told with ' +
        'the command that plays the very same run again.',
    )
    .option('--seeds <n>', 'how many clusters', whole(1, 100_000_000), 1_000)
    .option('--from <seed>', 'the first seed', whole(0, 4_294_967_295), 1)
    .option(
      '--nodes <n or a-b>',
      `size, or sizes of which each seed draws one, small ones more often (default: ${leastNodes}-${mostNodes})`,
      sizes,
      { from: leastNodes, to: mostNodes },
    )
    .option('--minutes <n>', 'virtual time under faults, before all heals', whole(1, 600), 1)
    .option('--jobs <n>', 'threads', whole(1, 256), 1)
    .option('--with-schedules', 'verwalter’s part too: schedules are made, fetched, merged; ten times slower', false)
    .option('--replay <seed>', 'one seed only, with its plan and digest', whole(0, 4_294_967_295));
}

async function main(): Promise<number> {
  const options = command().parse().opts<SimOptions>();
  const run: RunOptions = {
    nodes: options.nodes,
    faultsForMs: options.minutes * 60_000,
    schedules: options.withSchedules,
  };
  if (options.replay !== undefined) return replay(options.replay, run);
  const startMs = performance.now();
  const summary = summaryOf();
  let toldMs = startMs;
  const terminal = process.stdout.isTTY;
  const takes = (result: RunResult): void => {
    const { failures } = summary.take(result);
    if (result.failure !== null && failures <= mostTold) {
      if (terminal) process.stdout.write('\r\u001b[K');
      process.stdout.write(`\nFAILED ${describeFailure(result, run)}\n\n`);
    }
    const nowMs = performance.now();
    if (nowMs - toldMs < (terminal ? terminalEveryMs : linesEveryMs)) return;
    toldMs = nowMs;
    const line = summary.progress(options.seeds, (nowMs - startMs) / 1_000);
    process.stdout.write(terminal ? `\r\u001b[K${line}` : `${line}\n`);
  };
  const end = options.from + options.seeds;
  const jobs = Math.min(options.jobs, options.seeds);
  if (jobs === 1) playShare({ from: options.from, end, step: 1, run }, takes);
  else await playOnThreads(jobs, { from: options.from, end, step: jobs, run }, takes);
  if (terminal) process.stdout.write('\r\u001b[K');
  process.stdout.write(`${summary.inWords((performance.now() - startMs) / 1_000)}\n`);
  return summary.failures() === 0 ? 0 : 1;
}

function replay(seed: number, run: RunOptions): number {
  const result = runSeed(seed, run);
  const { failure, restMs, steps, digest } = result;
  if (failure === null) {
    process.stdout.write(
      `seed ${seed}, ${result.nodes} nodes: every promise held; at rest ${restMs} ms after the faults; digest ${digest} after ${steps} steps\n` +
        `again: ${replayCommand(result, run)}\n`,
    );
    return 0;
  }
  process.stdout.write(`${describeFailure(result, run)}\n`);
  return 1;
}

function playShare({ from, end, step, run }: Share, takes: (result: RunResult) => void): void {
  for (let seed = from; seed < end; seed += step) takes(runSeed(seed, run));
}

async function playOnThreads(jobs: number, share: Share, takes: (result: RunResult) => void): Promise<void> {
  const all = Array.from({ length: jobs }, (_, number) => {
    const data: Share = { ...share, from: share.from + number };
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
    worker.on('message', takes);
    return new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a thread ended with ${code}`))));
    });
  });
  await Promise.all(all);
}

if (isMainThread) process.exitCode = await main();
else playShare(workerData as Share, (result) => parentPort?.postMessage(result));
