/** One figure of `npm run bench`. A peer is measured in the same run on the same work. */
export interface BenchRow {
  readonly bench: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: string | null;
  readonly peerValue: number | null;
  /** value / peerValue. */
  readonly ratio: number | null;
  /** In words, for a person. */
  readonly aim: string | null;
  /** Computed from the figures, never typed; null where there is no aim. */
  readonly met: boolean | null;
}

/** What a figure has to reach: at most so many times its peer, and/or at most so many units. */
export interface Aim {
  readonly maxRatio?: number;
  readonly maxValue?: number;
}

export function benchRow(
  row: { bench: string; figure: string; value: number; unit: string; peer?: string; peerValue?: number },
  aim?: Aim,
): BenchRow {
  const ratio = row.peerValue === undefined ? null : row.value / row.peerValue;
  return {
    bench: row.bench,
    figure: row.figure,
    value: row.value,
    unit: row.unit,
    peer: row.peer ?? null,
    peerValue: row.peerValue ?? null,
    ratio,
    aim: aim ? wordAim(aim, row.unit) : null,
    met: aim ? meets(aim, row.value, ratio) : null,
  };
}

function wordAim(aim: Aim, unit: string): string {
  const parts: string[] = [];
  if (aim.maxRatio !== undefined) parts.push(`≤ ${aim.maxRatio} × peer`);
  if (aim.maxValue !== undefined) parts.push(`≤ ${aim.maxValue} ${unit}`);
  return parts.join(', ');
}

function meets(aim: Aim, value: number, ratio: number | null): boolean {
  const ratioHolds = aim.maxRatio === undefined || (ratio !== null && ratio <= aim.maxRatio);
  return ratioHolds && (aim.maxValue === undefined || value <= aim.maxValue);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
