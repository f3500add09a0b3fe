import { join, resolve } from 'node:path';
import { type ConfigProblem, formatProblem } from '../config/problem.ts';
import { treeClient } from './client.ts';
import { loadMaster } from './config/master.ts';
import { usualMaster } from './ps/forest.ts';
import { surveyJson } from './ps/json.ts';
import { monitor } from './ps/monitor.ts';
import { type ColorOption, painter, printable, wantsColor } from './ps/paint.ts';
import { openProc, type Proc } from './ps/proc.ts';
import { type SurveyedTree, survey } from './ps/survey.ts';
import { parseTold } from './ps/told.ts';
import { type Answer, treesText } from './ps/tree-text.ts';

export interface PsOptions {
  /** Only the tree with this master config; null: all. */
  readonly config: string | null;
  /** One JSON document from /proc (lithos 3). */
  readonly json: boolean;
  /** The status document of the tree itself instead. */
  readonly status: boolean;
  readonly monitor: boolean;
  readonly color: ColorOption;
}

/** A tree that hangs must not keep from showing what /proc knows. */
const answerMs = 500;
const refreshMs = 1_000;

/** lithos 3. */
const usageError = 2;

/** Exit code 0, 1 where /proc cannot be read or no tree runs with the config that was asked for, 2 for wrong options. */
export async function printProcesses(options: PsOptions): Promise<number> {
  if (options.monitor && (options.json || options.status)) {
    fail(`--monitor is a table for people: leave it out, or ${options.json ? '--json' : '--status'}`);
    return usageError;
  }
  try {
    if (options.status) return await printStatusDocument(options.config ?? usualMaster);
    const proc = openProc('/proc');
    return options.monitor ? await watch(proc, options) : await printOnce(proc, options);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

async function printOnce(proc: Proc, { config, json, color }: PsOptions): Promise<number> {
  const found = survey(proc, config);
  printProblems(found.problems);
  if (json) process.stdout.write(surveyJson(found));
  else if (found.trees.length > 0 || config === null) {
    const answers = await Promise.all(found.trees.map(ask));
    const trees = found.trees.map((tree, index) => ({ tree, answer: answers[index] ?? null }));
    process.stdout.write(treesText(trees, Date.now(), paintFor(color)));
  }
  if (config === null || found.trees.some(({ pid }) => pid !== null)) return 0;
  return fail(`no tree is running with ${resolve(config)}`);
}

async function ask({ pid, socket }: SurveyedTree): Promise<Answer> {
  if (pid === null || socket === null) return null;
  try {
    const told = parseTold(await treeClient(socket, answerMs).status());
    return told === null ? { kind: 'silent', reason: `${socket}: its answer is no status` } : { kind: 'told', told };
  } catch (error) {
    return { kind: 'silent', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function printStatusDocument(config: string): Promise<number> {
  const loaded = loadMaster(resolve(config));
  if (loaded.kind === 'refused') {
    printProblems(loaded.problems);
    return 1;
  }
  const status = await treeClient(join(loaded.master.runtimeDir, 'tree.sock')).status();
  process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
  return 0;
}

async function watch(proc: Proc, { config, color }: PsOptions): Promise<number> {
  const { problems } = survey(proc, config);
  if (problems.length > 0) {
    printProblems(problems);
    return 1;
  }
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, end);
  const isTerminal = process.stdout.isTTY === true;
  try {
    await monitor({
      look: () => ({ survey: survey(proc, config), atMs: performance.now() }),
      paint: paintFor(color),
      output: process.stdout,
      keys: isTerminal && process.stdin.isTTY === true ? process.stdin : null,
      isTerminal,
      everyMs: refreshMs,
      ended: ended.signal,
    });
  } finally {
    for (const signal of signals) process.off(signal, end);
  }
  return 0;
}

const paintFor = (color: ColorOption) =>
  painter(wantsColor(color, process.env.NO_COLOR, process.stdout.isTTY === true));

function printProblems(problems: readonly ConfigProblem[]): void {
  for (const problem of problems) process.stderr.write(`${printable(formatProblem(problem))}\n`);
}

function fail(message: string): number {
  process.stderr.write(`lithos ps: ${printable(message)}\n`);
  return 1;
}
