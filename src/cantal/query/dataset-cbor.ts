import { toCbor } from '../../http/format.ts';
import type { Conflict, Dataset, Labels, SeriesJson, TipJson } from './dataset.ts';
import type { DatasetName } from './rule.ts';
import type { NumberKind } from './sample.ts';

/**
 * Datasets as CBOR has them (spec cantal 7.2): the JSON form with numbers for names, keys as bytes, and numbers beyond
 * 2^53 as the integers that they are.
 */
const datasetTags: Readonly<Record<DatasetName, number>> = {
  SingleSeries: 100,
  MultiSeries: 101,
  SingleTip: 200,
  MultiTip: 201,
  Chart: 300,
  Empty: 998,
  Incompatible: 999,
};
const kindTags: Readonly<Record<NumberKind | 'State', number>> = { State: 0, Counter: 1, Integer: 2, Float: 3 };
const conflictTags: Readonly<Record<Conflict, number>> = {
  CantSumChart: 100,
  Dissimilar: 101,
  CantSumTimestamps: 102,
  CantSumStates: 103,
  CantDerive: 104,
  Unexpected: 105,
};

export function datasetToCbor(dataset: Dataset): unknown {
  const tag = datasetTags[dataset[0]];
  switch (dataset[0]) {
    case 'SingleSeries':
      return [tag, ...seriesToCbor([dataset[1], dataset[2], dataset[3]])];
    case 'MultiSeries':
      return [tag, dataset[1].map(seriesToCbor)];
    case 'SingleTip':
      return [tag, ...tipToCbor([dataset[1], dataset[2], dataset[3]])];
    case 'MultiTip':
      return [tag, dataset[1].map(tipToCbor)];
    case 'Chart':
      return [tag, dataset[1]];
    case 'Empty':
      return [tag];
    case 'Incompatible':
      return [tag, conflictTags[dataset[1]]];
    default:
      return dataset satisfies never;
  }
}

export function datasetsToCbor(values: Readonly<Record<string, Dataset>>): unknown {
  return Object.fromEntries(Object.entries(values).map(([id, dataset]) => [id, datasetToCbor(dataset)]));
}

/** Host id → rule id → dataset. */
export function byHostToCbor(byHost: Readonly<Record<string, Readonly<Record<string, Dataset>>>>): unknown {
  return Object.fromEntries(Object.entries(byHost).map(([id, values]) => [id, datasetsToCbor(values)]));
}

/** Spec cantal 3.5: a CBOR map of text to text, sorted by name (byte order); the empty key is no bytes. */
export function keyToCbor(labels: Labels): Uint8Array {
  const sorted = Object.entries(labels)
    .map(([name, value]) => [Buffer.from(name), name, value] as const)
    .sort(([a], [b]) => Buffer.compare(a, b))
    .map(([, name, value]) => [name, value] as const);
  return sorted.length === 0 ? new Uint8Array() : toCbor(new Map(sorted));
}

export function valueToCbor([kind, value]: TipJson[1]): unknown {
  if (kind === 'State') return [kindTags.State, value];
  return [kindTags[kind], kind === 'Float' ? floats([value])[0] : exact(value)];
}

function seriesToCbor([key, [kind, values], timestamps]: SeriesJson): readonly unknown[] {
  const chunk =
    kind === 'Float' ? Float64Array.from(floats(values), (value) => value ?? Number.NaN) : values.map(exact);
  return [keyToCbor(key), [kindTags[kind], chunk], timestamps];
}

const tipToCbor = ([key, value, span]: TipJson): readonly unknown[] => [keyToCbor(key), valueToCbor(value), span];

type NumberJson = number | string | null;

const exact = (value: NumberJson): number | bigint | null => (typeof value === 'string' ? BigInt(value) : value);

/** Infinities are texts in JSON. */
const floats = (values: readonly NumberJson[]): readonly (number | null)[] =>
  values.map((value) => (value === null ? null : Number(value)));
