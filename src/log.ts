import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { pino } from 'pino';

export type Logger = pino.Logger;

/**
 * JSON lines on a file descriptor, written at once: a daemon that dies has said why. What cannot be written (a full
 * disk) is lost, and the daemon goes on.
 */
export function logTo(fd: number, level: string): Logger {
  const destination = pino.destination({ dest: fd, sync: true });
  destination.on('error', () => {});
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

const standardError = 2;
const levels: ReadonlySet<string> = new Set(['error', 'warn', 'info', 'debug', 'trace', 'off']);

export type LogStyle =
  | { readonly kind: 'json' }
  | { readonly kind: 'text'; readonly colours: boolean }
  /** For journald, which adds the time itself: sd-daemon(3), "<N>" before each line. */
  | { readonly kind: 'journal' };

export interface LogWish {
  readonly level: string;
  readonly style: LogStyle;
  /** What of the environment is not understood, and what is done instead; null: nothing. */
  readonly problem: string | null;
}

/**
 * CANTAL_LOG and CANTAL_LOG_STYLE of spec cantal 9. Of a list as `hyper=warn,cantal=debug` what is for everybody or for
 * cantal counts, as the original's filters have it.
 */
export function logWish(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): LogWish {
  const words = (env.CANTAL_LOG ?? '').split(',').map((word) => word.trim().toLowerCase());
  const asked = words.filter((word) => word !== '').map((word) => /^(?:cantal\w*=)?(\w+)$/.exec(word)?.[1] ?? null);
  const known = asked.filter((word) => word !== null && levels.has(word));
  const level = known.at(-1) ?? 'info';
  const strange = asked.length > 0 && known.length === 0;
  const style = env.CANTAL_LOG_STYLE ?? 'auto';
  const problems = [
    ...(strange ? [`CANTAL_LOG=${env.CANTAL_LOG}: not one of ${[...levels].join(', ')}; taking info`] : []),
    ...(/^(auto|always|never|json)$/.test(style)
      ? []
      : [`CANTAL_LOG_STYLE=${style}: not one of auto, always, never, json; taking auto`]),
  ];
  return {
    level: level === 'off' ? 'silent' : level,
    style: styleOf(style, isTerminal, env.JOURNAL_STREAM !== undefined),
    problem: problems.length === 0 ? null : problems.join('; '),
  };
}

function styleOf(word: string, isTerminal: boolean, isJournal: boolean): LogStyle {
  if (word === 'json') return { kind: 'json' };
  if (word === 'always') return { kind: 'text', colours: true };
  if (word === 'never') return { kind: 'text', colours: false };
  return isJournal && !isTerminal ? { kind: 'journal' } : { kind: 'text', colours: isTerminal };
}

/** By pino's levels: the word, its colour, its priority of syslog(3). */
const shown: Readonly<Record<number, readonly [word: string, colour: number, priority: number]>> = {
  60: ['FATAL', 31, 2],
  50: ['ERROR', 31, 3],
  40: ['WARN ', 33, 4],
  30: ['INFO ', 32, 6],
  20: ['DEBUG', 34, 7],
  10: ['TRACE', 36, 7],
};

/** A line of pino as a person reads it; the control characters of a stranger's text stay out of the terminal. */
export function lineOf(style: Exclude<LogStyle, { kind: 'json' }>, text: string): string {
  const { level, time, msg } = JSON.parse(text) as { level: number; time: string; msg?: string };
  const [word, colour, priority] = shown[level] ?? ['?????', 0, 6];
  const plain = (msg ?? '').replace(/\p{Cc}/gu, (sign) => (sign === '\n' ? '\n  ' : '?'));
  if (style.kind === 'journal') return `<${priority}>${plain.replaceAll('\n', `\n<${priority}>`)}\n`;
  return style.colours
    ? `\x1b[2m${time}\x1b[0m \x1b[${colour}m${word}\x1b[0m ${plain}\n`
    : `${time} ${word} ${plain}\n`;
}

/** To standard error, as the environment asks. */
export function logAsAsked(env: Readonly<Record<string, string | undefined>>): {
  readonly log: Logger;
  readonly problem: string | null;
} {
  const { level, style, problem } = logWish(env, isatty(standardError));
  if (style.kind === 'json') return { log: logTo(standardError, level), problem };
  const write = (text: string): void => {
    try {
      writeSync(standardError, lineOf(style, text));
    } catch {
      // A full disk, or a reader that has gone: the daemon goes on.
    }
  };
  return { log: pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write }), problem };
}
