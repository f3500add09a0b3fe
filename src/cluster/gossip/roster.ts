import { sample } from '../env.ts';
import type { Edit } from './edit.ts';
import type { Peer } from './state.ts';

/** Where `id` is in a sorted list, or would have to be put. */
export function place(sorted: readonly string[], id: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Up to `count` different peers at random of those that fit. */
export function draw(draft: Edit, count: number, fits: (peer: Peer) => boolean): Peer[] {
  const { peers, roster } = draft.state;
  const drawn = roster.length <= exactBelow ? [] : tryToDraw(draft, count, fits);
  if (drawn.length === count) return drawn;
  return sample(draft.env, [...peers.values()].filter(fits), count);
}

/**
 * By trial, for most peers fit in a healthy cluster, and a list of all would have to be made anew for each packet. Where
 * few fit, they are missed now and then.
 */
export function tryToDraw(draft: Edit, count: number, fits: (peer: Peer) => boolean): Peer[] {
  const { peers, roster } = draft.state;
  const drawn: Peer[] = [];
  for (let trial = 0; trial < count * trialsEach && drawn.length < count; trial += 1) {
    const peer = peers.get(roster[Math.floor(draft.env.random() * roster.length)] as string);
    if (peer !== undefined && fits(peer) && !drawn.includes(peer)) drawn.push(peer);
  }
  return drawn;
}

/** Looking at all of so few costs no more than trying. */
const exactBelow = 32;
const trialsEach = 4;
