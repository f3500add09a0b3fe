import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import { readMetadata } from '../metadata.ts';
import { countsText, movesSummary, moveTable } from '../move-table.ts';
import { openRecorder } from '../recording/recorder.ts';
import type { Terminal } from '../replay/replay-command.ts';
import { startRunner } from '../scheduler/runner.ts';
import { readSources } from '../scheduler/sources.ts';
import { problemText } from '../yaml-text.ts';
import type { PlanEvent } from './plan.ts';
import { planSchema } from './plan.ts';
import { type Happening, type Simulated, simulate } from './simulate.ts';

export interface SimulateCommandOptions {
  readonly nodes: number;
  readonly hours: number;
  readonly plan?: string;
  readonly configDir: string;
  readonly seed: number;
  readonly record?: string;
  readonly json: boolean;
}

const mostLines = 40;

/** `stellwerk verwalter simulate`; returns the exit code. */
export const simulateCommand = async (
  options: SimulateCommandOptions,
  { print, complain, progress }: Terminal,
  workerUrl?: URL,
): Promise<number> => {
  const plan = options.plan === undefined ? null : loadConfig(options.plan, planSchema);
  if (plan?.kind === 'refused') {
    for (const problem of plan.problems) complain(`${formatProblem(problem)}\n`);
    return 2;
  }
  let sources: ReturnType<typeof readSources>;
  try {
    sources = readSources(options.configDir);
  } catch (error) {
    complain(`${(error as Error).message}\n`);
    return 2;
  }
  const metadata = readMetadata(join(options.configDir, 'runtime'));
  for (const problem of metadata.problems) complain(`${problemText(problem)}\n`);
  let clock = 0;
  const recorder =
    options.record === undefined
      ? null
      : openRecorder({
          dir: options.record,
          keep: { ms: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY },
          nowMs: () => clock,
          setError: (text) => text !== null && complain(`${text}\n`),
          log: (line) => complain(`${line}\n`),
        });
  const runner = startRunner(workerUrl === undefined ? {} : { workerUrl });
  const started = performance.now();
  const told: Happening[] = [];
  try {
    const story = simulate({
      plan: plan?.value ?? emptyPlan,
      nodes: options.nodes,
      durationMs: options.hours * 3_600_000,
      seed: options.seed,
      sources,
      runtime: metadata.data,
      runner,
      ...(recorder === null
        ? {}
        : {
            async record(round) {
              clock = round.timestamp;
              recorder.record(round);
              await recorder.written();
            },
          }),
      progress(done, all) {
        if (done % 100 === 0) progress?.(`${done} of ${all} rounds`);
      },
    });
    for (;;) {
      const step = await story.next();
      if (step.done === true) {
        progress?.('');
        const wallMs = performance.now() - started;
        print(options.json ? `${JSON.stringify({ ...step.value, told }, null, 2)}\n` : summaryText(step.value, wallMs));
        return step.value.failed > 0 ? 1 : 0;
      }
      if (options.json) told.push(step.value);
      else {
        progress?.('');
        print(happeningText(step.value));
      }
    }
  } finally {
    await recorder?.stop();
    await runner.stop();
  }
};

const emptyPlan = { start: 1_799_971_200_000, metrics: new Map(), events: [] } as const;

/** `d hh:mm:ss` since the beginning. */
const clockText = (ms: number): string => {
  const pad = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const days = Math.floor(ms / 86_400_000);
  const time = `${pad((ms / 3_600_000) % 24)}:${pad((ms / 60_000) % 60)}:${pad((ms / 1000) % 60)}`;
  return days === 0 ? `+${time}` : `+${days}d ${time}`;
};

const happeningText = (happening: Happening): string => {
  const at = clockText(happening.atMs);
  switch (happening.kind) {
    case 'event':
      return `${at}  ${eventText(happening.event, happening.ends)}\n`;
    case 'leader':
      return `${at}  ${happening.hostname === null ? 'no node is left to lead' : `${happening.hostname} leads`}\n`;
    case 'failed':
      return `${at}  round ${happening.round} failed: ${happening.error}\n`;
    case 'moves': {
      const { moves, round } = happening;
      const more = moves.length > mostLines ? `    … and ${moves.length - mostLines} more; --json lists all\n` : '';
      return `${at}  round ${round}: ${movesSummary(moves)}\n${moveTable(moves.slice(0, mostLines), '    ')}${more}`;
    }
    default:
      return happening satisfies never;
  }
};

const eventText = (event: PlanEvent, ends: boolean): string => {
  switch (event.tag) {
    case 'Crash':
      return `${event.value.node} ${ends ? 'is back' : 'crashes'}`;
    case 'Partition':
      return `${ends ? 'the partition heals' : 'a partition'}: ${event.value.nodes.join(', ')}`;
    case 'Load':
      return ends ? 'the load is as it was' : `the load is ${event.value.factor} times as high`;
    case 'Metric':
      return `${event.value.rule} of ${event.value.node} is ${ends ? 'as it was' : event.value.value}`;
    case 'Action':
      return `action ${JSON.stringify(event.value.action)}`;
    default:
      return event satisfies never;
  }
};

const summaryText = (result: Simulated, wallMs: number): string => {
  const warnings = result.warnings.map((warning) => `warning: ${warning}\n`).join('');
  const perMinute = (result.rounds / wallMs) * 60_000;
  return (
    `${warnings}${result.rounds} rounds, ${result.failed} failed, ${result.differing} gave another schedule: ` +
    `${countsText(result.moves)}; ${result.elections} leader(s); ` +
    `${(wallMs / 1000).toFixed(1)} s, ${perMinute.toFixed(0)} rounds a minute\n`
  );
};
