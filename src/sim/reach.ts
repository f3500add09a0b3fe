import type { World } from './world.ts';

/** How far each node's packets get and come back, as it was over the last while: what no node can know of itself. */
export interface Reach {
  /** Something may be other than before. */
  moved(): void;
  /** At every step; takes a look where something moved. */
  look(world: World): void;
  /** The most nodes, itself included, that this one could talk with both ways at any moment since `sinceMs`. */
  mostTalking(index: number, sinceMs: number): number;
  /** As far back as is remembered, nothing was partitioned. */
  wasWhole(): boolean;
  /** Whether two nodes were on the same side of every partition at any moment since `sinceMs`. */
  together(a: number, b: number, sinceMs: number): boolean;
  /** The longest time that a packet may have been on its way so far. */
  mostDelayMs(): number;
}

interface Moment {
  readonly atMs: number;
  readonly count: number;
}

/** Beyond it nothing is asked. */
const keptMs = 60_000;

export function reachOf(): Reach {
  let dirty = true;
  let mostDelayMs = 0;
  let paths = '';
  let pathsMs = 0;
  const talking: Moment[][] = [];
  const sides: { readonly atMs: number; readonly groups: readonly number[] | null }[] = [];

  const look = (world: World): void => {
    if (!dirty) return;
    dirty = false;
    const { net, nodes } = world;
    mostDelayMs = Math.max(mostDelayMs, net.weather.delayMs[1]);
    const groupOf = (index: number): number => net.groups?.[index] ?? 0;
    const hears = (index: number): boolean =>
      nodes[index]?.state !== null && !net.deaf.has(index) && !net.mute.has(index);
    const now = `${[...net.deaf]} ${[...net.mute]} ${[...net.cut]}`;
    if (sides.at(-1)?.groups !== net.groups || now !== paths) pathsMs = world.nowMs();
    paths = now;
    if (sides.at(-1)?.groups !== net.groups) sides.push({ atMs: world.nowMs(), groups: net.groups });
    while ((sides[1]?.atMs ?? Number.POSITIVE_INFINITY) < world.nowMs() - keptMs) sides.shift();
    const talkers = new Map<number, number>();
    for (const { index } of nodes) {
      const group = groupOf(index);
      if (hears(index)) talkers.set(group, (talkers.get(group) ?? 0) + 1);
    }
    const cuts = new Map<number, Set<number>>();
    for (const pair of net.cut) {
      const [from = 0, to = 0] = pair.split('>').map(Number);
      if (from === to || groupOf(from) !== groupOf(to) || !hears(from) || !hears(to)) continue;
      cuts.set(from, (cuts.get(from) ?? new Set()).add(to));
      cuts.set(to, (cuts.get(to) ?? new Set()).add(from));
    }
    for (const { index } of nodes) {
      const group = groupOf(index);
      const count = hears(index) ? (talkers.get(group) ?? 1) - (cuts.get(index)?.size ?? 0) : 1;
      note(talking, index, world.nowMs(), count);
    }
  };

  return {
    moved() {
      dirty = true;
    },
    look,
    // With one after the other it may have talked with enough.
    mostTalking: (index, sinceMs) => (pathsMs > sinceMs ? Number.POSITIVE_INFINITY : most(talking[index], sinceMs)),
    wasWhole: () => sides.length === 1 && sides[0]?.groups === null,
    together(a, b, sinceMs) {
      // Without a word about that time, everything was possible.
      if ((sides[0]?.atMs ?? Number.POSITIVE_INFINITY) > sinceMs) return true;
      return sides.some(({ groups }, number) => {
        const ended = (sides[number + 1]?.atMs ?? Number.POSITIVE_INFINITY) <= sinceMs;
        return !ended && (groups === null || groups[a] === groups[b]);
      });
    },
    mostDelayMs: () => mostDelayMs,
  };
}

function note(all: Moment[][], index: number, atMs: number, count: number): void {
  const own = all[index] ?? [];
  all[index] = own;
  if (own.at(-1)?.count === count) return;
  own.push({ atMs, count });
  while (own.length > 1 && (own[1]?.atMs ?? 0) < atMs - keptMs) own.shift();
}

/** The count that held at `sinceMs`, and all later ones; without a word about that time, everything was possible. */
function most(moments: readonly Moment[] | undefined, sinceMs: number): number {
  let largest = Number.POSITIVE_INFINITY;
  for (const { atMs, count } of moments ?? []) largest = atMs <= sinceMs ? count : Math.max(largest, count);
  return largest;
}
