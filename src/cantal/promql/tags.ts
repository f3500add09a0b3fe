/** The labels of a series as Prometheus has them, its name among them as `__name__`. */
export interface Tags {
  /** Sorted by label; none is empty. */
  readonly pairs: readonly (readonly [label: string, value: string])[];
  /** The same for the same pairs. */
  readonly id: string;
}

export function tagsOf(pairs: readonly (readonly [label: string, value: string])[]): Tags {
  const sorted = pairs.filter(([, value]) => value !== '').sort(([a], [b]) => (a < b ? -1 : 1));
  return { pairs: sorted, id: JSON.stringify(sorted) };
}

export const noTags: Tags = tagsOf([]);

export function labelValue({ pairs }: Tags, label: string): string {
  for (const [name, value] of pairs) if (name === label) return value;
  return '';
}

/** Keeps the labels of the list, or all others but the name. */
export function narrowed({ pairs }: Tags, keep: boolean, labels: readonly string[]): Tags {
  return tagsOf(
    pairs.filter(([label]) => (keep ? labels.includes(label) : label !== '__name__' && !labels.includes(label))),
  );
}

export const nameless = (tags: Tags): Tags => narrowed(tags, false, []);

/** Remembers what a function makes of tags: series stay the same from step to step. */
export function remembered(make: (tags: Tags) => Tags): (tags: Tags) => Tags {
  const known = new WeakMap<Tags, Tags>();
  return (tags) => {
    const before = known.get(tags);
    if (before !== undefined) return before;
    const made = make(tags);
    known.set(tags, made);
    return made;
  };
}

export const toObject = ({ pairs }: Tags): Readonly<Record<string, string>> => Object.fromEntries(pairs);
