import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RoundHead } from '../recording/recorded-round.ts';
import type { Recordings } from '../recording/recordings.ts';
import { defaultLimits, type SchedulerLimits } from '../scheduler/engine.ts';
import type { ReplayedRound, ReplaySettings } from './replay-rounds.ts';
import type { ReplayNews, ReplayTask } from './replay-worker.ts';

export interface ReplayOptions {
  readonly recordings: Recordings;
  readonly settings: ReplaySettings;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limits?: SchedulerLimits;
  /** The bundled replay-worker.ts; by default it lies beside the program's bundle. */
  readonly workerUrl?: URL;
  /** At once; a chain has but one. */
  readonly threads?: number;
}

export interface ReplayEvents {
  /** In the order of the rounds. */
  readonly round: (round: ReplayedRound) => void;
  /** A file that cannot be read to its end. */
  readonly problem: (text: string) => void;
}

/** Lua's hook cannot fire inside one long C function: then the thread is ended, after this. */
const graceMs = 3000;
/** To start a thread, and to read what comes before the first wanted round of a segment. */
const startMs = 60_000;

interface Work {
  readonly paths: readonly string[];
  /** The rounds that the thread will tell of, in order. */
  readonly heads: readonly Pick<RoundHead, 'id' | 'timestamp' | 'hash' | 'error'>[];
}

/** Runs recorded rounds again, in as many threads as there are processors; resolves when all are told. */
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
  const thread = async (): Promise<void> => {
    while (next < works.length) {
      const index = next++;
      const [work, own] = [works[index], told[index]];
      if (work === undefined || own === undefined) return;
      await perform(work, options, {
        round(round) {
          own.rounds.push(round);
          if (index === front) flush();
        },
        problem: (text) => own.problems.push(text),
      });
      own.done = true;
      flush();
    }
  };
  const count = Math.max(1, Math.min(options.threads ?? availableParallelism(), works.length));
  await Promise.all(Array.from({ length: count }, thread));
};

/** One thread for one piece of work; where a round holds it for good, a new one goes on after that round. */
const perform = async (work: Work, options: ReplayOptions, events: ReplayEvents): Promise<void> => {
  let done = 0;
  while (done < work.heads.length) {
    const afterId = work.heads[done - 1]?.id ?? Number.NEGATIVE_INFINITY;
    const end = await inThread(work, options, afterId, (round) => {
      done++;
      events.round(round);
    });
    if (end.kind === 'done') {
      if (end.problem !== null) events.problem(end.problem);
      return;
    }
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
  | { readonly kind: 'lost'; readonly error: string };

const inThread = (
  { paths }: Work,
  options: ReplayOptions,
  afterId: number,
  round: (round: ReplayedRound) => void,
): Promise<End> =>
  new Promise((resolve) => {
    const { settings, fromMs, toMs, limits = defaultLimits } = options;
    const worker = new Worker(options.workerUrl ?? new URL('./replay-worker.js', import.meta.url));
    let timer: NodeJS.Timeout | undefined;
    const end = (how: End): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      void worker.terminate().then(() => resolve(how));
    };
    const watch = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(
        () =>
          end({
            kind: 'lost',
            error: `scheduler/v1: time limit of ${limits.timeLimitMs} ms exceeded within one library call`,
          }),
        ms,
      );
    };
    watch(startMs);
    worker.on('message', (news: ReplayNews) => {
      if (news.kind === 'done') return end(news);
      watch(limits.timeLimitMs + graceMs);
      round(news.round);
    });
    worker.on('error', (error) => end({ kind: 'lost', error: `the replay's thread failed: ${error.message}` }));
    worker.postMessage({ paths, settings, limits, fromMs, toMs, afterId } satisfies ReplayTask);
  });
