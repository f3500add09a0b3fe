import { isLoopback } from '../../http/address.ts';
import { splitAddr } from '../addr.ts';
import { gravity, type NodeRecord, type Rumour, sameContent } from '../member.ts';
import { type Edit, liveSize } from './edit.ts';
import { adjusted } from './health.ts';
import { rumourOf, spread } from './rumours.ts';
import type { Peer } from './state.ts';
import { confirm, suspect } from './suspicion.ts';

/**
 * Takes in the sender's own record. Returns what we hold of it instead where that is newer or worse, so that the
 * caller can tell it: a node that restarts with a low incarnation, or that we believe dead, can only object to what it
 * hears (memberlist's pull request 345 is the story of a cluster where it never did).
 */
export function meet(draft: Edit, me: NodeRecord): Rumour | null {
  const { env, state } = draft;
  const known = state.peers.get(me.id);
  if (known === undefined) {
    add(draft, me, env.nowMs, true);
    met(draft, me.id);
    return null;
  }
  const heard: Peer = { ...known, lastReportDirectMs: env.nowMs };
  const held = known.record;
  const outdated =
    me.incarnation < held.incarnation ||
    (me.incarnation === held.incarnation && (held.liveness !== 'alive' || !sameContent(me, held)));
  if (outdated) {
    state.peers.set(me.id, heard);
    return rumourOf(heard, env.nowMs);
  }
  const returned = held.liveness === 'dead';
  if (me.incarnation > held.incarnation) revive(draft, heard, me);
  else state.peers.set(me.id, { ...heard, lastSignMs: env.nowMs });
  if (returned) met(draft, me.id);
  return null;
}

/** A word of somebody about somebody, perhaps about us. */
export function hear(draft: Edit, rumour: Rumour): void {
  const { env, state } = draft;
  if (rumour.id === state.self.id) {
    object(draft, rumour);
    return;
  }
  const known = state.peers.get(rumour.id);
  if (known === undefined) {
    if (!isReachable(state.self, rumour)) return;
    if (rumour.liveness === 'dead' && rumour.silentMs >= state.config.failMs) return;
    add(
      draft,
      { ...rumour, liveness: rumour.liveness === 'dead' ? 'dead' : 'alive' },
      env.nowMs - rumour.silentMs,
      false,
    );
    if (rumour.liveness === 'suspect') accuse(draft, rumour.id, rumour.accuser ?? rumour.id, rumour.incarnation);
    return;
  }
  const held = known.record;
  if (rumour.incarnation < held.incarnation) return;
  const later = rumour.incarnation > held.incarnation;
  switch (rumour.liveness) {
    case 'alive':
      if (later && isReachable(state.self, rumour)) revive(draft, known, rumour);
      return;
    case 'suspect':
      if (later) revive(draft, known, rumour);
      accuse(draft, rumour.id, rumour.accuser ?? rumour.id, rumour.incarnation);
      return;
    case 'dead':
      if (held.liveness === 'dead') {
        if (later) state.peers.set(rumour.id, { ...known, record: { ...held, incarnation: rumour.incarnation } });
        return;
      }
      // Where we thought it well, it gets the time to object: after a partition both sides call each other dead.
      if (later) revive(draft, known, rumour);
      if (held.liveness === 'suspect' && !later) bury(draft, rumour.id);
      else accuse(draft, rumour.id, rumour.accuser ?? rumour.id, rumour.incarnation);
      return;
    default:
      rumour.liveness satisfies never;
  }
}

/** Suspects a peer, or counts one more accuser. `accuser` may be ourselves. */
export function accuse(draft: Edit, id: string, accuser: string, incarnation: number): void {
  const { env, state } = draft;
  const peer = state.peers.get(id);
  if (peer === undefined || peer.record.liveness === 'dead' || incarnation < peer.record.incarnation) return;
  if (peer.suspicion === null) {
    const suspicion = suspect(state.config, env.nowMs, accuser, liveSize(draft));
    state.peers.set(id, { ...peer, record: { ...peer.record, liveness: 'suspect' }, suspicion });
    state.suspects.add(id);
    draft.changed = true;
    spread(draft, id);
    return;
  }
  const confirmed = confirm(peer.suspicion, accuser);
  if (confirmed === null) return;
  state.peers.set(id, { ...peer, suspicion: confirmed });
  spread(draft, id);
}

export function bury(draft: Edit, id: string): void {
  const { state } = draft;
  const peer = state.peers.get(id);
  if (peer === undefined || peer.record.liveness === 'dead') return;
  state.peers.set(id, { ...peer, record: { ...peer.record, liveness: 'dead' }, suspicion: null });
  state.suspects.delete(id);
  draft.changed = true;
  spread(draft, id);
}

function add(draft: Edit, record: NodeRecord, lastSignMs: number, direct: boolean): void {
  const { env, state } = draft;
  state.peers.set(record.id, {
    record: plainRecord(record),
    knownSinceMs: env.nowMs,
    lastReportDirectMs: direct ? env.nowMs : null,
    lastSignMs,
    lastProbeMs: null,
    roundtripMs: null,
    skewMs: null,
    suspicion: null,
  });
  // At a random place of the present turn, so that newcomers are not all probed at its end.
  const place = Math.floor(env.random() * (state.turn.length + 1));
  state.turn = [...state.turn.slice(0, place), record.id, ...state.turn.slice(place)];
  draft.changed = true;
  spread(draft, record.id);
}

/** Takes a later word of the node as alive. */
function revive(draft: Edit, peer: Peer, record: NodeRecord): void {
  const { env, state } = draft;
  const plain: NodeRecord = { ...plainRecord(record), liveness: 'alive' };
  const visible = peer.record.liveness !== 'alive' || !sameContent(peer.record, plain);
  state.peers.set(peer.record.id, { ...peer, record: plain, lastSignMs: env.nowMs, suspicion: null });
  state.suspects.delete(peer.record.id);
  if (visible) draft.changed = true;
  spread(draft, peer.record.id);
}

/** Somebody holds an old or a bad word of us: say something newer. */
function object(draft: Edit, rumour: Rumour): void {
  const { state } = draft;
  const own = state.self;
  if (rumour.incarnation < own.incarnation) return;
  const accused = rumour.liveness !== 'alive';
  if (rumour.incarnation === own.incarnation && !accused && sameContent(rumour, own)) return;
  state.self = { ...own, incarnation: rumour.incarnation + 1 };
  if (accused) state.health = adjusted(state.config, state.health, 1);
  spread(draft, own.id);
}

/** We have just met, or met again: compare what we know, soon, but not all at the same instant. */
function met(draft: Edit, id: string): void {
  const { env, state } = draft;
  state.syncWith = id;
  state.nextSyncMs = Math.min(state.nextSyncMs, env.nowMs + env.random() * 400);
}

/** A loopback address means somebody else on every host (spec/cantal.md 6.4). */
function isReachable(self: NodeRecord, record: NodeRecord): boolean {
  const host = splitAddr(record.addr)?.host;
  if (host === undefined) return false;
  return !isLoopback(host) || isLoopback(splitAddr(self.addr)?.host ?? '');
}

function plainRecord(record: NodeRecord): NodeRecord {
  const { id, addr, hostname, name, version, incarnation, liveness, schedule, errors, hasRemote } = record;
  const told = { id, addr, hostname, name, version, incarnation, liveness, schedule, errors };
  return hasRemote === undefined ? told : { ...told, hasRemote };
}

export const worse = (a: NodeRecord, b: { incarnation: number; liveness: NodeRecord['liveness'] }): boolean =>
  a.incarnation > b.incarnation || (a.incarnation === b.incarnation && gravity[a.liveness] > gravity[b.liveness]);
