import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { RoundHead } from '../recording/recorded-round.ts';
import type { Recordings } from '../recording/recordings.ts';
import { defaultLimits, type SchedulerLimits } from '../scheduler/engine.ts';
import type { ReplayNews, ReplayTask } from './replay-process.ts';
import type { ReplayedRound, ReplaySettings } from './replay-rounds.ts';

export interface ReplayOptions {
  readonly recordings: Recordings;
  readonly settings: ReplaySettings;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limits?: SchedulerLimits;
  /** The bundled replay-process.ts; by default it lies beside the program's bundle. */
  readonly processUrl?: URL;
  /** At once; a chain has but one. */
  readonly processes?: number;
}

export interface ReplayEvents {
  /** In the order of the rounds. */
  readonly round: (round: ReplayedRound) => void;
  /** A file that cannot be read to its end. */
  readonly problem: (text: string) => void;
}

/** Lua's hook cannot fire inside one long C function: then the process is ended, after this. */
const graceMs = 3000;
/** To start a process, and to read what comes before the first wanted round of a segment. */
const startMs = 60_000;

interface Work {
  readonly paths: readonly string[];
  /** The rounds that the process will tell of, in order. */
  readonly heads: readonly Pick<RoundHead, 'id' | 'timestamp' | 'hash' | 'error'>[];
}

/** Runs recorded rounds again, in as many processes as there are processors; resolves when all are told. */
export const replay = async (options: ReplayOptions, events: ReplayEvents): Promise<void> => {
  const { recordings, settings, fromMs, toMs } = options;
  const wanted = ({ timestamp }: { readonly timestamp: number }): boolean => timestamp >= fromMs && timestamp <= toMs;
  const each: Work[] = [
    ...recordings.segments.map(({ file, frames }) => ({
      paths: [file],
      heads: frames.map(({ head }) => head).filter(wanted),
    })),
    { paths: recordings.inputFiles, heads: recordings.inputs.filter(wanted) },
  ].filter(({ heads }) => heads.length > 0);
  const works = settings.chain
    ? [{ paths: each.flatMap(({ paths }) => paths), heads: each.flatMap(({ heads }) => heads) }]
    : each;

  const told = works.map(() => ({ rounds: [] as ReplayedRound[], problems: [] as string[], done: false }));
  let front = 0;
  const flush = (): void => {
    for (let own = told[front]; own !== undefined; own = told[front]) {
      for (const round of own.rounds.splice(0)) events.round(round);
      for (const problem of own.problems.splice(0)) events.problem(problem);
      if (!own.done) return;
      front++;
    }
  };
  let next = 0;
  const work = async (): Promise<void> => {
    const runner = replayProcess(options);
    while (next < works.length) {
      const index = next++;
      const [piece, own] = [works[index], told[index]];
      if (piece === undefined || own === undefined) break;
      await perform(piece, runner, {
        round(round) {
          own.rounds.push(round);
          if (index === front) flush();
        },
        problem: (text) => own.problems.push(text),
      });
      own.done = true;
      flush();
    }
    runner.stop();
  };
  const count = Math.max(1, Math.min(options.processes ?? availableParallelism(), works.length));
  await Promise.all(Array.from({ length: count }, work));
};

/** Where a round holds the process for good, a new one goes on after that round. */
const perform = async (work: Work, runner: ReplayProcess, events: ReplayEvents): Promise<void> => {
  let done = 0;
  while (done < work.heads.length) {
    const afterId = work.heads[done - 1]?.id ?? Number.NEGATIVE_INFINITY;
    const before = done;
    const end = await runner.run(work.paths, afterId, (round) => {
      done++;
      events.round(round);
    });
    if (end.kind === 'done') {
      if (end.problem !== null) events.problem(end.problem);
      return;
    }
    // A process that cannot even begin would not with the next round either.
    if (end.kind === 'died' && done === before) return events.problem(`${work.paths.join(', ')}: ${end.error}`);
    const head = work.heads[done];
    if (head === undefined) return;
    done++;
    events.round({
      id: head.id,
      timestamp: head.timestamp,
      hash: null,
      recordedHash: head.hash,
      error: end.error,
      recordedError: head.error,
      differs: 'error',
      moves: [],
    });
  }
};

type End =
  | { readonly kind: 'done'; readonly problem: string | null }
  | { readonly kind: 'lost' | 'died'; readonly error: string };

interface ReplayProcess {
  run(paths: readonly string[], afterId: number, round: (round: ReplayedRound) => void): Promise<End>;
  stop(): void;
}

/**
 * V8's threads that collect garbage beside the program take from the other processes what they give to this one: with
 * one thread a round costs 15 ms of processor time instead of 25. A round's garbage fits into the larger nursery.
 */
const nodeFlags = ['--single-threaded-gc', '--max-semi-space-size=64'];

/** A process that stays warm from one piece of work to the next. */
const replayProcess = (options: ReplayOptions): ReplayProcess => {
  const { settings, fromMs, toMs, limits = defaultLimits } = options;
  const path = fileURLToPath(options.processUrl ?? new URL('./replay-process.js', import.meta.url));
  let child: ChildProcess | null = null;
  const drop = (): void => {
    child?.removeAllListeners();
    child?.kill('SIGKILL');
    child = null;
  };
  return {
    run: (paths, afterId, round) =>
      new Promise((resolve) => {
        child ??= fork(path, [], {
          execArgv: nodeFlags,
          serialization: 'advanced',
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        });
        const current = child;
        let timer: NodeJS.Timeout | undefined;
        const end = (how: End): void => {
          clearTimeout(timer);
          current.removeAllListeners();
          if (how.kind !== 'done') drop();
          resolve(how);
        };
        const watch = (ms: number): void => {
          clearTimeout(timer);
          const error = `scheduler/v1: time limit of ${limits.timeLimitMs} ms exceeded within one library call`;
          timer = setTimeout(() => end({ kind: 'lost', error }), ms);
        };
        watch(startMs);
        current.on('message', (news: ReplayNews) => {
          if (news.kind === 'done') return end(news);
          watch(limits.timeLimitMs + graceMs);
          round(news.round);
        });
        current.on('error', (error) => end({ kind: 'died', error: `its process failed: ${error.message}` }));
        current.on('exit', (code, signal) => end({ kind: 'died', error: `its process ended with ${code ?? signal}` }));
        current.send({ paths, settings, limits, fromMs, toMs, afterId } satisfies ReplayTask);
      }),
    stop: drop,
  };
};
