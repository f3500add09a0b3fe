import { parseDuration } from '../../config/duration.ts';
import { countMoves } from '../diff.ts';
import { countsText, movesSummary, moveTable } from '../move-table.ts';
import { openRecordings } from '../recording/recordings.ts';
import { readSources, readTree, type SchedulerSources } from '../scheduler/sources.ts';
import { replay } from './replay.ts';
import type { ReplayedRound } from './replay-rounds.ts';
import { type ReplaySummary, type Stretch, stretches } from './stretches.ts';

export interface ReplayCommandOptions {
  readonly scheduler?: string;
  readonly diff: boolean;
  readonly verify: boolean;
  readonly chain: boolean;
  readonly json: boolean;
  readonly from?: string;
  readonly to?: string;
}

export interface Terminal {
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  /** Overwrites its own last line; null: nobody watches. */
  readonly progress: ((text: string) => void) | null;
}

/** Longer lists are for --json. */
const mostLines = 100;
const mostFailures = 20;

/** `stellwerk verwalter replay`; returns the exit code. */
export const replayCommand = async (
  paths: readonly string[],
  options: ReplayCommandOptions,
  { print, complain, progress }: Terminal,
  processUrl?: URL,
): Promise<number> => {
  let sources: SchedulerSources | null = null;
  try {
    sources = options.scheduler === undefined ? null : readScheduler(options.scheduler);
  } catch (error) {
    complain(`${(error as Error).message}\n`);
    return 2;
  }
  const recordings = openRecordings(paths);
  for (const problem of recordings.problems) complain(`${problem}\n`);
  const heads = [...recordings.segments.flatMap(({ frames }) => frames.map(({ head }) => head)), ...recordings.inputs];
  if (heads.length === 0) {
    complain(`${paths.join(', ')}: no recorded round\n`);
    return 2;
  }
  const newest = Math.max(...lastFew(heads.map(({ timestamp }) => timestamp)));
  const fromMs = timeOf(options.from, newest, Number.NEGATIVE_INFINITY);
  const toMs = timeOf(options.to, newest, Number.POSITIVE_INFINITY);
  if (fromMs === null || toMs === null) {
    const text = fromMs === null ? options.from : options.to;
    complain(`${text}: expected 2027-01-15T08:00:00Z, milliseconds since 1970, or 2h for that long before the end\n`);
    return 2;
  }
  const all = heads.filter(({ timestamp }) => timestamp >= fromMs && timestamp <= toMs).length;
  const collected = stretches(sources === null);
  const found: Stretch[] = [];
  let unreadable = recordings.problems.length;
  let done = 0;
  const started = performance.now();
  const show = (stretch: Stretch | null): void => {
    if (stretch === null) return;
    if (options.json) found.push(stretch);
    else if (options.diff) print(stretchText(stretch));
  };
  await replay(
    {
      recordings,
      settings: { sources: sources?.files ?? null, chain: options.chain, diff: options.diff || options.json },
      fromMs,
      toMs,
      ...(processUrl === undefined ? {} : { processUrl }),
    },
    {
      round(round) {
        done++;
        if (progress !== null && (done % 50 === 0 || done === all)) {
          const perSecond = (done / (performance.now() - started)) * 1000;
          const left = Math.ceil((all - done) / perSecond);
          progress(`${done} of ${all} rounds, ${perSecond.toFixed(0)} a second, ${left} s to go`);
        }
        show(collected.add(round));
      },
      problem(text) {
        unreadable++;
        complain(`${text}; the rounds after it in its file are not replayed\n`);
      },
    },
  );
  show(collected.end());
  progress?.('');
  const summary = collected.summary();
  print(options.json ? jsonText(found, summary) : summaryText(summary, options));
  const broken = summary.failed.length > 0 || unreadable > 0;
  return broken || (options.verify && summary.different.length > 0) ? 1 : 0;
};

/** A whole configuration folder, or the folder of a main.lua. */
const readScheduler = (dir: string): SchedulerSources => {
  try {
    return readTree(dir);
  } catch (error) {
    try {
      return readSources(dir);
    } catch {
      throw error;
    }
  }
};

/** Math.max takes no list of some ten thousand. */
const lastFew = (times: readonly number[]): readonly number[] => times.slice(-1000);

const timeOf = (text: string | undefined, newestMs: number, otherwise: number): number | null => {
  if (text === undefined) return otherwise;
  if (/^\d{10,}$/.test(text)) return Number(text);
  const duration = parseDuration(text);
  if ('ms' in duration) return newestMs - duration.ms;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
};

export const timeText = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.000Z$/, 'Z');

const stretchText = ({ from, to, rounds, moves }: Stretch): string => {
  const span =
    rounds === 1
      ? `round ${from.id}, ${timeText(from.timestamp)}`
      : `rounds ${from.id} to ${to.id}, ${timeText(from.timestamp)} to ${timeText(to.timestamp)} (${rounds})`;
  const more = moves.length > mostLines ? `  … and ${moves.length - mostLines} more; --json lists all\n` : '';
  return `${span}: ${movesSummary(moves)}\n${moveTable(moves.slice(0, mostLines), '  ')}${more}`;
};

const listed = (items: readonly string[]): string => {
  const more = items.length > mostFailures ? [`… and ${items.length - mostFailures} more; --json lists all`] : [];
  return [...items.slice(0, mostFailures), ...more].map((line) => `  ${line}\n`).join('');
};

const summaryText = (summary: ReplaySummary, options: ReplayCommandOptions): string => {
  const { rounds, failed, different, differing, moves } = summary;
  const place = ({ id, timestamp }: Pick<ReplayedRound, 'id' | 'timestamp'>): string =>
    `round ${id} (${timeText(timestamp)})`;
  let text = '';
  if (failed.length > 0)
    text += `failed in ${failed.length} round(s):\n${listed(failed.map((each) => `${place(each)}: ${each.error}`))}`;
  if (options.verify && different.length > 0)
    text += `not as recorded in ${different.length} round(s):\n${listed(different.map((each) => `${place(each)}: another ${each.what}${each.error === null ? '' : `: ${each.error}`}`))}`;
  text += `${rounds} rounds replayed: ${failed.length} failed, ${differing} with another schedule`;
  if (options.diff && differing > 0) text += ` (${countsText(moves)}, each way counted once)`;
  if (options.verify && different.length === 0) text += ', all byte for byte as recorded';
  return `${text}\n`;
};

const jsonText = (found: readonly Stretch[], { rounds, failed, different, differing }: ReplaySummary): string =>
  `${JSON.stringify(
    {
      rounds,
      failed,
      different,
      changed_rounds: differing,
      stretches: found.map(({ from, to, rounds: length, moves }) => ({
        from: from.id,
        to: to.id,
        rounds: length,
        ...countMoves(moves),
        moves,
      })),
    },
    null,
    2,
  )}\n`;
