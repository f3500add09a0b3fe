import { formatProblem } from '../../config/problem.ts';
import type { Paint } from './paint.ts';
import { formatBytes, formatDuration } from './quantities.ts';
import type { SurveyedContainer, SurveyedProgram, SurveyedTree } from './survey.ts';
import type { Told, ToldContainer } from './told.ts';

/** What came of asking a tree; null: there is none, or no socket is known. */
export type Answer =
  | { readonly kind: 'told'; readonly told: Told }
  | { readonly kind: 'silent'; readonly reason: string }
  | null;

export interface AnsweredTree {
  readonly tree: SurveyedTree;
  readonly answer: Answer;
}

/** master → sandbox → process → instance. */
export function treesText(trees: readonly AnsweredTree[], nowMs: number, paint: Paint): string {
  const blocks = trees.map((tree) => treeLines(tree, nowMs, paint).join('\n'));
  return blocks.length === 0 ? 'no tree runs\n' : `${blocks.join('\n\n')}\n`;
}

function treeLines({ tree, answer }: AnsweredTree, nowMs: number, paint: Paint): readonly string[] {
  const lines = [headline(tree, answer, paint)];
  const told = answer?.kind === 'told' ? answer.told : null;
  if (answer?.kind === 'silent') lines.push(`  ${paint('warning', `only what /proc shows: ${answer.reason}`)}`);
  let sandbox = '';
  let process = '';
  const rows = rowsOf(tree.containers, told?.containers ?? []);
  for (const row of rows) {
    const isNew = row.sandbox !== sandbox;
    if (isNew) lines.push(`  ${paint('strong', row.sandbox)}`);
    if (isNew || row.process !== process) {
      const image = row.told?.image ?? '';
      lines.push(`    ${paint('plain', row.process)}${image === '' ? '' : `  ${paint('faint', image)}`}`);
    }
    ({ sandbox, process } = row);
    lines.push(`      ${rowText(row, nowMs, paint)}`);
  }
  if (rows.length === 0) lines.push('  nothing runs');
  const problems = [...tree.problems.map(formatProblem), ...(told?.problems ?? [])];
  // A tree and this look see the same mistake in one file.
  for (const problem of new Set(problems)) lines.push(paint('bad', `problem: ${problem}`));
  return lines;
}

function headline({ pid, config, stateDir, upMs }: SurveyedTree, answer: Answer, paint: Paint): string {
  const place = paint('plain', config ?? stateDir ?? '');
  if (pid === null) return `${paint('bad', 'no tree runs')}  ${place}`;
  const version = answer?.kind === 'told' && answer.told.version !== '' ? ` (stellwerk ${answer.told.version})` : '';
  const up = upMs === null ? '' : `  up ${formatDuration(upMs)}`;
  return `${paint('strong', `tree ${pid}`)}${paint('faint', version)}  ${place}${up}`;
}

interface Row {
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  /** Null: nothing of it runs. */
  readonly seen: SurveyedContainer | null;
  readonly told: ToldContainer | null;
}

/** Two knots can have one name for a moment: both are shown. */
function rowsOf(seen: readonly SurveyedContainer[], told: readonly ToldContainer[]): readonly Row[] {
  const toldByName = new Map(told.map((each) => [each.name, each]));
  const names = new Set(seen.map(({ name }) => name));
  const rows: readonly Row[] = [
    ...seen.map((each) => ({ ...placeOf(each), seen: each, told: toldByName.get(each.name) ?? null })),
    ...told.flatMap((each) => (names.has(each.name) ? [] : [{ ...placeOf(each), seen: null, told: each }])),
  ];
  return rows.toSorted(
    (a, b) => compare(a.sandbox, b.sandbox) || compare(a.process, b.process) || a.instance - b.instance,
  );
}

const placeOf = ({ sandbox, process, instance }: Pick<Row, 'sandbox' | 'process' | 'instance'>) => ({
  sandbox,
  process,
  instance,
});

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function rowText({ instance, seen, told }: Row, nowMs: number, paint: Paint): string {
  const [program] = seen?.programs ?? [];
  const parts = [`.${instance}`];
  if (program !== undefined) parts.push(...programParts(program, paint));
  else if (seen !== null) parts.push(paint('bad', '<failing>'), `knot ${seen.knotPid}`);
  if (told === null) return parts.join('  ');
  if (told.phase === 'waiting') {
    const inMs = told.nextStartAtMs === null ? null : told.nextStartAtMs - nowMs;
    parts.push(paint('warning', inMs === null ? 'waiting' : `starts in ${formatDuration(inMs)}`));
  } else if (told.phase !== 'running' || seen === null) parts.push(paint('warning', told.phase));
  if (told.restarts > 0) parts.push(`${told.restarts} restart${told.restarts === 1 ? '' : 's'}`);
  if (told.adopted) parts.push('adopted');
  if (told.lastEnd !== null) parts.push(paint('plain', `last: ${told.lastEnd}`));
  return parts.join('  ');
}

function programParts(program: SurveyedProgram, paint: Paint): readonly string[] {
  const { pid, upMs, processes, threads, rssBytes, swapBytes } = program;
  const swap = swapBytes === 0 ? '' : ` + ${formatBytes(swapBytes)} swap`;
  return [
    paint('good', `pid ${pid}`),
    `up ${formatDuration(upMs)}`,
    `[${processes}/${threads}]`,
    `${formatBytes(rssBytes)}${swap}`,
  ];
}
