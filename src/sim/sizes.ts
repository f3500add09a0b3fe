import { seeded } from './random.ts';

/**
 * How many nodes a seed's cluster has. A run's price grows with the square of it, and most mistakes need few nodes: of
 * ten thousand seeds some fifty have more than forty.
 */
const classes = [
  { share: 0.9, from: 3, to: 7 },
  { share: 0.07, from: 8, to: 15 },
  { share: 0.025, from: 16, to: 40 },
  { share: 0.005, from: 41, to: 101 },
] as const;

export const leastNodes = classes[0].from;
export const mostNodes = classes[3].to;

/** Both ends included. */
export interface Sizes {
  readonly from: number;
  readonly to: number;
}

export function sizeOf(seed: number, { from, to }: Sizes): number {
  const random = seeded(seed ^ 0x517e);
  const fitting = classes
    .map((each) => ({ ...each, from: Math.max(each.from, from), to: Math.min(each.to, to) }))
    .filter((each) => each.from <= each.to);
  // Beyond the classes, sizes are alike.
  if (fitting.length === 0) return from + Math.floor(random() * (to - from + 1));
  let left = random() * fitting.reduce((sum, { share }) => sum + share, 0);
  for (const each of fitting) {
    left -= each.share;
    if (left < 0) return each.from + Math.floor(random() * (each.to - each.from + 1));
  }
  return to;
}
