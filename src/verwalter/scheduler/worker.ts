import { parentPort } from 'node:worker_threads';
import { runScheduler, type SchedulerLimits, type SchedulerRequest, type SchedulerRun } from './engine.ts';

// The entry of the thread in which Lua runs: whatever it does there, the agent's event loop goes on.

export interface WorkerQuestion {
  readonly id: number;
  readonly request: SchedulerRequest;
  readonly limits: SchedulerLimits;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly run: SchedulerRun;
}

parentPort?.on('message', async ({ id, request, limits }: WorkerQuestion) => {
  const run = await runScheduler(request, limits);
  parentPort?.postMessage({ id, run } satisfies WorkerAnswer);
});
