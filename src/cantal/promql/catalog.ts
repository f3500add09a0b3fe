import { nameAll, sampleName } from '../openmetrics/named.ts';
import type { LabelIndex } from '../query/label-index.ts';
import type { NumberKind } from '../query/sample.ts';
import type { SeriesSource } from '../query/source.ts';
import type { Matcher } from './ast.ts';
import { labelValue, type Tags, tagsOf } from './tags.ts';

/** Number series under the names of /metrics, those of single processes too. States have no history and are not here. */
export interface Catalog {
  readonly all: readonly Entry[];
  find(matchers: readonly Matcher[]): readonly Entry[];
}

export interface Entry {
  readonly id: number;
  readonly tags: Tags;
  readonly type: 'counter' | 'gauge';
  /** Ours: `cpu.user`. */
  readonly original: string;
}

/** Made anew only where series came or went. */
export function catalogs(): (source: SeriesSource) => Catalog {
  let last: { readonly index: LabelIndex; readonly revision: number; readonly catalog: Catalog } | null = null;
  return (source) => {
    const { index } = source;
    const revision = index.revision();
    if (last?.index !== index || last.revision !== revision) last = { index, revision, catalog: catalogOf(source) };
    return last.catalog;
  };
}

/** Series keep their labels object: their tags are made once. */
const tagsKnown = new WeakMap<object, Tags>();

function catalogOf(source: SeriesSource): Catalog {
  const series = source.index.ids().flatMap((id) => {
    const kind: NumberKind | undefined = source.kind(id);
    const labels = source.index.labels(id);
    return kind === undefined || labels === undefined ? [] : [{ id, kind, labels }];
  });
  const all = nameAll(series).map(({ of, family, original, type, pairs }): Entry => {
    const known = tagsKnown.get(pairs);
    const name = sampleName(family, type);
    const fits = known !== undefined && labelValue(known, '__name__') === name;
    const tags = fits ? known : tagsOf([...pairs, ['__name__', name]]);
    tagsKnown.set(pairs, tags);
    return { id: of.id, tags, type, original };
  });
  const byName = new Map<string, Entry[]>();
  for (const entry of all) {
    const name = labelValue(entry.tags, '__name__');
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [entry]);
    else known.push(entry);
  }
  return {
    all,
    find(matchers) {
      const named = matchers.find(({ label, op }) => label === '__name__' && op === '=');
      const candidates = named?.op === '=' ? (byName.get(named.value) ?? []) : all;
      return candidates.filter(({ tags }) => matchers.every((matcher) => passes(tags, matcher)));
    },
  };
}

function passes(tags: Tags, matcher: Matcher): boolean {
  const value = labelValue(tags, matcher.label);
  switch (matcher.op) {
    case '=':
      return value === matcher.value;
    case '!=':
      return value !== matcher.value;
    case '=~':
      return matcher.test(value);
    case '!~':
      return !matcher.test(value);
    default:
      return matcher satisfies never;
  }
}
