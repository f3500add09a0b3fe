import { type BenchRow, benchRow, median } from '../row.ts';
import { type Contender, measureOnce, ownContenders, peers } from './contenders.ts';
import { type Caller, makePlace, type Place } from './place.ts';

const rounds = 21;
/** What vagga may take longer than the empty Node that it runs in. */
const aboveNodeMs = 20;

/** From Enter to the first instruction of a command whose container is built. */
export async function measure(): Promise<readonly BenchRow[]> {
  const place = makePlace();
  try {
    return place.callers.flatMap((caller) => measureAs(place, caller));
  } finally {
    place.remove();
  }
}

function measureAs(place: Place, caller: Caller): readonly BenchRow[] {
  const own = ownContenders();
  // Builds the container.
  for (const each of own) {
    if (measureOnce(place, caller, each) === null) throw new Error(`${each.name} does not run as ${caller.name}`);
  }
  const others = peers(place, caller);
  const times = measureAll(place, caller, [...own, ...others]);
  const of = (name: string): number => median(times.get(name) ?? []);

  const row = { bench: 'vagga', unit: 'ms' } as const;
  const node = { ...row, figure: `${caller.name}: through Node`, value: of('vagga through Node') };
  const above = of('vagga through Node') - of('node -e 0');
  return [
    benchRow({ ...node, peer: 'node -e 0', peerValue: of('node -e 0') }),
    benchRow(
      { ...row, figure: `${caller.name}: through Node, above node -e 0`, value: above },
      { maxValue: aboveNodeMs },
    ),
    ...others.map(({ name }) => benchRow({ ...node, peer: name, peerValue: of(name) })),
  ];
}

/** Each round starts all of them, by turns from the front and from the back, so that a noisy minute hits all alike. */
function measureAll(
  place: Place,
  caller: Caller,
  contenders: readonly Contender[],
): ReadonlyMap<string, readonly number[]> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const each of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const ms = measureOnce(place, caller, each);
      if (ms === null) throw new Error(`${each.name} failed in round ${round + 1}`);
      times.get(each.name)?.push(ms);
    }
  }
  return times;
}
