import { type DatasetName, datasetNames } from './rule.ts';
import { type NumberKind, type Sample, sampleToJson } from './sample.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Series {
  readonly key: Labels;
  readonly kind: NumberKind;
  /** Milliseconds since the epoch, newest first. */
  readonly timestamps: readonly number[];
  /** As many as timestamps. */
  readonly values: readonly Sample[];
}

export type TipValue =
  | { readonly kind: NumberKind; readonly value: Sample }
  /** `since` 0 = left. */
  | { readonly kind: 'State'; readonly since: number; readonly text: string };

export interface Tip {
  readonly key: Labels;
  readonly value: TipValue;
  /** Newest and oldest sample that it was made of; the same for a plain value. */
  readonly span: readonly [newest: number, oldest: number];
}

export type Conflict =
  | 'CantSumChart'
  | 'Dissimilar'
  | 'CantSumTimestamps'
  | 'CantSumStates'
  | 'CantDerive'
  /** Not in the original: what `Expect` says. */
  | 'Unexpected';

/** What functions work on. */
export type Result =
  | { readonly kind: 'series'; readonly series: readonly Series[] }
  | { readonly kind: 'tips'; readonly tips: readonly Tip[] }
  | { readonly kind: 'chart'; readonly counts: ReadonlyMap<string, number> }
  | { readonly kind: 'incompatible'; readonly conflict: Conflict };

/** The JSON form of spec/cantal.md 7.2: variants are lists with their name first. */
export type Dataset =
  | readonly ['SingleSeries', ...SeriesJson]
  | readonly ['MultiSeries', readonly SeriesJson[]]
  | readonly ['SingleTip', ...TipJson]
  | readonly ['MultiTip', readonly TipJson[]]
  | readonly ['Chart', Readonly<Record<string, number>>]
  | readonly ['Empty']
  | readonly ['Incompatible', Conflict];

type NumberJson = number | string | null;
export type SeriesJson = readonly [
  key: Labels,
  chunk: readonly [NumberKind, readonly NumberJson[]],
  timestamps: readonly number[],
];
export type TipJson = readonly [
  key: Labels,
  value: readonly [NumberKind, NumberJson] | readonly ['State', readonly [since: number, text: string]],
  span: readonly [newest: number, oldest: number],
];

export function datasetName(result: Result): DatasetName {
  switch (result.kind) {
    case 'series':
      return result.series.length === 0 ? 'Empty' : result.series.length === 1 ? 'SingleSeries' : 'MultiSeries';
    case 'tips':
      return result.tips.length === 0 ? 'Empty' : result.tips.length === 1 ? 'SingleTip' : 'MultiTip';
    case 'chart':
      return 'Chart';
    case 'incompatible':
      return 'Incompatible';
    default:
      return result satisfies never;
  }
}

export function toDataset(result: Result): Dataset {
  switch (result.kind) {
    case 'series': {
      const all = result.series.map(seriesJson);
      const [first] = all;
      if (first === undefined) return ['Empty'];
      return all.length === 1 ? ['SingleSeries', ...first] : ['MultiSeries', all];
    }
    case 'tips': {
      const all = result.tips.map(tipJson);
      const [first] = all;
      if (first === undefined) return ['Empty'];
      return all.length === 1 ? ['SingleTip', ...first] : ['MultiTip', all];
    }
    case 'chart':
      return ['Chart', Object.fromEntries(result.counts)];
    case 'incompatible':
      return ['Incompatible', result.conflict];
    default:
      return result satisfies never;
  }
}

function seriesJson({ key, kind, timestamps, values }: Series): SeriesJson {
  return [key, [kind, values.map(sampleToJson)], timestamps];
}

function tipJson({ key, value, span }: Tip): TipJson {
  if (value.kind === 'State') return [key, ['State', [value.since, value.text]], span];
  return [key, [value.kind, sampleToJson(value.value)], span];
}

/** As much of a foreign dataset's shape as tells what it is. */
export function isDataset(value: unknown): value is Dataset {
  return Array.isArray(value) && datasetNames.some((name) => name === value[0]);
}
