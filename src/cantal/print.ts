import { createScanner, type Scanner } from '../native/scanner.ts';
import type { Labels, TipJson } from './query/dataset.ts';
import { sampleToJson } from './query/sample.ts';
import { scanTips } from './shell.ts';
import type { Value } from './values-file.ts';
import { readFileOrPid } from './values-paths.ts';

/** ECMA-262, 21.4.1.1. */
const latestDate = 8.64e15;

/** Prints one scan of this host; returns the exit code: 1 where the scanner cannot be had. */
export async function printOnce(asJson: boolean): Promise<0 | 1> {
  let scanner: Scanner;
  try {
    scanner = createScanner({});
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
export function printValues(words: readonly string[], asJson: boolean): 0 | 1 {
  let failed = false;
  for (const result of words.flatMap((word) => readFileOrPid(word, '/proc'))) {
    if (result.kind === 'failed') {
      failed = true;
      process.stderr.write(`cantal: ${result.prefix}: ${result.reason}\n`);
      continue;
    }
    for (const warning of result.warnings) process.stderr.write(`cantal: ${warning}\n`);
    for (const { labels, value } of result.values) {
      process.stdout.write(
        asJson
          ? `${jsonLine(result.prefix, labels, value)}\n`
          : `${result.prefix}: ${JSON.stringify(labels)} ${shown(toJson(value))}\n`,
      );
    }
  }
  return failed ? 1 : 0;
}

/** A pipe takes a scan in pieces; the program must not end before. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
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
