import { Worker } from 'node:worker_threads';
import { defaultLimits, type SchedulerLimits, type SchedulerRequest, type SchedulerRun } from './engine.ts';
import type { WorkerAnswer, WorkerQuestion } from './worker.ts';

export interface SchedulerRunner {
  /** One at a time: the next begins when the one before has ended. */
  run(request: SchedulerRequest): Promise<SchedulerRun>;
  stop(): Promise<void>;
}

export interface RunnerOptions {
  /** The bundled worker.ts; by default it lies beside the program's bundle. */
  readonly workerUrl?: URL;
  readonly limits?: SchedulerLimits;
  /** How long the thread is kept with nothing to run; by default longer than a leader waits between rounds. */
  readonly idleMs?: number;
}

/** A thread holds some 10 MiB. Who does not lead runs the scheduler only to see that it loads. */
const defaultIdleMs = 30_000;

/** Lua's hook cannot fire inside one long C function (a pattern match): then the whole thread is ended, after this. */
const graceMs = 1000;

export const startRunner = (options: RunnerOptions = {}): SchedulerRunner => {
  const limits = options.limits ?? defaultLimits;
  const url = options.workerUrl ?? new URL('./scheduler-worker.js', import.meta.url);
  const idleMs = options.idleMs ?? defaultIdleMs;
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let nextId = 1;

  const drop = async (): Promise<void> => {
    clearTimeout(idle);
    const old = worker;
    worker = undefined;
    await old?.terminate();
  };

  const once = (request: SchedulerRequest): Promise<SchedulerRun> =>
    new Promise((resolve) => {
      const started = performance.now();
      clearTimeout(idle);
      if (worker === undefined) {
        worker = new Worker(url, { resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 } });
        worker.unref();
        worker.setMaxListeners(0);
      }
      const current = worker;
      const id = nextId++;
      const settle = (run: SchedulerRun): void => {
        clearTimeout(watchdog);
        current.off('message', onMessage).off('error', onError).off('exit', onExit);
        idle = setTimeout(() => void drop(), idleMs).unref();
        resolve(run);
      };
      const fail = (kind: 'time' | 'run', message: string): void =>
        settle({ ok: false, kind, message, traceback: '', log: '', durationMs: performance.now() - started });
      const onMessage = (answer: WorkerAnswer): void => {
        if (answer.id !== id) return;
        // What a round took at its limit is given back at once with its thread, otherwise when V8 gets to it.
        if (!answer.run.ok && answer.run.kind === 'memory') void drop();
        settle(answer.run);
      };
      const onError = (error: Error): void => {
        worker = undefined;
        fail('run', `the scheduler's thread failed: ${error.message}`);
      };
      const onExit = (code: number): void => {
        worker = undefined;
        fail('run', `the scheduler's thread ended with ${code}`);
      };
      const watchdog = setTimeout(() => {
        // Nothing but its end stops such a thread.
        void drop();
        fail('time', `scheduler/v1: time limit of ${limits.timeLimitMs} ms exceeded within one library call`);
      }, limits.timeLimitMs + graceMs);
      current.on('message', onMessage).on('error', onError).on('exit', onExit);
      current.postMessage({ id, request, limits } satisfies WorkerQuestion);
    });

  return {
    run(request) {
      const result = last.then(() => once(request));
      last = result;
      return result;
    },
    stop: drop,
  };
};
