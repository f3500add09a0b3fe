import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { parseEnd } from './status.ts';
import { type Counts, noCounts, type Remembered, type State } from './supervise/state.ts';

/** What a tree remembers over its own restarts: how often things were started, and how they ended. */
export interface Journal {
  /** Starts of the tree, this one not counted. */
  readonly treeStarts: number;
  readonly counts: ReadonlyMap<string, Counts>;
  readonly instances: ReadonlyMap<string, Remembered>;
}

export const emptyJournal: Journal = { treeStarts: 0, counts: new Map(), instances: new Map() };

const version = 1;

export function encodeJournal(state: State, treeStarts: number): string {
  const instances = [...state.instances.values()].map(
    ({ name, restarts, lastStartMs, gapMs, lastEnd }) => [name, { restarts, lastStartMs, gapMs, lastEnd }] as const,
  );
  return `${JSON.stringify({
    version,
    treeStarts,
    counts: Object.fromEntries(state.counts),
    instances: Object.fromEntries(instances),
  })}\n`;
}

/** Null where the text is no journal that we know: then nothing is remembered. */
export function parseJournal(text: string): Journal | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value.version !== version || !isRecord(value.counts) || !isRecord(value.instances))
    return null;
  return {
    treeStarts: natural(value.treeStarts),
    counts: new Map(
      Object.entries(value.counts).flatMap(([key, counts]) => (isRecord(counts) ? [[key, countsOf(counts)]] : [])),
    ),
    instances: new Map(
      Object.entries(value.instances).flatMap(([name, each]) => (isRecord(each) ? [[name, rememberedOf(each)]] : [])),
    ),
  };
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const natural = (value: unknown): number => (Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : 0);
const naturalOrNull = (value: unknown): number | null =>
  value === null || value === undefined ? null : natural(value);

const countsOf = (fields: Fields): Counts => ({
  ...noCounts,
  started: natural(fields.started),
  deaths: natural(fields.deaths),
  failures: natural(fields.failures),
  oomKills: natural(fields.oomKills),
});

const rememberedOf = (fields: Fields): Remembered => ({
  restarts: natural(fields.restarts),
  lastStartMs: naturalOrNull(fields.lastStartMs),
  gapMs: naturalOrNull(fields.gapMs),
  lastEnd: parseEnd(fields.lastEnd),
});

export function readJournal(path: string): Journal {
  try {
    return parseJournal(readFileSync(path, 'utf8')) ?? emptyJournal;
  } catch {
    return emptyJournal;
  }
}

/** Whole or not at all. */
export function writeJournal(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}
