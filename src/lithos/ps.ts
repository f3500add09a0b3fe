import { join, resolve } from 'node:path';
import { formatProblem } from '../config/problem.ts';
import { treeClient } from './client.ts';
import { loadMaster } from './config/master.ts';
import type { ContainerStatus, TreeStatus } from './status.ts';

/** Prints what the tree supervises. 1 where it cannot be asked. */
export async function printStatus(options: { readonly config: string; readonly json: boolean }): Promise<number> {
  const loaded = loadMaster(resolve(options.config));
  if (loaded.kind === 'refused') {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return 1;
  }
  try {
    const status = await treeClient(join(loaded.master.runtimeDir, 'tree.sock')).status();
    process.stdout.write(
      options.json ? `${JSON.stringify(status, null, 2)}\n` : describeTree(status, loaded.master.path, Date.now()),
    );
    return 0;
  } catch (error) {
    process.stderr.write(`lithos ps: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** tree → sandbox → process → instance. */
export function describeTree(
  { pid, version, containers, problems }: TreeStatus,
  config: string,
  nowMs: number,
): string {
  const lines = [`tree ${pid} (stellwerk ${version}) ${config}`];
  let sandbox = '';
  let process = '';
  for (const container of containers) {
    if (container.sandbox !== sandbox) lines.push(`  ${container.sandbox}`);
    if (container.sandbox !== sandbox || container.process !== process) {
      lines.push(`    ${container.process}  ${container.image}`);
    }
    ({ sandbox, process } = container);
    lines.push(`      ${describe(container, nowMs)}`);
  }
  if (containers.length === 0) lines.push('  nothing is to run');
  for (const problem of problems) lines.push(`problem: ${formatProblem(problem)}`);
  return `${lines.join('\n')}\n`;
}

function describe(container: ContainerStatus, nowMs: number): string {
  const { phase, instance, pid, startedAtMs, restarts, adopted, lastEnd, nextStartAtMs } = container;
  const parts = [`.${instance}`, phase];
  if (pid !== null) parts.push(`pid ${pid}`);
  if (phase === 'running' && startedAtMs !== null) parts.push(`up ${seconds(nowMs - startedAtMs)}`);
  if (phase === 'waiting' && nextStartAtMs !== null) parts.push(`starts in ${seconds(nextStartAtMs - nowMs)}`);
  if (restarts > 0) parts.push(`${restarts} restart${restarts === 1 ? '' : 's'}`);
  if (adopted) parts.push('adopted');
  if (lastEnd !== null) parts.push(`last: ${describeEnd(lastEnd)}`);
  return parts.join('  ');
}

function describeEnd({ exitCode, signal, failure }: NonNullable<ContainerStatus['lastEnd']>): string {
  if (failure !== null) return failure.message;
  if (signal !== null) return `signal ${signal}`;
  return exitCode === null ? 'killed with its knot' : `exit code ${exitCode}`;
}

const seconds = (ms: number): string => `${Math.max(0, Math.round(ms / 1000))} s`;
