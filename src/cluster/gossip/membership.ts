import { gravity, type NodeRecord, type Rumour, sameContent } from '../member.ts';
import { hint, reachable, sameWhere } from './addresses.ts';
import { type Edit, liveSize, put } from './edit.ts';
import { adjusted } from './health.ts';
import type { GossipPacket } from './message.ts';
import { rumourOf, spread } from './rumours.ts';
import type { Peer } from './state.ts';
import { confirm, deadlineMs, suspect } from './suspicion.ts';

/**
 * Takes in the sender's own record. Returns what we hold of it instead where that is newer or worse, so that the
 * caller can tell it: a node that restarts with a low incarnation, or that we believe dead, can only object to what it
 * hears (memberlist's pull request 345 is the story of a cluster where it never did).
 */
export function meet(draft: Edit, { me, report, message }: GossipPacket, addr: string): Rumour | null {
  const { env, state } = draft;
  const atMs = env.nowMs;
  const known = state.peers.get(me.id);
  const pingsReceived = (known?.pingsReceived ?? 0) + (message.kind === 'ping' ? 1 : 0);
  const pongsReceived = (known?.pongsReceived ?? 0) + (message.kind === 'ack' ? 1 : 0);
  if (known === undefined) {
    // Whatever it says: here it can be answered.
    const record = reachable(state.self, me) ?? { ...me, addr, otherAddrs: [] };
    const told = { addr, lastReportDirectMs: atMs, lastSignMs: atMs, report: { ...report, atMs } };
    add(draft, record, { ...told, pingsReceived, pongsReceived });
    met(draft, me.id);
    return null;
  }
  if (known.addr !== addr) draft.changed = true;
  const held = known.record;
  const told = sameWhere(me, held)
    ? me
    : (reachable(state.self, me) ?? { ...me, addr: held.addr, otherAddrs: held.otherAddrs });
  const outdated =
    told.incarnation < held.incarnation ||
    (told.incarnation === held.incarnation && (held.liveness !== 'alive' || !sameContent(told, held)));
  // Field by field, here and in rumourOf: every packet comes through, and a spread costs several times as much.
  const heard: Peer = {
    record: held,
    addr,
    seenAt: known.seenAt,
    knownSinceMs: known.knownSinceMs,
    lastReportDirectMs: atMs,
    lastSignMs: outdated ? known.lastSignMs : atMs,
    lastProbe: known.lastProbe,
    probesSent: known.probesSent,
    pingsReceived,
    pongsReceived,
    roundtrip: known.roundtrip,
    hearsayRoundtrip: known.hearsayRoundtrip,
    report: { atMs, peers: report.peers, scanMs: report.scanMs },
    skewMs: known.skewMs,
    suspicion: known.suspicion,
  };
  if (outdated) {
    put(draft, heard);
    return rumourOf(heard, atMs);
  }
  const returned = held.liveness === 'dead';
  if (told.incarnation > held.incarnation) revive(draft, heard, told);
  else put(draft, heard);
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
    const record = reachable(state.self, rumour);
    if (record === null) return;
    if (rumour.liveness === 'dead' && rumour.silentMs >= state.config.failMs) return;
    const seenAt = hint(state.self, record, rumour.seenAt);
    add(
      draft,
      { ...record, liveness: rumour.liveness === 'dead' ? 'dead' : 'alive' },
      { addr: seenAt ?? record.addr, seenAt, lastSignMs: env.nowMs - rumour.silentMs },
    );
    if (rumour.liveness === 'suspect') accuse(draft, rumour.id, rumour.accuser ?? rumour.id, rumour.incarnation);
    return;
  }
  const held = known.record;
  if (rumour.incarnation < held.incarnation) return;
  const later = rumour.incarnation > held.incarnation;
  const record = later ? (reachable(state.self, rumour) ?? { ...rumour, addr: held.addr, otherAddrs: [] }) : held;
  const told = later ? { ...known, ...whereabouts(state.self, known, record, rumour.seenAt) } : known;
  switch (rumour.liveness) {
    case 'alive':
      if (later) revive(draft, told, record);
      return;
    case 'suspect':
      if (later) revive(draft, told, record);
      accuse(draft, rumour.id, rumour.accuser ?? rumour.id, rumour.incarnation);
      return;
    case 'dead':
      if (held.liveness === 'dead') {
        if (later) put(draft, { ...known, record: { ...held, incarnation: rumour.incarnation } });
        return;
      }
      // Where we thought it well, it gets the time to object: after a partition both sides call each other dead.
      if (later) revive(draft, told, record);
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
    put(draft, { ...peer, record: { ...peer.record, liveness: 'suspect' }, suspicion });
    state.suspects.set(id, deadlineMs(suspicion));
    draft.changed = true;
    spread(draft, id);
    return;
  }
  const confirmed = confirm(peer.suspicion, accuser);
  if (confirmed === null) return;
  put(draft, { ...peer, suspicion: confirmed });
  state.suspects.set(id, deadlineMs(confirmed));
  spread(draft, id);
}

export function bury(draft: Edit, id: string): void {
  const { state } = draft;
  const peer = state.peers.get(id);
  if (peer === undefined || peer.record.liveness === 'dead') return;
  put(draft, { ...peer, record: { ...peer.record, liveness: 'dead' }, suspicion: null });
  state.suspects.delete(id);
  draft.changed = true;
  spread(draft, id);
}

/** Where a node is by hearsay: where its packets came from, unless it said meanwhile that it is elsewhere. */
function whereabouts(
  self: NodeRecord,
  { addr, seenAt: sawAt, record: held, lastReportDirectMs }: Peer,
  told: NodeRecord,
  seen: string | null,
): Pick<Peer, 'addr' | 'seenAt'> {
  const moved = !sameWhere(told, held);
  const seenAt = hint(self, told, seen) ?? (moved ? null : sawAt);
  const stays = !moved ? lastReportDirectMs !== null : told.addr === addr || told.otherAddrs.includes(addr);
  return { addr: stays ? addr : (seenAt ?? told.addr), seenAt };
}

function add(draft: Edit, record: NodeRecord, first: Pick<Peer, 'addr' | 'lastSignMs'> & Partial<Peer>): void {
  const { env, state } = draft;
  put(draft, {
    record: plainRecord(record),
    seenAt: null,
    knownSinceMs: env.nowMs,
    lastReportDirectMs: null,
    lastProbe: null,
    probesSent: 0,
    pingsReceived: 0,
    pongsReceived: 0,
    roundtrip: null,
    hearsayRoundtrip: null,
    report: null,
    skewMs: null,
    suspicion: null,
    ...first,
  });
  // At a random place of the present turn, so that newcomers are not all probed at its end.
  const rest = state.turn.length - state.turnDone;
  const place = state.turnDone + Math.floor(env.random() * (rest + 1));
  state.turn = [...state.turn.slice(state.turnDone, place), record.id, ...state.turn.slice(place)];
  state.turnDone = 0;
  draft.changed = true;
  spread(draft, record.id);
}

/** Takes a later word of the node as alive. */
function revive(draft: Edit, peer: Peer, record: NodeRecord): void {
  const { env, state } = draft;
  const plain: NodeRecord = { ...plainRecord(record), liveness: 'alive' };
  const held = peer.record;
  for (const name of ['hostname', 'name'] as const) {
    if (held[name] === plain[name]) continue;
    draft.sends.push({ kind: 'renamed', id: held.id, from: held[name], to: plain[name] });
  }
  const visible = held.liveness !== 'alive' || !sameContent(held, plain);
  put(draft, { ...peer, record: plain, lastSignMs: env.nowMs, suspicion: null });
  state.suspects.delete(held.id);
  if (visible) draft.changed = true;
  spread(draft, held.id);
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

function plainRecord(record: NodeRecord): NodeRecord {
  const { id, addr, otherAddrs, hostname, name, version, incarnation, liveness, schedule, errors, hasRemote } = record;
  const told = { id, addr, otherAddrs, hostname, name, version, incarnation, liveness, schedule, errors };
  return hasRemote === undefined ? told : { ...told, hasRemote };
}

type Word = Pick<NodeRecord, 'incarnation' | 'liveness'>;

export const worse = (a: Word, b: Word): boolean =>
  a.incarnation > b.incarnation || (a.incarnation === b.incarnation && gravity[a.liveness] > gravity[b.liveness]);
