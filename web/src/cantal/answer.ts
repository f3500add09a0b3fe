/** Answers of the query language, as a page keeps them: oldest sample first, missing ones null. */

export type Labels = Readonly<Record<string, string>>;

export interface Line {
  /** The labels as text: one series, one id. */
  readonly id: string;
  readonly labels: Labels;
  /** As many as the table's times. */
  readonly values: readonly (number | null)[];
}

export interface Table {
  /** Milliseconds since the epoch. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
}

export interface Tip {
  readonly labels: Labels;
  readonly value: number | null;
  /** Of a state: what it is, and since when (0: left). */
  readonly state: { readonly text: string; readonly sinceMs: number } | null;
}

export type Answer =
  | { readonly kind: 'table'; readonly table: Table }
  | { readonly kind: 'tips'; readonly tips: readonly Tip[] }
  | { readonly kind: 'chart'; readonly counts: Readonly<Record<string, number>> }
  | { readonly kind: 'none'; readonly reason: string | null };

export type Answers = Readonly<Record<string, Answer>>;

type NumberJson = number | string | null;
type SeriesJson = readonly [Labels, readonly [string, readonly NumberJson[]], readonly number[]];
type TipJson = readonly [Labels, readonly [string, NumberJson | readonly [number, string]], readonly number[]];
/** src/cantal/query/dataset.ts */
export type Dataset = readonly [string, ...unknown[]];

/** A message of /v1/stream. */
export interface StreamMessage {
  readonly timestamp: number;
  readonly after: number | null;
  readonly appends: readonly string[];
  readonly values: Readonly<Record<string, Dataset>>;
}

export const emptyTable: Table = { times: [], lines: [] };
/** What cantal keeps. */
export const hourMs = 3_600_000;

const numberOf = (value: NumberJson): number | null => (value === null ? null : Number(value));

export function readDataset(dataset: Dataset): Answer {
  switch (dataset[0]) {
    case 'SingleSeries':
      return { kind: 'table', table: tableOf([dataset.slice(1) as unknown as SeriesJson]) };
    case 'MultiSeries':
      return { kind: 'table', table: tableOf(dataset[1] as readonly SeriesJson[]) };
    case 'SingleTip':
      return { kind: 'tips', tips: [tipOf(dataset.slice(1) as unknown as TipJson)] };
    case 'MultiTip':
      return { kind: 'tips', tips: (dataset[1] as readonly TipJson[]).map(tipOf) };
    case 'Chart':
      return { kind: 'chart', counts: dataset[1] as Readonly<Record<string, number>> };
    case 'Incompatible':
      return { kind: 'none', reason: String(dataset[1]) };
    default:
      return { kind: 'none', reason: null };
  }
}

function tipOf([labels, [kind, value]]: TipJson): Tip {
  if (kind === 'State' && Array.isArray(value)) {
    const [sinceMs, text] = value as readonly [number, string];
    return { labels, value: null, state: { text, sinceMs } };
  }
  return { labels, value: numberOf(value as NumberJson), state: null };
}

function tableOf(series: readonly SeriesJson[]): Table {
  const times = [...new Set(series.flatMap(([, , stamps]) => stamps))].sort((a, b) => a - b);
  return {
    times,
    lines: series.map(([labels, [, values], stamps]) => {
      const at = new Map(stamps.map((time, index) => [time, numberOf(values[index] ?? null)]));
      return { id: lineId(labels), labels, values: times.map((time) => at.get(time) ?? null) };
    }),
  };
}

export const lineId = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Puts a message into what is held. What is older than the hour goes. */
export function take(held: Answers, message: StreamMessage): Answers {
  return Object.fromEntries(
    Object.entries(message.values).map(([id, dataset]): [string, Answer] => {
      const fresh = readDataset(dataset);
      const old = held[id];
      if (!message.appends.includes(id) || old?.kind !== 'table') return [id, fresh];
      const added = fresh.kind === 'table' ? fresh.table : emptyTable;
      return [id, { kind: 'table', table: append(old.table, added, message.timestamp - hourMs) }];
    }),
  );
}

export function append(old: Table, fresh: Table, sinceMs: number): Table {
  const start = old.times.findIndex((time) => time >= sinceMs);
  const kept = start < 0 ? old.times.length : start;
  const added = new Map(fresh.lines.map((line) => [line.id, line]));
  const gap = fresh.times.map(() => null);
  const went = old.lines.map((line): Line => {
    const more = added.get(line.id)?.values ?? gap;
    added.delete(line.id);
    return { ...line, values: [...line.values.slice(kept), ...more] };
  });
  const before = old.times.slice(kept).map(() => null);
  const came = [...added.values()].map((line): Line => ({ ...line, values: [...before, ...line.values] }));
  return {
    times: [...old.times.slice(kept), ...fresh.times],
    lines: [...went, ...came].filter(({ values }) => values.some((value) => value !== null)),
  };
}

export const tableIn = (answers: Answers, id: string): Table => {
  const answer = answers[id];
  return answer?.kind === 'table' ? answer.table : emptyTable;
};

export const tipsIn = (answers: Answers, id: string): readonly Tip[] => {
  const answer = answers[id];
  return answer?.kind === 'tips' ? answer.tips : [];
};

/** The sum of lines at each moment; null where all are missing. */
export function sumOf(table: Table, passes: (labels: Labels) => boolean): readonly (number | null)[] {
  const columns = table.lines.filter(({ labels }) => passes(labels));
  return table.times.map((_, index) =>
    columns.reduce<number | null>((sum, { values }) => {
      const value = values[index] ?? null;
      return value === null ? sum : (sum ?? 0) + value;
    }, null),
  );
}
