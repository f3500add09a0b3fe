import { uniform } from '../env.ts';
import type { Rumour } from '../member.ts';
import { type Edit, isLive, send } from './edit.ts';
import { worse } from './membership.ts';
import type { DigestEntry } from './message.ts';
import { draw, place } from './roster.ts';
import { inFrames, rumourAbout, toldAbout } from './rumours.ts';

/**
 * Anti-entropy: one digest to one peer, for as many ids as fit. The receiver pushes what it knows better and asks for
 * what it does not know; so a join, a healed partition and a lost rumour are all repaired by the same means.
 */
export function compareViews(draft: Edit): void {
  const { state, env } = draft;
  const wanted = state.syncWith === null ? undefined : state.peers.get(state.syncWith);
  const peer = wanted !== undefined && isLive(wanted) ? wanted : draw(draft, 1, isLive)[0];
  state.syncWith = null;
  // More nodes, more digests in the air for each node's news: keep the total per node constant instead.
  state.nextSyncMs = env.nowMs + uniform(env, 0.5, 1.5) * state.config.syncIntervalMs;
  if (peer === undefined) return;
  const ids = knownIds(draft);
  const most = state.config.digestEntries;
  const first = ids.length <= most ? 0 : Math.floor(env.random() * ids.length);
  const chosen = ids.slice(first, first + most);
  const to = ids[first + most] ?? null;
  const from = first === 0 ? '' : (chosen[0] ?? '');
  const entries = chosen.flatMap((id) => entryOf(draft, id));
  send(draft, peer.addr, { kind: 'digest', from, to, entries });
}

/** Sorted, our own among them. */
function knownIds(draft: Edit): string[] {
  const { roster, self } = draft.state;
  const at = place(roster, self.id);
  return [...roster.slice(0, at), self.id, ...roster.slice(at)];
}

function entryOf(draft: Edit, id: string): DigestEntry[] {
  const held = toldAbout(draft, id);
  return held === null ? [] : [{ id, incarnation: held.incarnation, liveness: held.liveness }];
}

export function answerDigest(
  draft: Edit,
  addr: string,
  from: string,
  to: string | null,
  entries: readonly DigestEntry[],
): void {
  const told = new Map(entries.map((entry) => [entry.id, entry]));
  const better: string[] = [];
  for (const id of knownIds(draft)) {
    if (id < from || (to !== null && id >= to)) continue;
    const held = toldAbout(draft, id);
    if (held === null) continue;
    const theirs = told.get(id);
    if (theirs === undefined || worse(held, theirs)) better.push(id);
  }
  const want = entries.flatMap((entry) => {
    const held = toldAbout(draft, entry.id);
    const old = held === null ? !draft.state.peers.has(entry.id) : worse(entry, held);
    return old ? [entry.id] : [];
  });
  answerWant(draft, addr, better);
  if (want.length > 0) send(draft, addr, { kind: 'want', ids: want });
}

export function answerWant(draft: Edit, addr: string, ids: readonly string[]): void {
  push(
    draft,
    addr,
    ids.flatMap((id) => rumourAbout(draft, id) ?? []),
  );
}

function push(draft: Edit, addr: string, all: readonly Rumour[]): void {
  const frames = inFrames(draft, all);
  const most = draft.state.config.mostPushPackets;
  // Too much for one burst: from a random place, so that several peers together give all of it.
  const first = frames.length <= most ? 0 : Math.floor(draft.env.random() * frames.length);
  const chosen = [...frames.slice(first), ...frames.slice(0, first)].slice(0, most);
  for (const news of chosen) send(draft, addr, { kind: 'news', news });
}
