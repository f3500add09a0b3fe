import { InvariantBroken } from './invariants.ts';
import { leadershipProblem } from './quiet.ts';
import { seeded } from './random.ts';
import { type Chosen, choiceIn, isNewer } from './scheduler.ts';
import type { Verwalters } from './verwalters.ts';
import type { SimNode, World } from './world.ts';

/** A leader gathers for up to 75 s (spec/verwalter.md 4.7); after a calm, for 2 to 15 s. */
const quietWithinMs = 90_000;
/** Members count as reported for 75 s; then an election, and a leader that gathers. */
const twoLeadersWithinMs = 120_000;
/** 10 s to one leader, 15 s to gather, and a round. */
const mergedWithinMs = 40_000;
const second = 1_000;

/** People ask for things all the while, of any node. */
export function askAtRandom(world: World, verwalters: Verwalters, untilMs: number): void {
  const random = seeded(world.options.seed ^ 0xac7);
  let number = 0;
  for (let atMs = 8 * second; atMs < untilMs; atMs += 500 + random() * 6 * second) {
    const role = (['web', 'db', 'cache'] as const)[Math.floor(random() * 3)] ?? 'web';
    number += 1;
    const choice = { key: `random ${number}`, role, version: `v${2 + Math.floor(random() * 8)}` };
    const anybody = Math.floor(random() * world.nodes.length);
    const leader = random() < 0.8;
    world.at(atMs, () => {
      const who = leader ? world.nodes.find((node) => verwalters.of(node)?.state.phase.kind === 'leading') : undefined;
      verwalters.act(world, who?.index ?? anybody, choice);
    });
  }
}

/** What keeps these nodes, which can talk, from holding and having rendered one schedule; null: nothing. */
export function scheduleProblem(verwalters: Verwalters, group: readonly SimNode[]): string | null {
  const leaderProblem = leadershipProblem(group);
  if (leaderProblem !== null) return leaderProblem;
  const hashes = new Set<string>();
  for (const node of group) {
    const own = verwalters.of(node);
    if (own === null) return `node ${node.index} does not run`;
    const { phase, stable, lastKnown, actions } = own.state;
    if (phase.kind === 'leading' ? !phase.made : phase.kind !== 'following')
      return `node ${node.index} is ${phase.kind}`;
    if (stable === null || lastKnown?.hash !== stable)
      return `node ${node.index} holds nothing that its leader confirms`;
    if (own.rendered?.hash !== stable) return `node ${node.index} has not rendered what it holds`;
    if (actions.length > 0) return `node ${node.index} has ${actions.length} actions waiting`;
    hashes.add(stable);
  }
  return hashes.size > 1 ? `${hashes.size} schedules are held` : null;
}

/** Throws unless these nodes come to hold one schedule. Returns how long it took. */
export function awaitOneSchedule(world: World, verwalters: Verwalters, group: readonly SimNode[]): number {
  const took = world.runUntil(() => scheduleProblem(verwalters, group) === null, quietWithinMs);
  if (took !== null) return took;
  throw new InvariantBroken(
    'a quiet cluster holds one schedule',
    world.nowMs(),
    scheduleProblem(verwalters, group) ?? '',
  );
}

/** What each node holds may not change while it is alone. */
export function heldBy(verwalters: Verwalters, nodes: readonly SimNode[]): readonly (string | null)[] {
  return nodes.map((node) => verwalters.of(node)?.state.lastKnown?.hash ?? null);
}

/**
 * Two halves that both lead (minorities may), in each of which somebody chooses, and which meet again: one round must
 * get both schedules as parents, and the newest choice of each role must survive.
 */
export function mergeApart(world: World, verwalters: Verwalters): void {
  const random = seeded(world.options.seed ^ 0x3e47);
  const side = world.nodes.map(() => (random() < 0.5 ? 1 : 0));
  // Neither side is empty.
  side[0] = 0;
  side[world.nodes.length - 1] = 1;
  const halves = [0, 1].map((half) => world.nodes.filter(({ index }) => side[index] === half));
  world.net.groups = side;
  const apart = (): string | null =>
    halves.map((half) => scheduleProblem(verwalters, half)).find((problem) => problem !== null) ?? null;
  const settle = (what: string, withinMs: number, problem: () => string | null): void => {
    if (world.runUntil(() => problem() === null, withinMs) !== null) return;
    throw new InvariantBroken(what, world.nowMs(), problem() ?? '');
  };
  settle('each half that may leads itself', twoLeadersWithinMs, apart);
  const chosen = new Map<string, Chosen>();
  for (const [half, nodes] of halves.entries()) {
    const leader = nodes.find((node) => node.state?.election.role.kind === 'leader');
    if (leader === undefined)
      throw new InvariantBroken('each half that may leads itself', world.nowMs(), 'nobody leads');
    for (const role of ['web', half === 0 ? 'db' : 'cache']) {
      verwalters.act(world, leader.index, { key: `half ${half} ${role}`, role, version: `of half ${half}` });
      world.runTo(world.nowMs() + 1_500 * random());
    }
  }
  settle('an accepted action is in a schedule or refused', 20 * second, apart);
  // A follower knows of the new one by a ping of its leader, and the other half by its gossip.
  for (const half of halves) {
    const data = verwalters.of(half[0] as SimNode)?.state.lastKnown?.data ?? {};
    for (const role of ['web', 'db', 'cache']) {
      const theirs = choiceIn(data, role);
      const ours = chosen.get(role);
      if (ours === undefined || isNewer(theirs, ours)) chosen.set(role, theirs);
    }
  }
  const [a, b] = halves.map((half) => verwalters.of(half[0] as SimNode)?.state.lastKnown?.hash ?? '');
  const healedMs = world.nowMs();
  world.net.groups = null;
  const merged = (): string | null =>
    a === b ||
    verwalters.checker.rounds.some(
      ({ atMs, parents }) => atMs >= healedMs && parents.includes(a ?? '') && parents.includes(b ?? ''),
    )
      ? null
      : `no round has seen both ${a?.slice(0, 8)} and ${b?.slice(0, 8)}`;
  settle('schedules made apart are merged', mergedWithinMs, merged);
  settle('a person’s newest choice survives', 20 * second, () => {
    const problem = scheduleProblem(verwalters, world.nodes);
    if (problem !== null) return problem;
    const data = verwalters.of(world.nodes[0] as SimNode)?.state.lastKnown?.data ?? {};
    for (const [role, { version, stamp }] of chosen) {
      const now = choiceIn(data, role);
      if (now.version === version && now.stamp === stamp) continue;
      return `${role} was chosen as ${version} at ${stamp}, is ${now.version} of ${now.stamp}`;
    }
    return null;
  });
}
