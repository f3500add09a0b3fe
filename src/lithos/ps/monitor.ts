import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Paint } from './paint.ts';
import { formatBytes } from './quantities.ts';
import type { Survey, SurveyedContainer, SurveyedTree } from './survey.ts';

/** One look, and when it was; milliseconds of any clock that does not jump. */
export interface Look {
  readonly survey: Survey;
  readonly atMs: number;
}

const heads = ['PID', 'NAME', 'CPU', 'THR', 'PRC', 'MEM'] as const;

/** A table per tree. CPU is of one core since the look before: at the first one it is not known. */
export function monitorLines({ survey, atMs }: Look, before: Look | null, paint: Paint): readonly string[] {
  const passedMs = before === null ? 0 : atMs - before.atMs;
  const used = new Map(before?.survey.trees.flatMap(({ containers }) => containers.flatMap(cpuEntry)) ?? []);
  if (survey.trees.length === 0) return ['no tree runs'];
  return survey.trees.flatMap((tree, index) => [
    ...(index === 0 ? [] : ['']),
    paint('strong', titleOf(tree)),
    ...tableLines(
      tree.containers.map((container) => cells(container, used, passedMs)),
      paint,
    ),
  ]);
}

const titleOf = ({ pid, config, stateDir }: SurveyedTree): string =>
  `${pid === null ? 'no tree runs' : `tree ${pid}`}  ${config ?? stateDir ?? ''}`;

/** pid and start time: what makes a program the same one. */
function cpuEntry({ programs: [program] }: SurveyedContainer): readonly (readonly [string, number])[] {
  if (program === undefined) return [];
  // The time of an ended child goes to its parent: only with both do the sums never lose any.
  const { userMs, systemMs, childUserMs, childSystemMs } = program;
  return [[`${program.pid}@${program.startedAtMs}`, userMs + systemMs + childUserMs + childSystemMs]];
}

function cells(
  container: SurveyedContainer,
  used: ReadonlyMap<string, number>,
  passedMs: number,
): readonly (string | null)[] {
  const [program] = container.programs;
  const [entry] = cpuEntry(container);
  if (program === undefined || entry === undefined) {
    return [String(container.knotPid), container.name, null, null, null, null];
  }
  const [key, nowUsed] = entry;
  const usedBefore = used.get(key);
  const cpu =
    usedBefore === undefined || passedMs <= 0
      ? '-'
      : `${((Math.max(0, nowUsed - usedBefore) / passedMs) * 100).toFixed(1)}%`;
  const { threads, processes, rssBytes, swapBytes } = program;
  const memory = formatBytes(rssBytes + swapBytes);
  return [String(program.pid), container.name, cpu, String(threads), String(processes), memory];
}

function tableLines(rows: readonly (readonly (string | null)[])[], paint: Paint): readonly string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const align = (cell: string, column: number): string =>
    heads[column] === 'NAME' ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  const head = paint('faint', heads.map(align).join('  '));
  return [
    head,
    ...rows.map((row) => {
      const known = row.flatMap((cell, column) => (cell === null ? [] : [paint('plain', align(cell, column))]));
      return [...known, ...(known.length < heads.length ? [paint('bad', '<failing>')] : [])].join('  ');
    }),
  ];
}

export interface MonitorShell {
  readonly look: () => Look;
  readonly paint: Paint;
  readonly output: Writable & { readonly rows?: number };
  /** Null: not a terminal, blocks follow each other. */
  readonly keys: (Readable & { setRawMode(on: boolean): unknown }) | null;
  readonly isTerminal: boolean;
  readonly everyMs: number;
  /** From outside: SIGINT, SIGTERM. */
  readonly ended: AbortSignal;
}

/** Control sequences, ECMA-48; DECTCEM and DECAWM of the VT510: a long line is cut off, or it would take two. */
const home = '\x1b[H';
const eraseLine = '\x1b[K';
const eraseBelow = '\x1b[J';
const enter = '\x1b[?25l\x1b[?7l';
const leave = '\x1b[?7h\x1b[?25h';
/** In raw mode the terminal sends these instead of SIGINT. */
const endKeys = new Set(['q', 'Q', '\x03', '\x04']);

/** Looks again and again until it is ended, `q` is pressed or nobody reads any more. */
export async function monitor(shell: MonitorShell): Promise<void> {
  const { output, keys, isTerminal } = shell;
  const stop = new AbortController();
  const end = (): void => stop.abort();
  const press = (chunk: Buffer): void => {
    if ([...chunk.toString('latin1')].some((key) => endKeys.has(key))) end();
  };
  shell.ended.addEventListener('abort', end, { once: true });
  if (shell.ended.aborted) end();
  // A pipe whose reader has gone, as of `| head`.
  output.on('error', end);
  keys?.setRawMode(true);
  keys?.on('data', press);
  if (isTerminal) output.write(`${enter}${home}${eraseBelow}`);
  try {
    for (let before: Look | null = null; !stop.signal.aborted; ) {
      const look = shell.look();
      const lines = monitorLines(look, before, shell.paint);
      before = look;
      output.write(isTerminal ? frame(lines, output.rows ?? null) : `${lines.join('\n')}\n\n`);
      await sleep(shell.everyMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    if (isTerminal) output.write(leave);
    keys?.off('data', press);
    keys?.setRawMode(false);
    keys?.pause();
  }
}

/** Over the last one, from the top: nothing flickers. What has no room would scroll it away. */
function frame(lines: readonly string[], rows: number | null): string {
  const room = rows === null ? lines.length : Math.max(1, rows - 1);
  const hidden = lines.length - room;
  const shown = hidden > 0 ? [...lines.slice(0, room - 1), `… ${hidden + 1} more lines`] : lines;
  return `${home}${shown.map((line) => `${line}${eraseLine}\n`).join('')}${eraseBelow}`;
}
