/** Values of a dataset (spec/cantal.md 7.2) for a person: "requests 12.5"; whatever has another shape says so. */
export const datasetText = (dataset: unknown): string => {
  if (!Array.isArray(dataset)) return 'no dataset';
  const [kind, ...rest] = dataset as readonly unknown[];
  switch (kind) {
    case 'SingleSeries':
    case 'SingleTip':
      return many([rest]);
    case 'MultiSeries':
    case 'MultiTip':
      return many(Array.isArray(rest[0]) ? rest[0] : []);
    case 'Chart':
      return Object.entries(recordOf(rest[0]))
        .map(([name, count]) => `${name} ${valueText(count)}`)
        .join(', ');
    case 'Empty':
      return 'nothing found';
    case 'Incompatible':
      return `incompatible: ${String(rest[0])}`;
    default:
      return `unknown kind ${String(kind)}`;
  }
};

/** More tell a person nothing. */
const mostSeries = 4;

const many = (series: readonly unknown[]): string => {
  if (series.length === 0) return 'nothing found';
  const shown = series.slice(0, mostSeries).map(oneText);
  return series.length > mostSeries ? `${shown.join(', ')} and ${series.length - mostSeries} more` : shown.join(', ');
};

const oneText = (series: unknown): string => {
  const [key, chunk, stamps] = Array.isArray(series) ? (series as readonly unknown[]) : [];
  const [kind, held] = Array.isArray(chunk) ? (chunk as readonly unknown[]) : [];
  // A state is the time since when, and its text.
  const value = kind === 'State' && Array.isArray(held) ? held[1] : newestOf(held, stamps);
  const labels = Object.values(recordOf(key)).map(String).join(' ');
  return labels === '' ? valueText(value) : `${labels} ${valueText(value)}`;
};

const newestOf = (held: unknown, stamps: unknown): unknown => {
  if (!Array.isArray(held)) return held;
  if (!Array.isArray(stamps)) return null;
  let newest = 0;
  for (let index = 1; index < stamps.length; index++) if (stamps[index] > stamps[newest]) newest = index;
  return held[newest] ?? null;
};

const valueText = (value: unknown): string => {
  if (value === null || value === undefined) return 'unknown';
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
};

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
