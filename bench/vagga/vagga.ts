import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchRow, benchRow, median } from '../row.ts';
import { type Contender, measureOnce, ownContenders, peers } from './contenders.ts';
import { type Caller, makePlace, type Place } from './place.ts';

const rounds = 21;
/** What vagga may take longer than the empty Node that it runs in. */
const aboveNodeMs = 20;

/** The fast path reads and proves a plan, and maps more than one id. */
const aboveBubblewrap = 2;
/** A plan is written once the files are older than this. */
const untilPlanMs = 2_500;

/** From Enter to the first instruction of a command whose container is built. */
export async function measure(): Promise<readonly BenchRow[]> {
  const place = makePlace();
  try {
    const rows: BenchRow[] = [];
    for (const caller of place.callers) rows.push(...(await measureAs(place, caller)));
    return rows;
  } finally {
    place.remove();
  }
}

async function measureAs(place: Place, caller: Caller): Promise<readonly BenchRow[]> {
  const own = ownContenders();
  // Builds the container, then writes its plan.
  const build = own.find(({ name }) => name === 'vagga');
  if (build !== undefined) measureOnce(place, caller, build);
  await sleep(untilPlanMs);
  for (const each of own) {
    if (measureOnce(place, caller, each) === null) throw new Error(`${each.name} does not run as ${caller.name}`);
  }
  const others = peers(place, caller);
  const times = measureAll(place, caller, [...own, ...others]);
  const of = (name: string): number => median(times.get(name) ?? []);

  const row = { bench: 'vagga', unit: 'ms' } as const;
  const node = { ...row, figure: `${caller.name}: through Node`, value: of('vagga through Node') };
  const above = of('vagga through Node') - of('node -e 0');
  const fast = { ...row, figure: caller.name, value: of('vagga') };
  const alone = { ...row, figure: `${caller.name}: the fast path by itself`, value: of('the program alone') };
  const maxRatio = (name: string): number => (name === 'bubblewrap' ? aboveBubblewrap : 1);
  return [
    ...others.map(({ name }) => benchRow({ ...fast, peer: name, peerValue: of(name) }, { maxRatio: maxRatio(name) })),
    benchRow({ ...fast, peer: 'node -e 0', peerValue: of('node -e 0') }, { maxRatio: 1 }),
    benchRow({ ...alone, peer: 'vagga', peerValue: of('vagga') }),
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
