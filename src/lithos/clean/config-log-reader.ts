import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { namePattern } from '../config/common.ts';
import { imageNameProblem } from '../config/process.ts';

/** One line of a config log: what a sandbox was asked to run from a moment on. */
export interface ConfigLogEntry {
  readonly timeMs: number;
  /** Image names by process names. */
  readonly images: ReadonlyMap<string, string>;
}

export interface ImageVersion {
  readonly image: string;
  /** Until when it was asked for; Infinity where the newest line still asks for it. */
  readonly lastUsedMs: number;
  /** The log file that mentions it last. */
  readonly file: string;
}

/** By process name; of each process the newest version first. */
export type History = ReadonlyMap<string, readonly ImageVersion[]>;

export type HistoryReading =
  | { readonly kind: 'read'; readonly history: History }
  /** There is no line at all. */
  | { readonly kind: 'none'; readonly problem: string }
  | { readonly kind: 'broken'; readonly problem: string };

/** Which versions of each process count as used (lithos 3, lithos_clean). */
export interface HistoryRule {
  /** Null: however long ago. */
  readonly historyDays: number | null;
  /** So many are kept, however old. */
  readonly versionsMin: number;
  /** No more are kept, however young; `versionsMin` is stronger. */
  readonly versionsMax: number;
}

interface LogText {
  readonly file: string;
  readonly text: string;
}

export const msPerDay = 86_400_000;

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const rolledName = /^(?<sandbox>[\w-]+)\.log\.(?<time>.+)$/;

/** A line is `TIME JSON` (lithos 4.1.7): an RFC 3339 time, a blank, the processes by their names. */
export function parseConfigLogLine(line: string): ConfigLogEntry | { readonly problem: string } {
  const blank = line.indexOf(' ');
  const time = blank < 0 ? line : line.slice(0, blank);
  const timeMs = timeOf(time);
  if (timeMs === null) return { problem: 'expected an RFC 3339 time, a blank and JSON' };
  let value: unknown;
  try {
    value = JSON.parse(line.slice(time.length));
  } catch {
    return { problem: 'what follows the time is not whole JSON' };
  }
  if (!isObject(value)) return { problem: 'expected a JSON object of processes' };
  const images = new Map<string, string>();
  for (const [name, definition] of Object.entries(value)) {
    if (!namePattern.test(name)) return { problem: `${JSON.stringify(name)} is no name of a process` };
    const image = isObject(definition) ? definition.image : undefined;
    if (typeof image !== 'string') return { problem: `process ${name} has no image` };
    const problem = plainImageProblem(image);
    if (problem !== null) return { problem: `process ${name}: ${problem}` };
    images.set(name, image);
  }
  return { timeMs, images };
}

/** Image names of another depth are those of a time when image-dir-levels was another. */
export function plainImageProblem(image: string): string | null {
  // They are printed one per line.
  if (/\p{Cc}/u.test(image)) return `${JSON.stringify(image)}: expected no control characters`;
  return imageNameProblem(image, image.split('/').length);
}

function timeOf(text: string): number | null {
  if (!rfc3339.test(text)) return null;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? null : timeMs;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Puts the files of one sandbox together, oldest first. One bad line, and nothing is known. */
export function historyOf(files: Iterable<LogText>): HistoryReading {
  const versions = new Map<string, Map<string, ImageVersion>>();
  let newest: ReadonlyMap<string, string> | null = null;
  const use = (process: string, image: string, timeMs: number, file: string): void => {
    const known = versions.get(process) ?? new Map<string, ImageVersion>();
    // A clock that was set back must not make a version older than it is.
    const lastUsedMs = Math.max(timeMs, known.get(image)?.lastUsedMs ?? timeMs);
    versions.set(process, known.set(image, { image, lastUsedMs, file }));
  };
  for (const { file, text } of files) {
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const [index, line] of lines.entries()) {
      const entry = parseConfigLogLine(line);
      if ('problem' in entry) return { kind: 'broken', problem: `${file}:${index + 1}: ${entry.problem}` };
      // Lines are written on changes: the line before was true until this one.
      for (const [process, image] of newest ?? []) {
        const told = versions.get(process)?.get(image)?.file ?? file;
        if (entry.images.get(process) !== image) use(process, image, entry.timeMs, told);
      }
      for (const [process, image] of entry.images) use(process, image, entry.timeMs, file);
      newest = entry.images;
    }
  }
  if (newest === null) return { kind: 'none', problem: 'the config log holds no line' };
  const current = newest;
  const newestFirst = ([process, known]: readonly [string, ReadonlyMap<string, ImageVersion>]) => {
    const all = [...known.values()].map((version) =>
      current.get(process) === version.image ? { ...version, lastUsedMs: Number.POSITIVE_INFINITY } : version,
    );
    // Without a subtraction: two infinities would give NaN.
    return [
      process,
      all.sort((a, b) => (a.lastUsedMs > b.lastUsedMs ? -1 : a.lastUsedMs < b.lastUsedMs ? 1 : 0)),
    ] as const;
  };
  return { kind: 'read', history: new Map([...versions].map(newestFirst)) };
}

export function keptVersions(history: History, rule: HistoryRule, nowMs: number): readonly ImageVersion[] {
  const sinceMs = rule.historyDays === null ? Number.NEGATIVE_INFINITY : nowMs - rule.historyDays * msPerDay;
  return [...history.values()].flatMap((versions) =>
    versions.filter(
      ({ lastUsedMs }, index) => index < rule.versionsMin || (index < rule.versionsMax && lastUsedMs >= sinceMs),
    ),
  );
}

/** What a rolled config log is called, `SANDBOX.log.TIME`; null for any other name. */
export function parseRolledName(name: string): { readonly sandbox: string; readonly timeMs: number } | null {
  const { sandbox, time } = rolledName.exec(name)?.groups ?? {};
  const timeMs = time === undefined ? null : timeOf(time);
  return sandbox === undefined || timeMs === null ? null : { sandbox, timeMs };
}

/** Reads all config logs of a sandbox, also the rolled ones. Never throws. */
export function readHistory(dir: string, sandbox: string): HistoryReading {
  const current = `${sandbox}.log`;
  const list = (): readonly string[] =>
    readdirSync(dir).filter((name) => name === current || name.startsWith(`${current}.`));
  try {
    const own = list();
    const rolled: { readonly name: string; readonly timeMs: number }[] = [];
    for (const name of own) {
      if (name === current) continue;
      const parsed = parseRolledName(name);
      // It may be a part of the history that was packed or renamed.
      if (parsed === null) {
        return { kind: 'broken', problem: `${join(dir, name)}: the end of its name is no time; move it elsewhere` };
      }
      rolled.push({ name, timeMs: parsed.timeMs });
    }
    const ordered = rolled.sort((a, b) => a.timeMs - b.timeMs).map(({ name }) => name);
    if (own.includes(current)) ordered.push(current);
    if (ordered.length === 0) return { kind: 'none', problem: `${join(dir, current)} is not there` };
    const reading = historyOf(texts(ordered.map((name) => join(dir, name))));
    // The tree may have rolled the log in between: a part of it was then read by nobody.
    if (list().some((name) => !own.includes(name))) {
      return { kind: 'broken', problem: `${join(dir, current)} was rolled while it was read; try again` };
    }
    return reading;
  } catch (error) {
    const { code, path = dir, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path === dir) return { kind: 'none', problem: `${dir} is not there` };
    return { kind: 'broken', problem: `${path}: cannot be read (${code ?? message})` };
  }
}

/** One after the other: all of them together may be larger than memory. */
function* texts(files: readonly string[]): Generator<LogText> {
  for (const file of files) {
    const text = readText(file);
    if ('problem' in text) throw Object.assign(new Error(text.problem), { path: file });
    yield { file, text: text.text };
  }
}

/** The text of a regular file; neither a FIFO nor bytes that are no UTF-8 pass for one. */
export function readText(file: string): { readonly text: string } | { readonly problem: string } {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { problem: String((error as NodeJS.ErrnoException).code) };
  }
  try {
    if (!fstatSync(fd).isFile()) return { problem: 'not a regular file' };
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(fd)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { problem: code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'not UTF-8' : String(code) };
  } finally {
    closeSync(fd);
  }
}
