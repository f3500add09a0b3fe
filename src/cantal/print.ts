import { setTimeout as sleep } from 'node:timers/promises';
import { createScanner, type Scanner, type ScannerOptions } from '../native/scanner.ts';
import type { Labels, TipJson } from './query/dataset.ts';
import { sampleToJson } from './query/sample.ts';
import { scanTips } from './shell.ts';
import type { Value } from './values-file.ts';
import { readFileOrPid } from './values-paths.ts';

/** ECMA-262, 21.4.1.1. */
const latestDate = 8.64e15;

/** Prints one scan of this host; returns the exit code: 1 where the scanner cannot be had. */
export async function printOnce(asJson: boolean, options: Partial<ScannerOptions>): Promise<0 | 1> {
  let scanner: Scanner;
  try {
    scanner = createScanner(options);
  } catch (error) {
    process.stderr.write(`cantal: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  const scanMs = scanner.scanOnce();
  const metrics = scanTips(scanner);
  for (const message of scanner.messages()) process.stderr.write(`cantal: ${message}\n`);
  if (!asJson) {
    await write(metrics.map(({ labels, value }) => `${JSON.stringify(labels)} ${shown(value)}\n`).join(''));
    return 0;
  }
  const timestamp = scanner.snapshot().timestamp;
  const all = metrics.map(({ labels, value }) => [labels, value]);
  await write(`${JSON.stringify({ timestamp, scan_ms: scanMs, metrics: all, processes: scanner.processes() })}\n`);
  return 0;
}

/** Prints "PREFIX: JSON VALUE" per metric; returns the exit code: 1 if any word failed. */
export async function printValues(words: readonly string[], asJson: boolean): Promise<0 | 1> {
  const { lines, problems, failed } = look(words, asJson);
  for (const problem of problems) process.stderr.write(`cantal: ${problem}\n`);
  await write(lines.map((line) => `${line}\n`).join(''));
  return failed ? 1 : 0;
}

/**
 * The same each period, until SIGINT or SIGTERM or until nobody reads any more. A terminal shows the newest values and
 * what is wrong with them; elsewhere lines follow each other, and a problem is said once for as long as it lasts.
 */
export async function watchValues(words: readonly string[], asJson: boolean, periodMs: number): Promise<0 | 1> {
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  const isTerminal = process.stdout.isTTY === true;
  let failed = false;
  let said: ReadonlySet<string> = new Set();
  while (!end.signal.aborted) {
    const seen = look(words, asJson);
    failed = seen.failed;
    if (isTerminal) {
      await write(
        screen([...seen.lines, ...seen.problems.map((problem) => `cantal: ${problem}`)], process.stdout.rows),
      );
    } else {
      for (const problem of seen.problems) if (!said.has(problem)) process.stderr.write(`cantal: ${problem}\n`);
      said = new Set(seen.problems);
      await write(seen.lines.map((line) => `${line}\n`).join(''));
    }
    await sleep(periodMs, undefined, { signal: end.signal }).catch(() => {});
  }
  return failed ? 1 : 0;
}

/** From the top, each line to its end, and nothing below: no flicker (ECMA-48: CUP, EL, ED). */
function screen(lines: readonly string[], rows: number): string {
  // A terminal that does not know its size has 0.
  const room = rows > 1 ? rows - 1 : lines.length;
  const kept = lines.length > room ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`] : lines;
  return `\x1b[H${kept.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`;
}

function look(
  words: readonly string[],
  asJson: boolean,
): { readonly lines: readonly string[]; readonly problems: readonly string[]; readonly failed: boolean } {
  const results = words.flatMap((word) => readFileOrPid(word, '/proc'));
  return {
    lines: results.flatMap((result) =>
      result.kind === 'failed'
        ? []
        : result.values.map(({ labels, value }) =>
            asJson
              ? jsonLine(result.prefix, labels, value)
              : `${result.prefix}: ${JSON.stringify(labels)} ${shown(toJson(value))}`,
          ),
    ),
    problems: results.flatMap((result) =>
      result.kind === 'failed' ? [`${result.prefix}: ${result.reason}`] : result.warnings,
    ),
    failed: results.some(({ kind }) => kind === 'failed'),
  };
}

/** A pipe takes a scan in pieces; the program must not end before. A reader that has gone has had what it wanted. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => (error.code === 'EPIPE' ? process.exit(0) : reject(error));
    process.stdout.once('error', failed);
    process.stdout.write(text, (error) => {
      if (error) return failed(error);
      process.stdout.off('error', failed);
      resolve();
    });
  });
}

function toJson(value: Value): TipJson[1] {
  return value.kind === 'State' ? ['State', [value.since, value.text]] : [value.kind, sampleToJson(value.value)];
}

function jsonLine(path: string, labels: Labels, value: Value): string {
  const [kind, plain] = toJson(value);
  return JSON.stringify({ path, labels, kind, value: plain });
}

/** Control characters of a stranger's state stay out of the terminal. */
function shown([kind, value]: TipJson[1]): string {
  if (kind !== 'State') return value === null ? 'missing' : String(value);
  const [since, text] = value;
  if (since === 0) return 'left';
  // A stranger's number of milliseconds may be no date at all.
  const moment = since <= latestDate ? new Date(since).toISOString() : `${since} ms`;
  return `${JSON.stringify(text)} since ${moment}`;
}
